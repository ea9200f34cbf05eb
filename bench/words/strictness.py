"""How strict the exits are: what the setting of an operating point means, by the rule behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from calexnet.bench.report.times import OperatingPointRow

POINT = (
    "An operating point is one setting of the exits: how sure each must be of an answer before it "
    "lets the image go."
)


@dataclass(frozen=True)
class _Setting:
    """What the setting of a rule says, and what lets more images leave."""

    meaning: str
    looser: str


#: By the kind of a rule (`calexnet.rules`), with which names of operating points begin.
_SETTINGS = {
    "margin": _Setting(
        "Its margin is how far the answers of an exit may be less often right than those of plain: "
        "a larger one lets more images leave early, and may lose more accuracy.",
        "a larger margin",
    ),
    "slack": _Setting(
        "Its slack is how much accuracy an exit may lose against plain on the images that leave "
        "there: a larger one lets more images leave early, and may lose more.",
        "a larger slack",
    ),
    "threshold": _Setting(
        "Its threshold, from 0 to 1, is the score that an answer needs to leave with: a lower one "
        "lets more images leave early, and may lose more accuracy.",
        "a lower threshold",
    ),
    "budget": _Setting(
        "Its budget says how images spread over the exits: below 1 most leave early, above 1 most "
        "leave late. A smaller one may lose more accuracy.",
        "a smaller budget",
    ),
    "price": _Setting(
        "Its price is how much accuracy one pass through the whole network is worth: a higher one "
        "lets more images leave early, and may lose more accuracy.",
        "a higher price",
    ),
}
_OTHER = _Setting(
    "Its name says by which rule and setting it was found.", "another operating point"
)


def meaning(rows: Iterable[OperatingPointRow]) -> str:
    """Return what the settings of these operating points say; of a rule of one's own, the name."""
    return " ".join(dict.fromkeys(_setting(row).meaning for row in rows))


def looser(row: OperatingPointRow) -> str:
    """Return what would let more images leave."""
    return _setting(row).looser


def _setting(row: OperatingPointRow) -> _Setting:
    return _SETTINGS.get(row.name.removesuffix(f"-{row.setting:g}"), _OTHER)
