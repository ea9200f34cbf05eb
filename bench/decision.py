"""What to ship: the fastest network that keeps the accuracy, and how sure that is.

The line is drawn twice. A network is eligible if it loses at most the tolerance against the
reference, plain at the bundle's first precision; and the fastest eligible one wins if it is clearly
faster than the best of every other kind. Where an interval spans a line, the answer is ``unclear``;
but which of several operating points is the best cascade is no doubt about shipping one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from calexnet.bench.decision_records import Alternative, Decision, Kind
from calexnet.bench.figures import interval, points, ratio, significant
from calexnet.bench.interval import Interval
from calexnet.bench.validity_records import Validity

#: Ratio of two networks' times, by their names: over, under.
Ratio = Callable[[str, str], Interval]

SHIP: dict[Kind, str] = {
    "cascade": "Ship the cascade",
    "plain": "Ship the plain network",
    "smaller model": "Ship the smaller model",
    "other cascade": "Ship the other cascade",
}


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
    reasons = [_won(best, rival, against)]
    reasons += [_doubt(one, best, tolerance) for one in sorted(faster, key=lambda one: one.ms)[:1]]
    reasons += _left_out(alternatives, best, tolerance)
    return Decision(
        choice="unclear" if tied or any(one.kind != best.kind for one in faster) else best.kind,
        name=best.name,
        tolerance=tolerance,
        against=None if rival is None else rival.name,
        ratio=against,
        reasons=tuple(reasons),
    )


def sentence(decision: Decision, validity: Validity) -> str:
    """Return the decision in one sentence, said as loudly as the run allows."""
    at = f"for at most {_size(decision.tolerance)} of accuracy"
    if not validity.counts:
        return "INVALID: this run broke the rules of measuring, so it decides nothing."
    doubt = "" if validity.valid else "Unstable run, kept as asked: "
    if decision.choice == "unclear":
        return f"{doubt}Unclear {at}: the likeliest is {decision.name}."
    return f"{doubt}{SHIP[decision.choice]}: {decision.name}, the fastest {at}."


def _won(best: Alternative, rival: Alternative | None, against: Interval | None) -> str:
    said = (
        f"{_upper(best.name)} takes {significant(best.ms)} ms an image and loses "
        f"{interval(points, best.drop.value, best.drop.low, best.drop.high)} points"
    )
    if rival is None or against is None:
        return f"{said}; no network of another kind keeps the accuracy."
    verb = "less than" if against.high < 1 else "not clearly less than"
    return (
        f"{said}; {verb} {rival.name} at {significant(rival.ms)} ms "
        f"(ratio {interval(ratio, against.value, against.low, against.high)})."
    )


def _doubt(one: Alternative, best: Alternative, tolerance: float) -> str:
    return (
        f"{_upper(one.name)} would be faster still, {significant(one.ms)} against "
        f"{significant(best.ms)} ms, but whether it keeps the accuracy is not sure: it loses "
        f"{interval(points, one.drop.value, one.drop.low, one.drop.high)} points, and at most "
        f"{_size(tolerance)} may be lost. More test images would tell."
    )


def _left_out(
    alternatives: Sequence[Alternative], best: Alternative, tolerance: float
) -> list[str]:
    """Return why something faster was not chosen, if anything was."""
    lossy = [one for one in alternatives if one.eligible is False and one.ms < best.ms]
    if not lossy:
        return []
    one = min(lossy, key=lambda one: one.drop.value)
    return [
        f"{_upper(one.name)} is faster at {significant(one.ms)} ms, but loses "
        f"{points(one.drop.value)} points, more than {_size(tolerance)}."
    ]


def _size(tolerance: float) -> str:
    size = 100 * tolerance
    return f"{size:g} point" if size == 1 else f"{size:g} points"


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]
