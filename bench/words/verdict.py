"""The decision in words: what to ship, and why, said as loudly as the run allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor

from calexnet.bench.report.decision import Alternative, Certificate, ClassDrop, Decision, Kind
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.validity import Validity
from calexnet.bench.words import conclusions
from calexnet.bench.words.figures import (
    at_most,
    changed,
    changed_between,
    counted,
    interval,
    percent,
    ratio,
    significant,
    time_against,
    time_change,
)
from calexnet.bench.words.tables.energy import energy_sentences

#: What a rival is called before its own name; the others' names say what they are.
_RIVALS: dict[Kind, str] = {
    "smaller model": "the smaller model ",
    "other cascade": "the other cascade ",
}


def headline(report: Report) -> tuple[str, ...]:
    """Return what all tables come to, a sentence each, the decision first."""
    decided, networks = report.decision, report.alternatives
    return (
        sentence(decided, networks, report.validity),
        *reasons(decided, networks),
        *conclusions.headline(
            report.amortisation,
            report.crossover,
            report.operating_points,
            report.accuracy,
            decided.max_drop,
        ),
        *conclusions.slower_precisions(networks),
        *conclusions.layout_sentences(report.layouts),
        *conclusions.prediction_sentences(report.amortisation),
        *conclusions.missing_int8(networks, report.bundle.builds),
        *energy_sentences(report.energy),
    )


def sentence(decision: Decision, alternatives: Sequence[Alternative], validity: Validity) -> str:
    """Return the decision in one sentence with its numbers, said as loudly as the run allows."""
    if not validity.counts("verdict"):
        return "INVALID: this run broke the rules of measuring, so it decides nothing."
    doubt = "" if validity.stands("verdict") else "Unstable run, a hint at most. "
    best = _find(decision.name, alternatives)
    if best is None:  # a report that was cut by hand
        return f"{doubt}{_upper(decision.choice)}: {decision.name}."
    if decision.choice == "unclear":
        return f"{doubt}It is unclear what to ship: {_unclear(decision, best)}."
    numbers = [f"{significant(best.ms)} ms an image"] if validity.counts("time") else []
    if decision.ratio is not None:
        numbers.append(time_against(decision.ratio.value, str(decision.against)))
    numbers.append(f"with {_kept(best)}")
    return f"{doubt}Ship {_named(best)}: {', '.join(numbers)}."


def reasons(decision: Decision, alternatives: Sequence[Alternative]) -> tuple[str, ...]:
    """Return a sentence each on what decides, and on what is faster and was not taken."""
    best = _find(decision.name, alternatives)
    if best is None:
        return ()
    rival = _find(decision.against, alternatives)
    doubt, lossy = (_find(name, alternatives) for name in (decision.doubt, decision.lossy))
    return (
        " ".join(
            (
                _won(best, alternatives[0], rival, decision.ratio),
                *([] if best is alternatives[0] else _worst(best.worst_class)),
            )
        ),
        *([] if doubt is None else [_doubt(doubt, best, decision)]),
        *([] if lossy is None else [_lossy(lossy, decision.max_drop)]),
        *(how_to_cut(one) for one in (best, rival, doubt) if one is not None and one.cut),
    )


def _find(name: str | None, alternatives: Sequence[Alternative]) -> Alternative | None:
    return next((one for one in alternatives if one.name == name), None)


def _unclear(decision: Decision, best: Alternative) -> str:
    said = (
        f"the likeliest is {_named(best)} with {significant(best.ms)} ms an image and {_kept(best)}"
    )
    if decision.ratio is None:
        return said
    against = time_against(decision.ratio.value, str(decision.against))
    return f"{said}, {against}, but it may as well take {time_change(decision.ratio.high)}"


def _kept(best: Alternative) -> str:
    """Return what becomes of the accuracy, as a noun."""
    found = best.certificate
    if found is not None and found.standing == "reference":
        return "no accuracy lost"
    verb, _, size = changed(-best.drop.value).partition(" ")
    here = (
        "no accuracy lost"
        if size == "nothing"
        else (f"{size} of accuracy {'gained' if verb == 'gains' else 'lost'}")
    )
    if found is None:
        return here
    return f"{here} on {asked(found)} ({bound(found)})"


def asked(found: Certificate) -> str:
    """Return on how much it was tested: images, or groups of them."""
    images = counted(found.test.images, "image")
    groups = found.by_group
    return images if groups is None else f"{counted(groups.groups, 'group')} of {images}"


def bound(found: Certificate | None) -> str:
    """Return what is certified."""
    if found is None:
        return "a certificate was not recorded"
    upper = found.upper or 0.0
    sure = f"with {percent(1 - found.alpha)} confidence"
    if upper < 0:
        return f"{sure} at least {at_most(_up(-upper, floor))} gained"
    return f"{sure} at most {at_most(_up(upper, ceil))} lost"


def _up(share: float, towards: Callable[[float], int]) -> float:
    """Return a share in tenths of a point, rounded to the safe side."""
    return towards(round(1000 * share, 9)) / 1000


def _won(
    best: Alternative, reference: Alternative, rival: Alternative | None, against: Interval | None
) -> str:
    accuracy = (
        "is the reference for accuracy"
        if best is reference
        else f"{_change(best)}, {bound(best.certificate)}"
    )
    said = f"{_upper(_named(best))} takes {significant(best.ms)} ms an image and {accuracy}"
    if rival is None or against is None:
        return f"{said}; no network of another kind keeps the accuracy."
    verb = "less than" if against.high < 1 else "not clearly less than"
    return (
        f"{said}; {verb} {_named(rival)} at {significant(rival.ms)} ms: "
        f"ratio {interval(ratio, against.value, against.low, against.high)}."
    )


def _worst(found: ClassDrop | None) -> tuple[str, ...]:
    """Return what the class loses that loses most: a mean may hold while one is ruined."""
    if found is None:
        return ()
    drop = found.drop
    change = changed_between(-drop.value, -drop.high, -drop.low)
    images = counted(found.images, "image")
    return (f"Of its classes, '{found.name}' fares worst: it {change} on {images}.",)


def _doubt(one: Alternative, best: Alternative, decision: Decision) -> str:
    """Return what is faster and not certified, and how many images would tell."""
    tested = one.certificate
    groups = None if tested is None else tested.by_group
    size = groups.groups if groups else tested.test.images if tested else 0
    unit = "test images" if groups is None else "groups of test images"
    tell = (
        "What would tell was not recorded."
        if tested is None
        else f"More {unit} like these would not tell."
        if decision.needed is None
        else f"About {_about(decision.needed)} {unit} like these would tell; there are {size:,}."
        if decision.needed > size
        else "It was not tested, for the chain of tests ended before it."
    )
    return (
        f"{_upper(_named(one))} would be faster still, {significant(one.ms)} against "
        f"{significant(best.ms)} ms, but whether it keeps the accuracy is not sure: it "
        f"{_change(one)}, and at most {at_most(decision.max_drop)} may be lost. {tell}"
    )


def how_to_cut(one: Alternative) -> str:
    """Return the command that makes a bundle of a cut network."""
    return (
        f"To get {one.name} as a bundle of its own: calexnet-export RUN --cut {one.cut} --out DIR."
    )


def _about(count: int) -> str:
    """Return a count to two digits."""
    return f"{float(f'{count:.2g}'):,.0f}"


def _lossy(one: Alternative, max_drop: float) -> str:
    return (
        f"{_upper(_named(one))} is faster at {significant(one.ms)} ms, but "
        f"{changed(-one.drop.value)}, more than {at_most(max_drop)}."
    )


def _change(one: Alternative) -> str:
    if one.certificate is not None and one.certificate.test.apart == 0:
        return "is right and wrong on the very images that the reference is"
    return changed_between(-one.drop.value, -one.drop.high, -one.drop.low)


def _named(one: Alternative) -> str:
    return f"{_RIVALS.get(one.kind, '')}{one.name}"


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]
