"""Decision parity in words, for a terminal."""

from __future__ import annotations

from calexnet.parity import ExitFlips, Parity


def parity_lines(parity: Parity) -> list[str]:
    """Return what a user should know about `parity`, a line each."""
    last = len(parity.exits)
    lines = [
        f"Verified against {parity.reference} on {parity.samples} real images: scores within "
        f"{parity.score_difference:.1e}; {_counted(parity.label_flips, 'other label')}, "
        f"{_counted(parity.exit_flips, 'other exit')}.",
        *(_flips(number, flips, last) for number, flips in enumerate(parity.exits, start=1)),
    ]
    if parity.plain_margins:
        lines.append(f"  plain: {_margins('other label', parity.plain_margins)}")
    lines.append(
        f"Right on {parity.accuracy:.2%} of them; the reference on {parity.reference_accuracy:.2%}."
    )
    if parity.is_weak:
        lines.append(
            f"A weak check: {parity.within_bound:.1%} of all decisions lie within {parity.bound:g} "
            "of a threshold, where rounding decides."
        )
    return [line for line in lines if line]


def _flips(number: int, flips: ExitFlips, last: int) -> str:
    parts = []
    if flips.label_margins:
        parts.append(_margins("other label", flips.label_margins))
    if flips.exit_margins:
        parts.append(_margins("sample", flips.exit_margins, " leaving on one side alone"))
    return f"  exit {number}{' (backbone)' * (number == last)}: {'; '.join(parts)}" if parts else ""


def _margins(what: str, margins: tuple[float, ...], rest: str = "") -> str:
    """Return how many flips there are, and how narrow they were."""
    middle = margins[len(margins) // 2]
    return (
        f"{_counted(len(margins), what)}{rest}, by a margin of {middle:.1e} (median), "
        f"{margins[0]:.1e} (most)"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
