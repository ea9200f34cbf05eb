"""How figures look in a report: one spelling of numbers for Markdown, HTML and plots.

A missing figure is ``n/a`` everywhere; nothing is ever shown as 0 because it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log10

from calexnet.bench.report.decision import ClassDrop
from calexnet.bench.report.interval import Interval

MISSING = "n/a"
#: What a report of an older version does not hold.
NOT_RECORDED = "not recorded"

_PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def significant(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits; whole digits are never dropped."""
    if value is None:
        return MISSING
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def amount(value: float) -> str:
    """Return a large count with its SI prefix: ``1.11 G``."""
    for unit, prefix in _PREFIXES:
        if abs(value) >= unit:
            return significant(value / unit) + prefix
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Return a share of 0..1 in per cent."""
    return MISSING if share is None else f"{_tidy(100 * share):.1f} %"


def signed_percent(share: float | None) -> str:
    """Return a relative difference in per cent, its sign always shown."""
    return MISSING if share is None else f"{_tidy(100 * share):+.1f} %"


def points(change: float) -> str:
    """Return a difference of two shares in percentage points, with its sign unless it is 0."""
    size = _tidy(100 * change)
    return f"{size:+.1f}" if size else "0.0"


def changed(change: float) -> str:
    """Return a change of accuracy, 0..1, in words: ``gains 1.2 points``, ``loses 0.3 points``."""
    size = _tidy(100 * abs(change))
    if size == 0:
        return "loses nothing"
    return f"{'gains' if change > 0 else 'loses'} {size:.1f} points"


def changed_between(change: float, low: float, high: float) -> str:
    """Return a change of accuracy with its interval in words, so that no sign is read twice."""
    down, up = _tidy(-100 * low), _tidy(100 * high)
    if low >= 0:
        ends = f"{_tidy(100 * low):.1f} to {up:.1f}"
    elif high <= 0:
        ends = f"{_tidy(-100 * high):.1f} to {down:.1f}"
    else:
        ends = f"between {down:.1f} lost and {up:.1f} gained"
    return f"{changed(change)} ({ends})"


def at_most(share: float) -> str:
    """Return a bound on accuracy, 0..1, in points: ``1 point``, ``0.5 points``."""
    size = 100 * share
    return f"{size:g} point" if size == 1 else f"{size:g} points"


def time_change(ratio: float) -> str:
    """Return a ratio of times in words: ``57 % less time``, ``3.1 times as much time``."""
    size = abs(1 - ratio)
    if ratio >= 2:
        return f"{significant(ratio, 2)} times as much time"
    if size < 0.0005:
        return "the same time"
    return f"{100 * size:.{0 if size >= 0.1 else 1}f} % {'less' if ratio < 1 else 'more'} time"


def time_against(ratio: float, other: str) -> str:
    """Return a ratio of times in words, `other` being what it is against."""
    said = time_change(ratio)
    return f"{said} {'than' if said.endswith(('less time', 'more time')) else 'as'} {other}"


def ratio(value: float | None) -> str:
    """Return cascade over plain, or a score; three decimals, as intervals are often so narrow."""
    return MISSING if value is None else f"{value:.3f}"


def interval(show: Callable[[float], str], middle: float, low: float, high: float) -> str:
    """Return an estimate with its interval, each end in the form that `show` gives."""
    return f"{show(middle)} ({show(low)} to {show(high)})"


def estimate(show: Callable[[float], str], found: Interval) -> str:
    """Return a figure with its interval as it is shown."""
    return interval(show, found.value, found.low, found.high)


def worst_points(found: ClassDrop | None) -> str:
    """Return which class loses most, and what it gains (+) or loses (-), in points."""
    if found is None:
        return NOT_RECORDED
    change = interval(points, -found.drop.value, -found.drop.high, -found.drop.low)
    return f"{found.name}: {change}"


def counted(count: int, noun: str) -> str:
    """Return ``1 thread``, ``4 threads``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(items: list[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def saved(share: float) -> str:
    """Return a share of something in words: what is saved, or what is used more."""
    return f"{percent(abs(share))} {'saved' if share >= 0 else 'more'}"


def _tidy(value: float) -> float:
    """Round to one decimal, without the minus sign that a small negative figure would keep."""
    return round(value, 1) + 0.0
