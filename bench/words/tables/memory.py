"""What the report says of memory."""

from __future__ import annotations

from calexnet.bench.report.document import Report
from calexnet.bench.report.memory import Failure, MemoryRow
from calexnet.bench.words.figures import MISSING, significant
from calexnet.bench.words.tables.table import SETTING, Column, Table, subject_columns


def memory_tables(report: Report) -> tuple[Table[MemoryRow], ...]:
    """Return the peak memory of every network; nothing where it was not measured."""
    if not report.memory:
        return ()
    columns: tuple[Column[MemoryRow], ...] = (
        *subject_columns(report),
        Column("Network", lambda row: row.network, "word"),
        *SETTING,
        Column("Peak, MiB", lambda row: _mebibytes(row.peak_bytes)),
        Column("Before the bundle, MiB", lambda row: _mebibytes(row.before_bytes)),
        Column("Note", lambda row: why(row.failure), "prose"),
    )
    notes = (
        "Most resident memory of a process that loads the network and answers one batch twice, "
        "nobody leaving early. It holds Python, numpy and the runtime, which were there before the "
        "bundle, then files, weights and tensors; not a GPU's own memory. The cascade is what an "
        "app gets.",
    )
    return (Table("memory", "Memory", notes, columns, report.memory),)


def why(failure: Failure | None) -> str:
    """Return why a process gave no figure; nothing if it gave one."""
    if failure is None:
        return ""
    said, value = failure.message or "", failure.value or 0
    return {
        "said": said,
        "ended": f"the process ended with {value:.0f}",
        "too long": f"the process did not end within {value:g} s",
        "not started": f"the process could not be started: {said}",
    }[failure.kind]


def _mebibytes(count: int | None) -> str:
    return MISSING if count is None else significant(count / 2**20)
