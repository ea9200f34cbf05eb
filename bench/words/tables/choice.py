"""What the report says of the choice: the networks side by side, and what accuracy they keep."""

from __future__ import annotations

from calexnet.bench.report.decision import Alternative, Standing
from calexnet.bench.report.document import Report
from calexnet.bench.words.conclusions import slower_precisions
from calexnet.bench.words.figures import (
    MISSING,
    at_most,
    estimate,
    interval,
    percent,
    points,
    ratio,
    significant,
    worst_points,
)
from calexnet.bench.words.tables.table import Column, Table, facts

#: On a phone there is no room for them; the worst class stands among the reasons.
_NOT_DECIDING = (
    "Ratio to the fastest plain",
    "Worst class, points",
    "Accuracy",
    "Balanced accuracy",
)
_STANDINGS: dict[Standing, str] = {
    "reference": "yes",
    "passed": "yes",
    "failed": "not sure",
    "not reached": "untested",
    "left out": "untested",
    "no use": "no use",
}


def deciding(report: Report) -> Table[Alternative]:
    """Return what the decision is about: the one, its rival, the reference, and who is in doubt.

    That is the fastest of those that are faster still, and may keep the accuracy.
    """
    decided = report.decision
    found = {one.name: one for one in report.alternatives}
    reference = [one.name for one in report.alternatives[:1]]
    names = dict.fromkeys((decided.name, decided.against, *reference, decided.doubt))
    rows = tuple(found[name] for name in names if name in found)
    columns = tuple(c for c in _alternative_columns(report) if c.title not in _NOT_DECIDING)
    return Table("deciding", "What decides", (), columns, rows)


def rule(report: Report) -> tuple[str, ...]:
    """Return by what rule it was decided; nothing if there was nothing to choose from."""
    return tuple(
        f"The rule: who may lose at most {at_most(report.decision.max_drop)} of accuracy against "
        f"{one.name}, the reference, is tested on the test images"
        f"{'' if tested.by_group is None else ', in the mean over their groups'}, those first that "
        "were surest on the calibration images, until one fails; of those that passed, the one "
        "that is fastest on single images and one thread ships. All who passed keep the accuracy "
        "with "
        f"{percent(1 - tested.alpha)} confidence, on images like these. That holds for "
        "the first look at these test images: once anything was chosen by what this report says, "
        "it takes others to certify it. Brackets hold the 95 % interval, which says how sure a "
        "figure is."
        for one in report.alternatives[:1]
        for tested in [one.certificate]
        if tested is not None
    )


def alternatives(report: Report) -> Table[Alternative]:
    """Return every network that could be shipped side by side, the fastest first."""
    reference = [one.name for one in report.alternatives[:1]]
    notes = (
        "Everything in the bundle that runs here and every rival, timed in the same rounds: single "
        "images, one thread; brackets hold the 95 % interval. A cascade that is faster than its "
        "own plain network may still be slower than another target's.",
        *slower_precisions(report.alternatives),
        *(
            "The network cut after a stage answers every image there, by that branch and with no "
            "gate. It was timed with the branches before that one, which an export of its own "
            "leaves out: it may be a little faster."
            for _ in [one for one in report.alternatives if one.cut is not None][:1]
        ),
        *(
            f"Accuracy is against the reference, {name}, on the same images; at most "
            f'{at_most(report.decision.max_drop)} may be lost. "No use": not tested, as one that '
            "is surer is faster too; untested: the chain of tests ended before. The worst class is "
            "the one that loses most; its interval allows for having been looked for."
            for name in reference
        ),
    )
    rows = tuple(sorted(report.alternatives, key=lambda row: row.ms))
    return Table(
        "alternatives",
        "Every network that could be shipped",
        notes,
        _alternative_columns(report),
        rows,
    )


def accuracy(report: Report) -> Table[tuple[str, str]]:
    """Return plain against cascade on the same images."""
    found = report.accuracy
    change = interval(points, found.change, found.change_low, found.change_high)
    return facts(
        "accuracy",
        "Accuracy",
        ("At the default operating point. The interval is paired: same images on both sides.",),
        (
            ("Test images", f"{found.samples:,}"),
            ("Plain", percent(found.plain)),
            ("Cascade", percent(found.cascade)),
            ("Change, points", change),
            ("Worst class, points", worst_points(found.worst_class)),
            ("Balanced accuracy, plain", percent(found.plain_balanced)),
            ("Balanced accuracy, cascade", percent(found.cascade_balanced)),
            ("Images that only plain gets right", f"{found.plain_right_only:,}"),
            ("Images that only the cascade gets right", f"{found.cascade_right_only:,}"),
        ),
    )


def _alternative_columns(report: Report) -> tuple[Column[Alternative], ...]:
    reference = [one.name for one in report.alternatives[:1]]
    return (
        Column("Network", lambda row: row.name, "prose"),
        Column("Time an image, ms", lambda row: significant(row.ms)),
        Column("Accuracy gained or lost, points", lambda row: _change(row, reference)),
        Column("Keeps the accuracy", lambda row: _keeps(row, report), "word"),
        Column("Ratio to the fastest plain", lambda row: estimate(ratio, row.ratio)),
        Column("Worst class, points", lambda row: _worst(row, reference), "prose"),
        Column("Accuracy", lambda row: estimate(percent, row.accuracy)),
        Column("Balanced accuracy", lambda row: percent(row.balanced)),
    )


def _keeps(row: Alternative, report: Report) -> str:
    sure = row.keeps(report.decision.max_drop)
    if row.certificate is None:  # an older version went by the interval of what is lost
        return {True: "yes", False: "no", None: "not sure"}[sure]
    return "no" if sure is False else _STANDINGS[row.certificate.standing]


def _worst(row: Alternative, reference: list[str]) -> str:
    """Return which class loses most, and how much of it is gained (+) or lost (-)."""
    found = row.worst_class
    return MISSING if row.name in reference else worst_points(found)


def _change(row: Alternative, reference: list[str]) -> str:
    """Return what is gained (+) or lost (-)."""
    if row.name in reference:
        return "reference"
    return interval(points, -row.drop.value, -row.drop.high, -row.drop.low)
