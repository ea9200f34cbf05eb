"""What to ship: the fastest network that keeps the accuracy, and how sure that is.

The line is drawn twice. A network is eligible if it loses at most the tolerance against the
reference, plain at the bundle's first precision; and the fastest eligible one wins if it is clearly
faster than the best of every other kind. Where an interval spans a line, the answer is ``unclear``;
but which of several operating points is the best cascade is no doubt about shipping one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from calexnet.bench.decision_records import Alternative, Decision
from calexnet.bench.interval import Interval

#: Ratio of two networks' times, by their names: over, under.
Ratio = Callable[[str, str], Interval]


def eligible(drop: Interval, tolerance: float) -> bool | None:
    """Return whether a network loses at most `tolerance`, ``None`` if its interval spans it."""
    if drop.high <= tolerance:
        return True
    return False if drop.low > tolerance else None


def decide(alternatives: Sequence[Alternative], ratio_of: Ratio, tolerance: float) -> Decision:
    """Return what to ship.

    Args:
        alternatives: Every network that could be, the reference first; it loses nothing.
        ratio_of: From the blocks in which all were timed.
        tolerance: Share of accuracy that may be lost.
    """
    able = [one for one in alternatives if one.eligible]
    doubtful = [one for one in alternatives if one.eligible is None]
    best = min(able, key=lambda one: one.ms)
    others = [one for one in able if one.kind != best.kind]
    rival = min(others, key=lambda one: one.ms, default=None)
    against = None if rival is None else ratio_of(best.name, rival.name)
    tied = against is not None and against.high >= 1
    faster = [one for one in doubtful if one.ms < best.ms]
    lossy = [one for one in alternatives if one.eligible is False and one.ms < best.ms]
    return Decision(
        choice="unclear" if tied or any(one.kind != best.kind for one in faster) else best.kind,
        name=best.name,
        tolerance=tolerance,
        against=_name(rival),
        ratio=against,
        doubt=_name(min(faster, key=lambda one: one.ms, default=None)),
        lossy=_name(min(lossy, key=lambda one: one.drop.value, default=None)),
    )


def _name(one: Alternative | None) -> str | None:
    return None if one is None else one.name
