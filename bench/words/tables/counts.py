"""What the report says of the graphs themselves: work, parameters, bytes, and other operators."""

from __future__ import annotations

from calexnet.bench.report.counts import CountRow
from calexnet.bench.report.document import Report
from calexnet.bench.words.figures import MISSING, amount
from calexnet.bench.words.tables.table import Column, Table, subject_columns
from calexnet.counts import OperatorCount


def count_tables(report: Report) -> tuple[Table[CountRow], ...]:
    """Return what every graph holds, for one image; nothing where no graph was counted."""
    if not any(row.counts for row in report.counts):
        return ()
    last = len(report.bundle.attach) + 1
    columns: tuple[Column[CountRow], ...] = (
        *subject_columns(report),
        Column("Graph", lambda row: _graph(row.segment, last), "word"),
        Column("MACs", lambda row: _amount(row, "macs")),
        Column("Parameters", lambda row: _amount(row, "parameters")),
        Column("Weights, bytes", lambda row: _amount(row, "weight_bytes")),
        Column("Other bytes, an image", lambda row: _amount(row, "activation_bytes")),
        Column("Other operators: how often, elements", _others, "prose"),
        Column("Counted on", lambda row: f"{row.source_target} {row.source_precision}", "word"),
    )
    notes = (
        "Counted from the exported graphs, for one image. MACs are those of convolutions and "
        "matrix products, heads included; all else is named beside, with the numbers it writes.",
        "The bytes are an upper bound to compare graphs by: every operator reads all its inputs "
        "and writes all its outputs once, nothing is fused and nothing stays in a cache. Weights "
        "are read once a call, whatever the batch. Narrow tensors count as narrow.",
    )
    return (Table("counts", "What the graphs hold", notes, columns, report.counts),)


def _graph(segment: int, last: int) -> str:
    if segment == 0:
        return "plain"
    return f"segment {segment} (tail)" if segment == last else f"segment {segment}"


def _amount(row: CountRow, name: str) -> str:
    return MISSING if row.counts is None else amount(getattr(row.counts, name))


def _others(row: CountRow) -> str:
    if row.counts is None:
        return MISSING
    return ", ".join(map(_other, sorted(row.counts.others, key=lambda o: -o.elements)))


def _other(operator: OperatorCount) -> str:
    return f"{operator.name} {operator.count} ({amount(operator.elements)})"
