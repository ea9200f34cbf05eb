"""May these numbers be used: the rules, and what a run broke of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from calexnet.bench.blocks import Blocks
from calexnet.bench.figures import counted, listed, percent, significant, time_against
from calexnet.bench.tasks import in_words
from calexnet.bench.validity_records import Breach, Conditions, Validity

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


def judge(conditions: Conditions, blocks: Mapping[int, Blocks], *, allowed: bool) -> Validity:
    """Return whether the run counts, and every rule that it broke.

    Args:
        conditions: Of the machine while it was measured.
        blocks: What was timed, by threads.
        allowed: The user wants the numbers whatever they are worth.
    """
    breaches = (*_of_the_machine(conditions), *_of_the_pace(blocks))
    return Validity(
        valid=not breaches,
        allowed=allowed,
        breaches=breaches,
        conditions=conditions,
        drift={str(threads): found.drift() for threads, found in blocks.items()},
        swing={str(threads): found.swing() for threads, found in blocks.items()},
        effective_blocks={str(threads): found.effective() for threads, found in blocks.items()},
    )


def _of_the_machine(found: Conditions) -> Iterator[Breach]:
    if found.slowed_down:
        yield Breach(
            "throttling", f"the device was slowed down: {'; '.join(found.slowed_down)}", ""
        )
    if found.foreign:
        names = listed([*found.foreign])
        yield Breach("foreign load", f"other processes used the device: {names}", "none")
    if found.foreign_share is not None and found.foreign_share > FOREIGN_LIMIT:
        yield Breach(
            "foreign load",
            f"other processes used {percent(found.foreign_share)} of the cores' time",
            f"at most {percent(FOREIGN_LIMIT)}",
        )
    if found.steal_share is not None and found.steal_share > STEAL_LIMIT:
        yield Breach(
            "stolen time",
            f"the host took away {percent(found.steal_share)} of the cores' time",
            f"at most {percent(STEAL_LIMIT)}",
        )
    for name, span in found.clocks_mhz.items():
        if span.low < (1 - CLOCK_LIMIT) * span.high:
            seen = f"{significant(span.low)} to {significant(span.high)} MHz"
            yield Breach("clocks", f"{name} moved: {seen}", f"within {percent(CLOCK_LIMIT)}")


def _of_the_pace(blocks: Mapping[int, Blocks]) -> Iterator[Breach]:
    for threads, found in blocks.items():
        where = f"with {counted(threads, 'thread')}"
        change = found.drift() - 1
        if abs(change) > DRIFT_LIMIT:
            yield Breach(
                "drift",
                f"{where}, the last quarter of the run took "
                f"{time_against(1 + change, 'the first')} for the same work",
                f"within {percent(DRIFT_LIMIT)}",
            )
        if found.effective() < min(EFFECTIVE_LIMIT, len(found.pace)):
            yield Breach(
                "unsteady pace",
                f"{where}, the machine's pace changed so slowly that {len(found.pace)} rounds of "
                f"measuring tell as much as {found.effective():.1f} on a steady one",
                f"at least {EFFECTIVE_LIMIT}",
            )
        yield from _of_the_tasks(found, where)


def _of_the_tasks(found: Blocks, where: str) -> Iterator[Breach]:
    """Yield what had not settled: a warm-up that went on, or buffers that grew."""
    for name in found.names:
        change, error = found.settling(name)
        size = abs(np.log(change))
        if size > np.log1p(SETTLING_LIMIT) and size > SETTLING_ERRORS * error:
            yield Breach(
                "not settled",
                f"{in_words(name)}, {where}: in the second half of the run "
                f"{time_against(change, 'in the first')}",
                f"within {percent(SETTLING_LIMIT)}",
            )
