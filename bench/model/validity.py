"""Which claims of a report stand: the rules, and what a run broke of them.

Networks are timed in turns, so what slows all of them alike is in neither side of a ratio: under a
twofold swing of the clock the intervals of ratios go on holding the truth, those of times do not.
So a machine that swings voids ms and joules, and not what ratios alone decide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from calexnet.bench.model.blocks import Blocks
from calexnet.bench.report.task import Task
from calexnet.bench.report.validity import CLAIMS, Breach, Claim, Conditions, Validity

#: Share of the cores' time that other processes may use.
FOREIGN_LIMIT = 0.10
#: Share that the host of a virtual machine may take away.
STEAL_LIMIT = 0.02
#: By how much a clock may move while there is work, and the pace from first to last blocks.
CLOCK_LIMIT = 0.10
DRIFT_LIMIT = 0.10
#: By how much a task may go on settling from its first half to its second, the pace taken out;
#: and how many standard errors make that more than chance among hundreds of tasks.
SETTLING_LIMIT, SETTLING_ERRORS = 0.10, 5.0
#: Fewest blocks, after what the pace remembers from one to the next, that a figure can rest on.
EFFECTIVE_LIMIT = 5

#: What the pace of the machine is in.
_ABSOLUTE: tuple[Claim, ...] = ("time", "percentile", "energy")
#: What a task that had not settled is in, and what else if the verdict rests on it.
_OF_A_TASK: tuple[Claim, ...] = ("ratio", "time", "percentile")


def judge(
    conditions: Conditions,
    blocks: Mapping[int, Blocks],
    *,
    deciding: Collection[str] = (),
    tasks: Mapping[int, Mapping[str, Task]] = MappingProxyType({}),
    allowed: bool,
) -> Validity:
    """Return which claims stand, and every rule that the run broke.

    Args:
        conditions: Of the machine while it was measured.
        blocks: What was timed, by threads.
        deciding: The names that the verdict rests on, on one thread.
        tasks: What was timed under a name, by threads, where it is no piece of a pool.
        allowed: The user wants the numbers whatever they are worth.
    """
    return Validity(
        allowed=allowed,
        breaches=(*_of_the_machine(conditions), *_of_the_pace(blocks, deciding, tasks)),
        conditions=conditions,
        drift={str(threads): found.drift() for threads, found in blocks.items()},
        swing={str(threads): found.swing() for threads, found in blocks.items()},
        effective_blocks={str(threads): found.effective() for threads, found in blocks.items()},
    )


def _of_the_machine(found: Conditions) -> Iterator[Breach]:
    if found.emulated is not None:
        yield Breach("emulated processor", None, None, CLAIMS, found.emulated)
    for reason in found.slowed_down:
        yield Breach("throttling", None, None, _ABSOLUTE, reason)
    if found.quota_periods:
        yield Breach("quota", found.quota_periods, 0, _ABSOLUTE)
    for name in found.foreign:
        yield Breach("foreign process", None, None, _ABSOLUTE, name)
    if found.foreign_share is not None and found.foreign_share > FOREIGN_LIMIT:
        yield Breach("foreign load", found.foreign_share, FOREIGN_LIMIT, _ABSOLUTE)
    if found.steal_share is not None and found.steal_share > STEAL_LIMIT:
        yield Breach("stolen time", found.steal_share, STEAL_LIMIT, _ABSOLUTE)
    for name, span in found.clocks_mhz.items():
        if span.low < (1 - CLOCK_LIMIT) * span.high:
            yield Breach("clocks", 1 - span.low / span.high, CLOCK_LIMIT, _ABSOLUTE, name)


def _of_the_pace(
    blocks: Mapping[int, Blocks],
    deciding: Collection[str],
    tasks: Mapping[int, Mapping[str, Task]],
) -> Iterator[Breach]:
    for threads, found in blocks.items():
        change = found.drift()
        if abs(change - 1) > DRIFT_LIMIT:
            yield Breach("drift", change, DRIFT_LIMIT, _ABSOLUTE, threads=threads)
        least = min(EFFECTIVE_LIMIT, len(found.pace))
        if found.effective() < least:
            yield Breach("unsteady pace", found.effective(), least, _ABSOLUTE, threads=threads)
        yield from _of_the_tasks(
            found, threads, deciding if threads == 1 else (), tasks.get(threads, {})
        )


def _of_the_tasks(
    found: Blocks, threads: int, deciding: Collection[str], tasks: Mapping[str, Task]
) -> Iterator[Breach]:
    """Yield what had not settled: a warm-up that went on, or buffers that grew."""
    for name in found.names:
        change, error = found.settling(name)
        size = abs(np.log(change))
        if size > np.log1p(SETTLING_LIMIT) and size > SETTLING_ERRORS * error:
            decides: tuple[Claim, ...] = ("verdict",) if name in deciding else ()
            voids = (*decides, *_OF_A_TASK)
            task = tasks.get(name)
            what = name if task is None else ""
            yield Breach("not settled", change, SETTLING_LIMIT, voids, what, threads, task)
