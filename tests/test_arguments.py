"""Kinds of arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from calexnet import arguments as kinds


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (kinds.integers, "1", (1,)),
        (kinds.integers, "4,1, 2,4", (1, 2, 4)),
        (kinds.floats, "0", (0.0,)),
        (kinds.floats, "0.5, 0.01,-1e-3", (0.5, 0.01, -0.001)),
        (kinds.names, "layer1", ("layer1",)),
        (kinds.names, " layer2 ,layer1,", ("layer2", "layer1")),
        (kinds.names, "", ()),
    ],
)
def test_a_list_is_read(
    kind: Callable[[str], tuple[object, ...]], text: str, expected: tuple[object, ...]
) -> None:
    assert expected == kind(text)


@pytest.mark.parametrize("text", ["", "0", "1,0", "-1", "1,x", "1.5", "1,,2"])
def test_what_is_no_positive_whole_number_is_refused(text: str) -> None:
    with pytest.raises(
        argparse.ArgumentTypeError,
        match=f"^got '{text}'; expected positive whole numbers, for example 1,2,4$",
    ):
        kinds.integers(text)


@pytest.mark.parametrize("text", ["", "x", "1;2", "0.1,"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(
        argparse.ArgumentTypeError, match=f"^got '{text}'; expected numbers, for example 0,0.01$"
    ):
        kinds.floats(text)
