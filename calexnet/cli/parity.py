"""Decision parity in words, for a terminal."""

from __future__ import annotations

from calexnet.parity import ExitFlips, Parity


def parity_lines(parity: Parity, *, full: bool = True, verbose: bool = False) -> list[str]:
    """Return what a user should know about `parity`, a line each, the most important first.

    Args:
        parity: Of one build.
        full: Whether the build is at full precision, so that rounding has to explain all.
        verbose: Also say by what margins, and what all exits say of all samples.
    """
    last = len(parity.exits)
    lines = [
        _answers(parity),
        *(_exit(number, flips, last) for number, flips in enumerate(parity.exits, start=1)),
        f"  plain: {len(parity.plain_margins)} of {_counted(parity.samples, 'answer')} differ"
        * bool(parity.plain_margins),
        *(_margins(parity) if verbose else ()),
    ]
    if parity.early == 0:
        lines.append(
            "No image leaves early: this costs more than plain. Choose another --operating-point, "
            "or ship plain."
        )
    if parity.is_weak:
        lines.append(
            f"A weak check: {parity.within_bound:.1%} of all decisions lie within "
            f"{parity.bound:.2g} of a threshold, where rounding decides."
        )
    lines.append(_judgement(parity, full))
    return [line for line in lines if line]


def _answers(parity: Parity) -> str:
    """Return how many of the answers that a user sees are others."""
    right = (
        f"right on {parity.accuracy:.2%} of them, {parity.reference} on "
        f"{parity.reference_accuracy:.2%}"
    )
    if parity.answers is None:
        return f"Compared with {parity.reference} on {parity.samples} real images: {right}."
    return (
        f"Answers of the cascade: {parity.answers} of {parity.samples} differ from "
        f"{parity.reference}'s; {right}."
    )


def _exit(number: int, flips: ExitFlips, last: int) -> str:
    parts = []
    if flips.answers:
        parts.append(f"{flips.answers} of {_counted(flips.leaving or 0, 'answer')} differ")
    if flips.exit_margins:
        parts.append(f"{_counted(len(flips.exit_margins), 'image')} leaving on one side alone")
    return f"  {_named(number, last)}: {', '.join(parts)}" if parts else ""


def _named(number: int, last: int) -> str:
    return f"exit {number}{' (backbone)' * (number == last)}"


def _judgement(parity: Parity, full: bool) -> str:
    """Return whether that is good, and why."""
    scores = f"scores within {parity.score_difference:.1e}"
    if not full:
        return f"No gate: a narrow precision rounds more ({scores}); its accuracy is what counts."
    if parity.breaches:
        return f"Not good: {'; '.join(map(str, parity.breaches))}{_measured(parity)}."
    return f"Good: {scores}, and rounding explains {parity.bound:.1e}{_measured(parity)}."


def _measured(parity: Parity) -> str:
    if parity.rounding is None:
        return ""
    return f" (it was seen to move scores by {parity.rounding:.1e})"


def _margins(parity: Parity) -> list[str]:
    """Return the margins of all that differs, were every exit asked about every sample."""
    last, told = len(parity.exits), []
    for number, flips in enumerate(parity.exits, start=1):
        told.append(_margin(_named(number, last), "other label", flips.label_margins))
        told.append(_margin(_named(number, last), "other exit", flips.exit_margins))
    told.append(_margin("plain", "other label", parity.plain_margins))
    return [line for line in told if line]


def _margin(where: str, what: str, margins: tuple[float, ...]) -> str:
    """Return how many flips there are, and how narrow they were."""
    if not margins:
        return ""
    middle = margins[len(margins) // 2]
    return (
        f"  {where}, of all images: {_counted(len(margins), what)}, by a margin of {middle:.1e} "
        f"(median), {margins[0]:.1e} (most)"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
