"""The split rule: its grammar, and the messages about what is not in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from calexnet.data.dataset import Dataset
from calexnet.data.rule import DEFAULTS, PARTS, Selection, default_rule, parse, uniform
from calexnet.errors import InputError

REST = " calibration=all[1:2] test=all[2:3]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", Selection("all", slice(None), None)),
        ("train[:45000]", Selection("train", slice(None, 45000), None)),
        ("train[45000:]", Selection("train", slice(45000, None), None)),
        ("test[10:20]", Selection("test", slice(10, 20), None)),
        ("test[:]", Selection("test", slice(None), None)),
        ("test[0%:12.5%]", Selection("test", slice(None), (0.0, 0.125))),
        ("all[70%:100%]", Selection("all", slice(None), (0.7, 1.0))),
    ],
)
def test_what_a_part_may_be_made_from(text: str, expected: Selection) -> None:
    assert expected == parse(f"train={text}{REST}")["train"]


def test_the_parts_come_in_their_order_whatever_the_rules() -> None:
    assert list(PARTS) == list(parse("test=all[:1] train=all[1:] calibration=all[3:]"))


@pytest.mark.parametrize(
    ("rule", "got"),
    [
        ("", r"no train= in ''"),
        ("train=train test=test", r"no calibration= in 'train=train test=test'"),
        (f"train=all train=all{REST}", r"'train=all'"),
        (f"train=all[50:60%]{REST}", r"'train=all\[50:60%\]'"),
        (f"train=all[60%:50%]{REST}", r"'train=all\[60%:50%\]'"),
        (f"train=all[50%:101%]{REST}", r"'train=all\[50%:101%\]'"),
        (f"train=all[50%:]{REST}", r"'train=all\[50%:\]'"),
        (f"train=all[-5:]{REST}", r"'train=all\[-5:\]'"),
        (f"train=all[5]{REST}", r"'train=all\[5\]'"),
        (f"train={REST}", r"'train='"),
        (f"valid=all{REST}", r"'valid=all'"),
        (f"train = all{REST}", r"'train'"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_the_grammar(rule: str, got: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^cannot read the split rule: got {got}; expected each of train, calibration, test "
        r"once, as part=source, part=source\[a:b\] by position or part=source\[a%:b%\] by hash\. "
        r"For example: --split 'train=train\[0%:90%\] calibration=train\[90%:100%\] test=test'\.$",
    ):
        parse(rule)


def test_every_default_can_be_read() -> None:
    for official, rule in DEFAULTS.items():
        assert {item.source for item in parse(rule).values()} <= {"all", *official}


def test_a_set_with_official_parts_of_no_known_kind_has_no_default() -> None:
    pixels, labels = np.zeros((2, 1, 1, 3), np.uint8), np.array([0, 1])
    data = Dataset("pets", pixels, labels, ("cat", "dog"), ("dev/1", "dev/2"), ("dev",))

    with pytest.raises(
        InputError,
        match=r"^no usual split for the parts of pets: got dev; expected train, test or train, "
        r"valid, test or train, valid or train\. Give a rule, for example: --split 'train=",
    ):
        default_rule(data)
    assert DEFAULTS[()] == default_rule(dataclasses.replace(data, official=()))


def test_the_hash_is_even_and_below_one() -> None:
    drawn = np.array([uniform(str(i), 0) for i in range(4000)])

    counts, _ = np.histogram(drawn, bins=10, range=(0, 1))
    assert 4000 == counts.sum()
    assert drawn.max() < 1
    assert counts.min() > 340
