"""What the report says of work: FLOPs saved against time saved, and stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

from calexnet.bench.report.document import Report
from calexnet.bench.words.figures import amount, percent, saved
from calexnet.bench.words.tables.table import COMPARISON, Column, Comparison, Table, last_named
from calexnet.costs import Macs


@dataclass(frozen=True)
class StageWork:
    """MACs of one stage, with the branch and gate after it, and of the path up to its exit."""

    exit: int
    stage: int
    branch: int
    gate: int
    to_exit: float
    to_exit_own_head: float


def flops(report: Report) -> Table[Comparison]:
    """Return the work saved beside the time saved, both ways of counting heads."""
    flop = report.flops
    plain = amount(flop.plain)
    own_head_saved = 1 - flop.cascade_own_head / flop.plain
    lines = (
        Comparison("FLOPs, all visited heads", plain, amount(flop.cascade), saved(flop.saved)),
        Comparison(
            "FLOPs, own head only", plain, amount(flop.cascade_own_head), saved(own_head_saved)
        ),
        Comparison(
            "Time, batch 1, one thread",
            percent(1.0),
            percent(1 - flop.time_saved),
            saved(flop.time_saved),
        ),
    )
    notes = (
        f"Work: {saved(flop.saved)}. Time: {saved(flop.time_saved)}. They differ because time "
        "also pays for calls into the runtime, for memory and for handing images on.",
        "An image runs every head on its way, so the first line is the work that is really done. "
        "Some papers count only the head by which the image leaves; the second line is for them.",
    )
    return Table("flops", "Arithmetic saved, and time saved", notes, COMPARISON, lines)


def stages(macs: Macs) -> Table[StageWork]:
    """Return the work of the parts."""
    last = len(macs.stages)
    columns: tuple[Column[StageWork], ...] = (
        Column("Stage", lambda row: last_named(row.exit, last, "tail"), "word"),
        Column("Stage, MACs", lambda row: amount(row.stage)),
        Column("Branch head, MACs", lambda row: amount(row.branch)),
        Column("Gate, MACs", lambda row: amount(row.gate)),
        Column("Up to this exit, all heads", lambda row: amount(row.to_exit)),
        Column("Up to this exit, own head", lambda row: amount(row.to_exit_own_head)),
    )
    notes = ("Of one image. One MAC is two FLOPs. Only convolutions and matrix products count.",)
    return Table("stages", "Work stage by stage", notes, columns, _stage_work(macs))


def _stage_work(macs: Macs) -> tuple[StageWork, ...]:
    """Return one record a stage; the tail has neither branch nor gate."""
    parts = zip(
        macs.stages,
        (*macs.branches, 0),
        (*macs.gates, 0),
        macs.to_exit().tolist(),
        macs.to_exit(own_head_only=True).tolist(),
        strict=True,
    )
    return tuple(StageWork(number, *part) for number, part in enumerate(parts, start=1))
