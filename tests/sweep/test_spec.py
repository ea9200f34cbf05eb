"""What a cell is called, and what makes two cells the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.sweep.spec import Axes, Source, hash_of, number
from tests.support.sample_cells import axes, spec


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (axes(seed=2), "method=calexnet,head=prototype,margin=0,seed=2"),
        (axes("ztw", head="native"), "method=ztw,head=native,seed=0"),
        (
            axes(margin=-0.05, options={"rule.population": "all", "a": "b,c"}),
            "method=calexnet,head=prototype,margin=-0.05,seed=0,a=b%2Cc,rule.population=all",
        ),
        (
            axes(head="my.pkg:Head", margin=1e-9),
            "method=calexnet,head=my.pkg%3AHead,margin=1e-09,seed=0",
        ),
    ],
)
def test_a_name_follows_the_grammar(where: Axes, expected: str) -> None:
    assert expected == where.name
    assert expected == Path(expected).name  # no part of it is a folder


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)


@given(TEXT, TEXT, TEXT, TEXT)
def test_other_axes_have_another_name(one: str, other: str, head: str, value: str) -> None:
    names = {axes(one, head=head, margin=None, options={"a": value}).name}
    names.add(axes(other, head=head, margin=None, options={"a": value}).name)

    assert len({one, other}) == len(names)
    assert not any("/" in name or "\0" in name for name in names)


def test_a_name_too_long_for_a_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"name of a cell is too long for a file: got 2\d\d bytes"):
        _ = axes(options={f"option{i}": "value" for i in range(12)}).name


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back(value: float) -> None:
    assert value == float(number(value))


def test_where_files_lie_does_not_make_another_cell() -> None:
    here = spec(axes())

    there = replace(here, data=Source("/mnt/x.npz", here.data.sha256))
    there = replace(there, weights=Source("w.npz", here.weights.sha256))

    assert here.fingerprint == there.fingerprint
    assert here.subject == there.subject


@pytest.mark.parametrize(
    "changes",
    [
        {"data": Source("animals.npz", "00" * 32)},
        {"weights": Source("weights.npz", "00" * 32)},
        {"plan": {"backbone": "resnet8", "attach": ["layer1"]}},
    ],
)
def test_other_data_weights_or_attach_points_make_another_sweep(changes: dict[str, Any]) -> None:
    assert spec(axes()).subject != spec(axes(), **changes).subject
    assert spec(axes()).fingerprint != spec(axes(), **changes).fingerprint


def test_another_default_makes_another_cell_of_the_same_sweep() -> None:
    plan = {**spec(axes()).plan, "recipe": {"epochs": 3}}

    assert spec(axes()).subject == spec(axes(), plan=plan).subject
    assert spec(axes()).fingerprint != spec(axes(), plan=plan).fingerprint


def test_other_code_of_ones_own_parts_makes_another_cell() -> None:
    mine = {"pkg.heads:Mine": "aa" * 32}
    network = {"resnet8": "aa" * 32}  # the backbone of the plan
    plain = spec(axes())

    assert plain.fingerprint != spec(axes(), code=mine).fingerprint
    assert (
        spec(axes(), code=mine).fingerprint
        != spec(axes(), code={"pkg.heads:Mine": "bb" * 32}).fingerprint
    )
    assert plain.subject == spec(axes(), code=mine).subject != spec(axes(), code=network).subject


def test_a_data_set_is_hashed_whole() -> None:
    images = np.zeros((3, 2, 2, 3), np.uint8)
    data = Dataset("x", images, np.array([0, 1, 1]), ("a", "b"), ("0", "1", "2"))
    brighter = images.copy()
    brighter[2, 1, 1, 2] = 1
    others = [
        replace(data, images=brighter),
        replace(data, labels=np.array([0, 1, 0])),
        replace(data, classes=("a", "c")),
        replace(data, keys=("0", "1", "3")),
    ]

    assert 5 == len({hash_of(data), *(hash_of(other) for other in others)})
    assert hash_of(data) == hash_of(replace(data, name="y", labels=data.labels.astype(np.int32)))
    assert hash_of(data) == hash_of(replace(data, images=np.asfortranarray(images)))


def test_what_a_plan_has_no_word_on_makes_no_other_cell() -> None:
    """Cells that were trained before heads had a budget are found again."""
    plan = {"backbone": "resnet8", "recipe": {"head": "linear"}}
    unset = {**plan, "head_budget": None, "recipe": {"head": "linear", "widths": []}}
    narrow = {**plan, "recipe": {"head": "linear", "widths": [3]}}

    found = [spec(axes(), plan=one).fingerprint for one in (plan, unset, narrow)]

    assert found[0] == found[1] != found[2]
