"""A threshold table as a user gives it, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.gating import NEVER


def checked(thresholds: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a copy of `thresholds` as float32 ``(branches, classes)``.

    Args:
        thresholds: Anything that numpy makes an array of.
        shape: What it must have.

    Raises:
        InputError: Another shape, NaN, or no numbers.
    """
    try:
        table = _table(thresholds)
        problem = "NaN in it" if np.isnan(table).any() else ""
        if table.shape != shape:
            problem = f"shape {table.shape}"
    except (TypeError, ValueError, OverflowError) as refusal:  # several lengths, or no numbers
        problem = str(refusal)
    if problem:
        raise InputError(
            "the threshold table cannot be used",
            got=problem,
            expected=f"numbers {shape}, one row a branch, one column a class; {NEVER} = never",
        )
    return table


def _table(thresholds: object) -> NDArray[np.float32]:
    kind = np.asarray(thresholds).dtype.kind
    if isinstance(thresholds, np.ma.MaskedArray) or kind == "c":  # which numpy takes the half of
        raise TypeError(f"a {type(thresholds).__name__} of {np.asarray(thresholds).dtype}")
    return np.array(thresholds, dtype=np.float32)
