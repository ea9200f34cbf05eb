"""What to ship: the fastest network that keeps the accuracy, and how sure that is.

The line is drawn twice. A network is eligible if it loses at most the tolerance against the
reference, plain at the bundle's first precision; and the fastest eligible one wins if it is clearly
faster than the best of every other kind. Where an interval spans a line, the answer is ``unclear``;
but which of several operating points is the best cascade is no doubt about shipping one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from calexnet.bench.decision_records import Alternative, Decision, Kind
from calexnet.bench.figures import (
    at_most,
    changed,
    changed_between,
    interval,
    ratio,
    significant,
    time_against,
    time_change,
)
from calexnet.bench.interval import Interval
from calexnet.bench.validity_records import Validity

#: Ratio of two networks' times, by their names: over, under.
Ratio = Callable[[str, str], Interval]

#: What a rival is called before its own name; the others' names say what they are.
_RIVALS: dict[Kind, str] = {
    "smaller model": "the smaller model ",
    "other cascade": "the other cascade ",
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
    reasons = [_won(best, alternatives[0], rival, against)]
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


def sentence(decision: Decision, alternatives: Sequence[Alternative], validity: Validity) -> str:
    """Return the decision in one sentence with its numbers, said as loudly as the run allows."""
    if not validity.counts:
        return "INVALID: this run broke the rules of measuring, so it decides nothing."
    doubt = "" if validity.valid else "Unstable run, a hint at most. "
    found = {one.name: one for one in alternatives}
    best = found.get(decision.name)
    if best is None:  # a report that was cut by hand
        return f"{doubt}{_upper(decision.choice)}: {decision.name}."
    if decision.choice == "unclear":
        return f"{doubt}It is unclear what to ship: {_unclear(decision, best, alternatives)}."
    numbers = [f"{significant(best.ms)} ms an image"]
    if decision.ratio is not None:
        numbers.append(time_against(decision.ratio.value, str(decision.against)))
    numbers.append(f"with {_kept(best)}")
    return f"{doubt}Ship {_named(best)}: {', '.join(numbers)}."


def _unclear(decision: Decision, best: Alternative, alternatives: Sequence[Alternative]) -> str:
    said = (
        f"the likeliest is {_named(best)} with {significant(best.ms)} ms an image and {_kept(best)}"
    )
    if decision.ratio is not None and decision.ratio.high >= 1:
        against = time_against(decision.ratio.value, str(decision.against))
        reach = time_change(decision.ratio.high)
        return f"{said}, {against}, but it may as well take {reach}"
    faster = [
        one
        for one in alternatives
        if one.eligible is None and one.ms < best.ms and one.kind != best.kind
    ]
    other = min(faster, key=lambda one: one.ms)
    return (
        f"{said}, but {_named(other)} at {significant(other.ms)} ms is faster, and whether it "
        "keeps the accuracy is not sure"
    )


def _kept(best: Alternative) -> str:
    """Return what becomes of the accuracy, as a noun."""
    verb, _, size = changed(-best.drop.value).partition(" ")
    return (
        "no accuracy lost"
        if size == "nothing"
        else (f"{size} of accuracy {'gained' if verb == 'gains' else 'lost'}")
    )


def _won(
    best: Alternative, reference: Alternative, rival: Alternative | None, against: Interval | None
) -> str:
    accuracy = "is the reference for accuracy" if best is reference else _change(best.drop)
    said = f"{_upper(_named(best))} takes {significant(best.ms)} ms an image and {accuracy}"
    if rival is None or against is None:
        return f"{said}; no network of another kind keeps the accuracy."
    verb = "less than" if against.high < 1 else "not clearly less than"
    return (
        f"{said}; {verb} {_named(rival)} at {significant(rival.ms)} ms: "
        f"ratio {interval(ratio, against.value, against.low, against.high)}."
    )


def _doubt(one: Alternative, best: Alternative, tolerance: float) -> str:
    return (
        f"{_upper(_named(one))} would be faster still, {significant(one.ms)} against "
        f"{significant(best.ms)} ms, but whether it keeps the accuracy is not sure: it "
        f"{_change(one.drop)}, and at most {at_most(tolerance)} may be lost. More test images "
        "would tell."
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
        f"{_upper(_named(one))} is faster at {significant(one.ms)} ms, but "
        f"{changed(-one.drop.value)}, more than {at_most(tolerance)}."
    ]


def _change(drop: Interval) -> str:
    if drop.low == drop.high == 0:
        return "answers every image as the reference does"
    return changed_between(-drop.value, -drop.high, -drop.low)


def _named(one: Alternative) -> str:
    return f"{_RIVALS.get(one.kind, '')}{one.name}"


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]
