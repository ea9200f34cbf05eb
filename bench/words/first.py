"""The first screen of a report: one word, the numbers that decide, and what to do next.

All of it is about what ships: no figure of another operating point stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

from calexnet.bench.report.decision import Alternative, Kind
from calexnet.bench.report.document import Report
from calexnet.bench.words import verdict
from calexnet.bench.words.figures import MISSING, estimate, points, significant
from calexnet.bench.words.remedies import broken
from calexnet.manifest import SEGMENTS

_SHIP: dict[Kind, str] = {
    "plain": "Ship plain",
    "cascade": "Ship the cascade",
    "cut network": "Ship the cut network",
    "smaller model": "Ship the small model",
    "other cascade": "Ship the other cascade",
}


@dataclass(frozen=True)
class Number:
    """One of the numbers that decide.

    Attributes:
        figure: As it is shown, with its unit.
        label: What it is of.
    """

    figure: str
    label: str


def word(report: Report) -> str:
    """Return what to do, in the fewest words."""
    choice = report.decision.choice
    if not report.validity.counts("verdict"):
        return "Invalid"
    return "Unclear" if choice == "unclear" else _SHIP[choice]


def numbers(report: Report) -> tuple[Number, ...]:
    """Return the time of what ships, what that is of the best other's, and what may be lost."""
    decided = report.decision
    best = next((one for one in report.alternatives if one.name == decided.name), None)
    if best is None:
        return ()
    found = [
        Number(f"{significant(best.ms)} ms", "for a single image on one thread")
        if report.validity.counts("time")
        else Number(MISSING, "times in ms do not stand on this run")
    ]
    if decided.ratio is not None:
        share = estimate(lambda value: f"{100 * value:.0f}", decided.ratio)
        figure, _, ends = share.partition(" ")
        found.append(Number(f"{figure} %", f"of the time of {decided.against} {ends}"))
    return *found, _lost(best)


def _lost(best: Alternative) -> Number:
    tested = best.certificate
    if tested is not None and tested.standing == "reference":
        return Number("0", "points of accuracy lost: it is the reference")
    change = points(-best.drop.value)
    if tested is None or tested.upper is None:
        return Number(f"{change} points", "of accuracy on the test images")
    return Number(
        f"{change} points", f"of accuracy on {verdict.asked(tested)}; {verdict.bound(tested)}"
    )


def following(report: Report) -> str:
    """Return what to do next, in a sentence or two; nothing if nobody could say."""
    rules = broken(report.validity.breaches)
    if not report.validity.counts("verdict"):
        return rules[0].remedy if rules else ""
    decided = report.decision
    best = next((one for one in report.alternatives if one.name == decided.name), None)
    if best is None:
        return ""
    if decided.choice == "unclear":
        return "Measure for longer, on a machine with nothing else to do: more --seconds."
    return _use(best, report)


def _use(best: Alternative, report: Report) -> str:
    bundle = report.bundle.path
    where = f'target="{best.target.partition(" ")[0]}", precision="{best.precision}"'
    if best.kind == "cascade":
        layout = "" if best.layout == SEGMENTS else f', layout="{best.layout}"'
        point = f'operating_point="{best.operating_point}"{layout}'
        return f'In the app: calexnet.load("{bundle}", {where}, {point}).'
    if best.kind == "cut network":
        return verdict.how_to_cut(best)
    if best.kind == "plain":
        return (
            f'In the app: calexnet.load("{bundle}", {where}).plain(images). Early exits do not pay '
            "here."
        )
    path = next((one.path for one in report.rivals if one.name == best.name), best.name)
    return f"Ship {path} as it is."
