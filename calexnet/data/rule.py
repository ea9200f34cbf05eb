"""The split rule: one line of text that says which samples make up each part.

``train=train[:45000] calibration=train[45000:] test=test``

=====================  ===================================================================
``source``             every sample of an official part; ``all`` = every sample there is
``source[45000:]``     by position in the source, as Python slices; either end may be left out
``source[50%:70%]``    by a hash of each sample's own key and a seed, uniform in 0..100 %
=====================  ===================================================================

A share follows from each key alone, so a board that has only some of the files puts each of them
where the host did. Positions need the whole source.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

PARTS = ("train", "calibration", "test")
ALL = "all"

#: Official parts -> the rule when none is given. Where the makers say nothing, half is to train
#: on, and the test part is the larger rest, since its size bounds every interval. Their validation
#: part is for choosing: it calibrates; where there is no test part, half of it becomes one, for a
#: backbone that comes trained has seen the train part.
DEFAULTS = {
    (): "train=all[0%:50%] calibration=all[50%:70%] test=all[70%:100%]",
    ("train", "test"): "train=train[0%:90%] calibration=train[90%:100%] test=test",
    ("train", "valid", "test"): "train=train calibration=valid test=test",
    ("train", "valid"): "train=train calibration=valid[0%:50%] test=valid[50%:100%]",
    ("train",): "train=train[0%:50%] calibration=train[50%:70%] test=train[70%:100%]",
}

_NUMBER = r"\d+(?:\.\d+)?"
_ITEM = re.compile(
    rf"(?P<part>{'|'.join(PARTS)})=(?P<source>[^\s=\[\]]+)"
    rf"(?:\[(?:(?P<start>\d*):(?P<stop>\d*)|(?P<low>{_NUMBER})%:(?P<high>{_NUMBER})%)\])?"
)


@dataclass(frozen=True)
class Selection:
    """The samples of one part.

    Attributes:
        source: An official part, or ``all``.
        rows: Positions in the source.
        share: Lowest hash and the first one beyond, 0..1; ``None`` = whatever the hash.
    """

    source: str
    rows: slice
    share: tuple[float, float] | None


def default_rule(data: Dataset) -> str:
    """Return the rule for `data` when the user gives none.

    Raises:
        InputError: Its official parts are of no known kind.
    """
    if data.official not in DEFAULTS:
        raise InputError(
            f"no usual split for the parts of {data.name}",
            got=", ".join(data.official),
            expected=" or ".join(", ".join(parts) for parts in DEFAULTS if parts),
            fix=f"Give a rule, for example: --split '{DEFAULTS['train', 'test']}'",
        )
    return DEFAULTS[data.official]


def parse(rule: str) -> dict[str, Selection]:
    """Return the selection of each of `PARTS`, in that order.

    Raises:
        InputError: The rule does not say each part once, or not in the grammar above.
    """
    found: dict[str, Selection] = {}
    for item in rule.split():
        match = _ITEM.fullmatch(item)
        if match is None or match["part"] in found:
            raise _unreadable(repr(item))
        found[match["part"]] = _selection(match)
    missing = [part for part in PARTS if part not in found]
    if missing:
        raise _unreadable(f"no {missing[0]}= in {rule!r}")
    return {part: found[part] for part in PARTS}


def canonical(rule: str) -> str:
    """Return a readable `rule` with its parts in the order of `PARTS`, one space between."""
    return " ".join(sorted(rule.split(), key=lambda item: PARTS.index(item.partition("=")[0])))


def members(
    data: Dataset, selection: Selection, seed: int, groups: Sequence[str] | None = None
) -> NDArray[np.intp]:
    """Return the indices of the samples that `selection` names; none if the source is not there.

    With `groups`, one for each sample, a share goes by their names' hashes, not by the keys'.
    """
    drawn_by = data.keys if groups is None else groups
    begin = "" if selection.source == ALL else f"{selection.source}/"
    if begin and selection.source not in data.official:
        return np.empty(0, np.intp)
    source = np.flatnonzero([key.startswith(begin) for key in data.keys])[selection.rows]
    if selection.share is None:
        return source
    low, high = selection.share
    drawn = np.array([uniform(drawn_by[row], seed) for row in source])
    return source[(low <= drawn) & (drawn < high)]


def uniform(key: str, seed: int | str) -> float:
    """Return a number in 0..1, 1 excluded, that follows from `key` and `seed` alone."""
    digest = hashlib.sha256(f"{seed}:{key}".encode(errors="surrogateescape")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53


def _selection(match: re.Match[str]) -> Selection:
    if match["low"] is not None:
        low, high = float(match["low"]) / 100, float(match["high"]) / 100
        if not low < high <= 1:
            raise _unreadable(repr(match[0]))
        return Selection(match["source"], slice(None), (low, high))
    start, stop = (int(match[end]) if match[end] else None for end in ("start", "stop"))
    return Selection(match["source"], slice(start, stop), None)


def _unreadable(got: str) -> InputError:
    return InputError(
        "cannot read the split rule",
        got=got,
        expected=f"each of {', '.join(PARTS)} once, as part=source, part=source[a:b] by position "
        "or part=source[a%:b%] by hash",
        fix=f"For example: --split '{DEFAULTS['train', 'test']}'",
    )
