"""A choice in words: names, ten lines for a terminal, the sentence and the code that end them."""

from __future__ import annotations

from pathlib import Path

from calexnet.bench.words.figures import at_most, changed, counted, points, significant, time_change
from calexnet.choosing import choice
from calexnet.choosing.choice import BUNDLE, Choice, Contender
from calexnet.choosing.pool import Chain, Exit
from calexnet.manifest import FULL

_STANDING = {
    "reference": "it is held against",
    "passed": "certified",
    "failed": "not certified",
    "not reached": "not tested",
    "left out": "not tested",
    "no use": "costs more",
    "breaks a limit": "breaks a limit",
}


def name(chain: Chain, reference: str) -> str:
    """Return what a chain is: ``plain``, ``the network cut after layer1``, ``the cascade ...``."""
    kind, last = choice.kind(chain, reference), chain[-1]
    if kind == "plain":
        return "plain"
    if kind == "network":
        return f"the network {last.network}"
    if kind == "cut network":
        return f"the network cut after {_place(last)}"
    return f"the cascade with exits at {', '.join(_place(one) for one in chain[:-1])}"


def at(precision: str) -> str:
    """Return a precision as it is added to a name; nothing for the full one."""
    return "" if precision == FULL else f" at {precision}"


def _place(one: Exit) -> str:
    return one.network if one.place is None else f"{one.place} ({one.head})"


def of(one: Contender, found: Choice) -> str:
    """Return the name of a contender, with its precision and operating point."""
    point = "" if one.point is None else f", {one.point}"
    return f"{name(one.chain, found.reference)}{at(one.precision)}{point}"


def standing(one: Contender) -> str:
    """Return what became of a contender."""
    return _STANDING[one.standing]


def sentence(found: Choice) -> str:
    """Return what to ship and what is promised, in one sentence."""
    best, sure = found.winner, f"{100 * (1 - found.alpha):g} % confidence"
    if best.standing == "reference":
        return f"Ship plain: {_why_plain(found)}"
    promise = (
        f"with {sure} it loses at most {at_most(found.asked.max_drop)} on images like these "
        f"({_upper(best)} at most, by {counted(best.test.images, 'test image')})"
    )
    return f"Ship {of(best, found)}: {gain(best, found)} than plain, and {promise}."


def gain(one: Contender, found: Choice) -> str:
    """Return what is gained against plain, in what was asked for."""
    if found.asked.objective == "ms":
        return time_change(one.objective / found.plain.objective)
    share = 1 - one.objective / found.plain.objective
    unit = {"macs": "MACs", "joules": "joules"}[found.asked.objective]
    return f"{100 * abs(share):.0f} % {'fewer' if share > 0 else 'more'} {unit}"


def _why_plain(found: Choice) -> str:
    failed = next((one for one in found.contenders if one.standing == "failed"), None)
    if failed is None:
        return "nothing that may be certified costs less."
    told = (
        f"nothing that costs less is certified to lose at most {at_most(found.asked.max_drop)}. "
        f"The surest, {of(failed, found)}, {changed(-failed.test.drop)} on "
        f"{counted(failed.test.images, 'test image')}, {_upper(failed)} at most"
    )
    if found.needed is not None:
        return f"{told}; about {found.needed:,} test images would do if they are like these."
    return f"{told}; no number of such images would do."


def _upper(one: Contender) -> str:
    return "n/a" if one.upper is None else f"{100 * one.upper:.2f} points"


def code(found: Choice, folder: Path) -> str:
    """Return three lines of code that run what was chosen."""
    best = found.winner
    narrow = "" if best.precision == FULL else f', precision="{best.precision}"'
    return "\n".join(
        (
            "import calexnet",
            f'network = calexnet.load("{folder / BUNDLE}"{narrow})',
            "labels = network(images).labels",
        )
    )


def _times(one: Contender) -> str:
    return "n/a" if one.ratio is None else f"x{one.ratio.value:.3f}"


def prediction_error(found: Choice) -> float | None:
    """Return how far predicted times were off at most, as a share; ``None`` with nothing to tell.

    Predicted is a cost over plain's; measured, a time over plain's. MACs foretell no narrow build.
    """
    off = [
        abs(one.predicted / found.plain.predicted / one.ratio.value - 1)
        for one in found.contenders
        if one.ratio is not None
        and one.standing != "reference"
        and (one.precision == FULL or found.unit == "ms")
    ]
    return max(off, default=None)


def summary(found: Choice, folder: Path) -> str:
    """Return all of it for a terminal, what it comes to last."""
    shown = [one for one in found.contenders if one.standing not in ("no use", "not reached")]
    shown += [found.winner] * (found.winner not in shown)
    lines = ["", "time     lost, calibration   lost, test   at most   verdict          network"]
    for one in shown[:8]:
        upper = "-" if one.upper is None else f"{100 * one.upper:.2f}"
        tested = "-" if one.p is None and one.standing != "reference" else points(one.test.drop)
        lines.append(
            f"{_times(one):<7}  {points(one.calibration.drop):>17}  {tested:>11}   "
            f"{upper:>7}   {standing(one):<18} {of(one, found)}"
        )
    off = prediction_error(found)
    if off is not None:
        lines.append(
            f"(times over plain's, {significant(found.plain.ms)} ms an image; points of accuracy; "
            f"predicted by {found.unit}, off by {100 * off:.0f} % at most)"
        )
    right = found.reference_right / found.data.test
    lines.append(f"(plain is right on {100 * right:.1f} % of the {found.data.test:,} test images)")
    if found.fallen:
        lines.append(f"(this machine was too busy or unsteady for: {', '.join(found.fallen)})")
    return "\n".join((*lines, "", sentence(found), "", code(found, folder)))
