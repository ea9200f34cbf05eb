"""How figures look in a report: one spelling of numbers for Markdown, HTML and plots.

A missing figure is ``n/a`` everywhere; nothing is ever shown as 0 because it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log10

from calexnet.bench.interval import Interval

MISSING = "n/a"

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
    """Return a difference of two shares in percentage points, its sign always shown."""
    return f"{_tidy(100 * change):+.1f}"


def ratio(value: float | None) -> str:
    """Return cascade over plain, or a score; three decimals, as intervals are often so narrow."""
    return MISSING if value is None else f"{value:.3f}"


def interval(show: Callable[[float], str], middle: float, low: float, high: float) -> str:
    """Return an estimate with its interval, each end in the form that `show` gives."""
    return f"{show(middle)} ({show(low)} to {show(high)})"


def estimate(show: Callable[[float], str], found: Interval) -> str:
    """Return a figure with its interval as it is shown."""
    return interval(show, found.value, found.low, found.high)


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
