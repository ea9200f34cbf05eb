"""Kinds of command-line arguments that several commands share."""

from __future__ import annotations

import argparse


def integers(text: str) -> tuple[int, ...]:
    """Return rising positive integers from ``1,2,4``."""
    try:
        numbers = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        numbers = ()
    if not numbers or numbers[0] < 1:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected positive whole numbers, for example 1,2,4"
        )
    return numbers


def floats(text: str) -> tuple[float, ...]:
    """Return numbers from ``0,0.01``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected numbers, for example 0,0.01"
        ) from None


def names(text: str) -> tuple[str, ...]:
    """Return names from ``layer1,layer2``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
