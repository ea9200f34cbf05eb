"""What a machine said of a pool's pieces: ``board.json``, typed, versioned, self-hashed.

Its form is told in docs/formats.md. Numpy is enough to read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from calexnet.bench.report.document import LeftOut
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.settled import Settled
from calexnet.bench.report.task import Setting
from calexnet.bench.report.validity import Validity
from calexnet.devices.base import DeviceRecord
from calexnet.errors import InputError
from calexnet.export.pool.document import Pool, Span
from calexnet.files import jsontext, schema, selfhash
from calexnet.files.storage import regular_bytes, staged_file

SCHEMA = 1


@dataclass(frozen=True)
class CostRow:
    """What one piece costs at one setting.

    Attributes:
        piece: Which.
        setting: By what it was run; its batch is that of the survivors that reach the piece.
        warm_ms: Of one call, if what ran last was the piece itself, and what leads up to it.
        cold_ms: Of one call, if the pool's largest network has run in between, and what leads up to
            the piece: by then the processor's caches hold other weights.
    """

    piece: Span
    setting: Setting
    warm_ms: Interval
    cold_ms: Interval


@dataclass(frozen=True)
class Power:
    """What the machine drew while it ran whole networks in turn, idle power included.

    Attributes:
        sensor: That said so; ``None`` = there is none.
        watts: Mean over a window after the timing.
        reason: Why there is none.
    """

    sensor: str | None = None
    watts: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Board:
    """All of it.

    Attributes:
        schema: Version of the document's form.
        pool: Hash of the pool that was timed.
        device: The machine.
        rows: By piece and setting.
        validity: Which figures count, and how the machine was.
        blocks: By threads, how many interleaved blocks were timed.
        power: Of the machine at such work.
        versions: Of what ran.
        command: That made it.
        started: UTC, ISO 8601.
        seconds: That it took.
        seed: Of the order.
        clock: That a call was timed by.
        settled: How the machine settled before, if it was waited for.
        left_out: Builds of the pool that do not work here.
    """

    schema: int
    pool: str
    device: DeviceRecord
    rows: tuple[CostRow, ...]
    validity: Validity
    blocks: dict[str, int]
    power: Power
    versions: dict[str, str]
    command: str
    started: str
    seconds: float
    seed: int
    clock: str
    settled: Settled | None = None
    left_out: tuple[LeftOut, ...] = ()

    def row(self, piece: Span, setting: Setting) -> CostRow:
        """Return what a piece costs.

        Raises:
            InputError: That was not measured.
        """
        found = self._rows.get((piece, setting))
        if found is None:
            raise InputError(
                f"the board says nothing of {piece}",
                got=f"{setting}",
                expected=", ".join(sorted({str(row.setting) for row in self.rows})) or "nothing",
                fix="Measure that too: calexnet-bench POOL --costs-only --out board.json",
            )
        return found

    def ms(self, piece: Span, setting: Setting) -> Interval:
        """Return the ms of one call of a piece, warm; see `row` for what it raises."""
        return self.row(piece, setting).warm_ms

    def joules(self, ms: float) -> float | None:
        """Return the estimated joules of work that takes so long, ``None`` without a sensor.

        The machine's mean power while networks ran, times the time: an estimate, since not every
        piece draws the same.
        """
        return None if self.power.watts is None else self.power.watts * ms / 1e3

    def settings(self) -> tuple[Setting, ...]:
        """Return every setting that was measured, in their order."""
        return tuple(dict.fromkeys(row.setting for row in self.rows))

    def batches(self, target: str, precision: str, threads: int) -> tuple[int, ...]:
        """Return the rising batch sizes measured at the rest of a setting."""
        wanted = target, precision, threads
        found = {s.batch for s in self.settings() if (s.target, s.precision, s.threads) == wanted}
        return tuple(sorted(found))

    @cached_property
    def _rows(self) -> dict[tuple[Span, Setting], CostRow]:
        return {(row.piece, row.setting): row for row in self.rows}


def write(board: Board, path: Path) -> None:
    """Write the document to a file, whole or not at all."""
    with staged_file(path) as stage:
        stage.write_bytes(selfhash.signed(schema.encode(board)))


def read(path: Path, pool: Pool | None = None) -> Board:
    """Return the board in a file.

    Args:
        path: The file.
        pool: That it must be about, if given.

    Raises:
        InputError: There is none, it is damaged, altered, or of another version or pool.
    """
    try:
        board = _parsed(regular_bytes(path, jsontext.MOST_BYTES))
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{path} holds no costs that can be read",
            got=problem,
            expected="what calexnet-bench POOL --costs-only --out board.json writes",
            fix="Measure again, or copy the file again",
        ) from problem
    if pool is not None:
        _refuse_other(board, pool, path)
    return board


def _parsed(data: bytes) -> Board:
    document: Any = jsontext.parse(data)
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise ValueError(f"schema {found!r}, not {SCHEMA}")
    _, content = selfhash.verified(data, document)
    return schema.decode(Board, content)


def _refuse_other(board: Board, pool: Pool, path: Path) -> None:
    if board.pool != pool.sha256:
        raise InputError(
            f"{path} holds the costs of another pool",
            got=f"pool {board.pool[:12]}",
            expected=f"pool {pool.sha256[:12]}, which is {pool.folder}",
            fix=f"Measure this one: calexnet-bench {pool.folder} --costs-only --out board.json",
        )
    known = {(piece.span, piece.target, piece.precision) for piece in pool.record.pieces}
    for row in board.rows:
        if (row.piece, row.setting.target, row.setting.precision) not in known:
            raise InputError(
                f"{path} holds the costs of another pool",
                got=f"{row.piece} at {row.setting}",
                expected="pieces of this one",
            )


def said(board: Board) -> Iterator[str]:
    """Yield what the run came to, line by line, for a terminal."""
    for setting in board.settings():
        rows = [row for row in board.rows if row.setting == setting]
        yield f"{setting}: {len(rows)} pieces"
        for row in rows:
            warm, cold = row.warm_ms, row.cold_ms
            yield f"  {warm.value:9.3f} ms warm {cold.value:9.3f} ms cold  {row.piece}"
