"""What a cascade surely loses at every operating point, as ``calexnet evaluate`` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from calexnet.calibration import OperatingPoint
from calexnet.certify import (
    CONFIDENCE,
    Candidate,
    Link,
    betting,
    certify,
    counts,
    images_needed,
    upper_bound,
)
from calexnet.certify.class_drops import balanced_accuracy, is_skewed, worst_class
from calexnet.gating import ExitTable, choose_exits, chosen_labels

_WORDS = {
    "passed": "certified",
    "failed": "not certified",
    "not reached": "not reached",
    "left out": "left out",
}


def certificates(
    points: Sequence[OperatingPoint],
    classes: Sequence[str],
    table: ExitTable,
    truth: NDArray[np.int64],
    max_drop: float,
    labels: NDArray[np.int32] | None = None,
) -> str:
    """Return a table with a line for every operating point.

    Args:
        points: With their counts on calibration samples, by which they are ordered.
        classes: Names in label order.
        table: Every exit's answers to the test part.
        truth: The right classes, ``(n,)``.
        max_drop: Share of accuracy that may be lost.
        labels: What plain answers; the same as the last exit by default.
    """
    plain = (table.labels[-1] if labels is None else labels) == truth
    right = {
        point.name: chosen_labels(table, choose_exits(table, point.table())) == truth
        for point in points
    }
    candidates = [
        Candidate(point.name, point.counts, counts(plain, right[point.name])) for point in points
    ]
    links = {link.name: link for link in certify(candidates, max_drop).own.links}
    skewed, width = is_skewed(truth), _width(points)
    lines = [
        f"at most {_points(max_drop)} lost, 95 % sure; surest on calibration first, as far as the "
        "first that fails",
        f"{'operating point':<{width}}  verdict        loses at most   worst class loses"
        + "   balanced accuracy" * skewed,
    ]
    for name, mine in right.items():
        worst = worst_class(plain, mine, truth)
        lost = f"{_signed(worst.counts.drop)} ({_signed(worst.low)} to {_signed(worst.high)})"
        balanced = f"   {balanced_accuracy(mine, truth):.2%}" * skewed
        most = f"{_signed(upper_bound(links[name].test))} points"
        lines.append(
            f"{name:<{width}}  {_WORDS[links[name].outcome]:<13}  {most:>13}   "
            f"{classes[worst.label]} {lost}{balanced}"
        )
    if skewed:
        lines.append(f"(balanced accuracy of plain: {balanced_accuracy(plain, truth):.2%})")
    return "\n".join([*lines, *_more_images(links, max_drop)])


def certificates_by_group(
    points: Sequence[OperatingPoint],
    table: ExitTable,
    truth: NDArray[np.int64],
    groups: Sequence[str],
    max_drop: float,
    labels: NDArray[np.int32] | None = None,
) -> str:
    """Return the same where images belong together: drops are means over groups of their own.

    Args:
        points: See `certificates`.
        table: Likewise.
        truth: Likewise.
        groups: The group of each test image.
        max_drop: Likewise.
        labels: Likewise.
    """
    plain = (table.labels[-1] if labels is None else labels) == truth
    alpha, width = 1 - CONFIDENCE, _width(points)
    lines = [
        f"at most {_points(max_drop)} lost in the mean over {len(set(groups))} groups, 95 % sure; "
        "surest on calibration first, as far as the first that fails",
        f"{'operating point':<{width}}  verdict        a group loses   in the mean at most",
    ]
    right = {
        point.name: chosen_labels(table, choose_exits(table, point.table())) == truth
        for point in points
    }
    drops = {name: betting.group_drops(plain, mine, groups) for name, mine in right.items()}
    candidates = [
        Candidate(one.name, one.counts, counts(plain, right[one.name]), tuple(drops[one.name]))
        for one in points
    ]
    for link in certify(candidates, max_drop).own.links:
        mine = drops[link.name]
        most = _signed(betting.upper_bound(mine, alpha))
        lines.append(
            f"{link.name:<{width}}  {_WORDS[link.outcome]:<13}  {_signed(mine.mean()):>13}   "
            f"{most} points"
        )
    return "\n".join(lines)


def _width(points: Sequence[OperatingPoint]) -> int:
    return max([16, *(len(point.name) for point in points)])


def _more_images(links: Mapping[str, Link], max_drop: float) -> list[str]:
    """Return how many test images would certify the point at which the chain ended."""
    failed = next((link for link in links.values() if link.outcome == "failed"), None)
    if failed is None:
        return []
    needed = images_needed(failed.test, max_drop)
    if needed is None:
        return [f"({failed.name}: no number of such images would certify {_points(max_drop)})"]
    return [
        f"({failed.name}: {needed} such test images would certify it if the shares stayed as they "
        f"are; there are {failed.test.images})"
    ]


def _points(share: float) -> str:
    return f"{100 * share:g} point" + "s" * (share != 0.01)


def _signed(share: float) -> str:
    """Return points lost, gains with a minus."""
    return f"{100 * share:+.1f}"
