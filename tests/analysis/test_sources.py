"""Folders and rules of an analysis: cells each once, under rules that they were not swept with."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from calexnet.analysis import curves, sources
from calexnet.analysis.recipes import recipes
from calexnet.errors import InputError
from calexnet.registry import Part
from calexnet.sweep.spec import Source
from tests.support.sample_cells import MACS, answers, axes, save, spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("own", [None]),
        ("own,price", [None, Part("price")]),
        (
            "paired,pooling=0,min_support=20,own,paired,pooling=1",
            [
                Part("paired", {"pooling": 0, "min_support": 20}),
                None,
                Part("paired", {"pooling": 1}),
            ],
        ),
        ("mine.rules:Bold", [Part("mine.rules:Bold")]),
    ],
)
def test_rules_are_read_with_the_switches_that_follow_them(
    text: str, expected: list[Part | None]
) -> None:
    assert tuple(expected) == sources.parse(text)


def folders(*paths: Path) -> argparse.Namespace:
    """Return the arguments that name result folders."""
    return argparse.Namespace(allow=(), results=paths)


@pytest.mark.parametrize("text", ["pooling=0", "own,pooling=0"])
def test_a_switch_without_a_rule_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a rule's name before its switches"):
        sources.parse(text)


def test_a_cell_that_lies_in_two_folders_counts_once(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        save(axes(), answers(), tmp_path / folder)
    save(axes("ztw"), answers(), tmp_path / "b")

    found = sources.read(folders(tmp_path / "a", tmp_path / "b"))

    assert ["calexnet", "ztw"] == [cell.result.spec.axes.method for cell in found]


def test_folders_of_other_data_are_refused(tmp_path: Path) -> None:
    save(axes(), answers(), tmp_path / "a")
    other = spec(axes("ztw"), data=Source("other.npz", "ab" * 32))
    save(axes("ztw"), answers(), tmp_path / "b", spec=other)

    with pytest.raises(InputError, match=r"a, .*b would mix cells that cannot be compared"):
        sources.read(folders(tmp_path / "a", tmp_path / "b"))


def test_under_another_rule_a_cell_is_as_if_swept_with_it(tmp_path: Path) -> None:
    swept = save(axes("ztw"), answers(), tmp_path, rule=Part("paired", {"pooling": 0.3}))
    trained = save(axes("boostnet"), answers(), tmp_path, rule=Part("budget"))

    (found,) = sources.under([trained], [Part("paired", {"pooling": 0.3})])

    assert {"rule": "paired", "rule.pooling": "0.3"} == found.result.spec.axes.options
    one, other = curves.curve(swept), curves.curve(found)
    np.testing.assert_array_equal(one.settings, other.settings)
    np.testing.assert_array_equal(one.exits, other.exits)


def test_a_rule_with_prices_learns_what_the_exits_of_the_cell_cost(tmp_path: Path) -> None:
    cell = save(axes("ztw"), answers(), tmp_path, rule=Part("threshold"))

    (found,) = sources.under([cell], [Part("price")])

    expected = MACS.to_exit(own_head_only=True) / MACS.plain
    assert expected.tolist() == found.result.rule.options["costs"]


def test_labels_tell_rules_apart(tmp_path: Path) -> None:
    cell = save(axes(options={"rule": "paired", "rule.pooling": "1"}), answers(), tmp_path)

    found = recipes(sources.under([cell], [None, Part("price")]))

    labels = ["calexnet, rule paired, rule.pooling 1", "calexnet, rule price"]
    assert labels == [one.label for one in found]


def test_an_unknown_rule_or_switch_is_refused(tmp_path: Path) -> None:
    cell = save(axes(), answers(), tmp_path)

    with pytest.raises(InputError, match="unknown threshold rule: got 'dear'"):
        sources.under([cell], [Part("dear")])
    with pytest.raises(InputError, match="the threshold rule price cannot be set up so"):
        sources.under([cell], [Part("price", {"discount": 1})])
