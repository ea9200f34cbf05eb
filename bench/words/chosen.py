"""At which operating point: the one that the decision takes, where it is not everything else's."""

from __future__ import annotations

from calexnet.bench.report.document import Report
from calexnet.bench.report.times import OperatingPointRow
from calexnet.bench.words.conclusions import VERDICTS
from calexnet.bench.words.figures import changed_between, interval, listed, ratio, significant
from calexnet.bench.words.strictness import POINT, meaning


def chosen(report: Report) -> OperatingPointRow | None:
    """Return the row of the cascade that the decision takes, if it is not at the default point."""
    for one in report.alternatives:
        if one.name == report.decision.name:
            key = one.target, one.precision, one.operating_point, False
            for row in report.operating_points:
                if (row.target, row.precision, row.name, row.default) == key:
                    return row
    return None


def words(report: Report) -> tuple[str, ...]:
    """Return all that is to be said of operating points where the decision is told."""
    return (*explained(report), *sentences(report))


def explained(report: Report) -> tuple[str, ...]:
    """Return what the name of the operating point says that the decision is about, if it has one.

    What is unclear or plain may still be held against a cascade.
    """
    named = (report.decision.name, report.decision.against)
    points = {one.operating_point for one in report.alternatives if one.name in named} - {None}
    rows = [row for row in report.operating_points if row.name in points]
    names = listed(list(dict.fromkeys(row.name for row in rows)))
    kind = "an operating point" if len(points) == 1 else "operating points"
    verb = "is" if len(points) == 1 else "are"
    return (f"{names} {verb} {kind}. {POINT} {meaning(rows)}",) if rows else ()


def sentences(report: Report) -> tuple[str, ...]:
    """Return which operating point is meant where; nothing if there is but one."""
    row = chosen(report)
    if row is None:
        return ()
    return (
        f"The verdict takes the operating point {row.name}. What is said of batches, threads and "
        f"exits was measured at the default one, {report.bundle.operating_point}, which does "
        f"otherwise; calexnet-bench --operating-point {row.name} measures it there.",
    )


def beside(report: Report, subject: tuple[str, str]) -> tuple[str, ...]:
    """Return what single images take at that point, to be read beside the default's figures."""
    row = chosen(report)
    if row is None or (row.target, row.precision) != subject:
        return ()
    own = f"plain on {' '.join(subject)}"
    against = report.decision.against
    other = f" The verdict sets it against {against} instead." if against not in (None, own) else ""
    change = changed_between(row.change, row.change_low, row.change_high)
    return (
        f"At {row.name}, which the verdict takes, a single image takes {significant(row.ms)} ms: "
        f"ratio {interval(ratio, row.ratio, row.ratio_low, row.ratio_high)} to {own}, "
        f"{VERDICTS[row.verdict]}, and the cascade {change}.{other}",
    )
