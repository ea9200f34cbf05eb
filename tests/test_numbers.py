"""Numbers, names and messages at the public door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calexnet
from calexnet.errors import InputError
from calexnet.numbers import threads, whole
from calexnet.runtimes import Plan
from tests.support.onnx_bundle import random_images


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.onnx_bundle import write_bundle

    folder = tmp_path_factory.mktemp("bundles") / "made"
    write_bundle(folder)
    return folder


@pytest.mark.parametrize("value", [1, 1024, np.int64(3)])
def test_whole_numbers_in_range_are_taken(value: Any) -> None:
    assert int(value) == threads(value)
    assert int is type(threads(value))
    assert threads(None) is None


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        1025,
        20_000,
        10**12,
        pytest.param(10**5000, id="huge"),
        1.5,
        2.0,
        "2",
        True,
        [],
        np.float64(2),
        float("nan"),
    ],
)
def test_all_else_is_refused_in_one_short_line(value: Any, bundle: Path) -> None:
    with pytest.raises(InputError, match=r"^threads cannot be used: got .*; expected a who") as one:
        calexnet.load(bundle, threads=value)

    assert len(str(one.value)) <= 400
    with pytest.raises(InputError, match=r"expected a whole number from 3 to 4$"):
        whole("it", value, 3, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plan": "{}"}, r"^plan cannot be used: got '\{\}'; expected a calexnet\.runtimes\.Plan"),
        ({"target": []}, r"^target cannot be used: got \[\]; expected a name, or None"),
        ({"precision": 8}, r"^precision cannot be used: got 8;"),
        ({"provider": {}}, r"^provider cannot be used: got \{\};"),
        ({"operating_point": 0.05}, r"^operating_point cannot be used: got 0\.05;"),
        ({"layout": b"if"}, r"^layout cannot be used: got b'if';"),
        ({"thresholds": 10**400}, r"^the threshold table cannot be used: got "),
        ({"thresholds": [[10**400] * 4] * 2}, r"^the threshold table cannot be used: got "),
        ({"thresholds": np.ones((2, 4), complex)}, r"cannot be used: got a ndarray of complex128"),
        ({"thresholds": np.ma.ones((2, 4))}, r"cannot be used: got a MaskedArray of float64"),
    ],
)
def test_an_option_of_another_kind_is_refused(
    bundle: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        calexnet.load(bundle, **options)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("x" * 5000, r"xxx is not a bundle: got no such folder; expected what"),
        ("a\0b", "is not a bundle: got no such folder"),
        (5, "bundle cannot be used"),
        ("", "is not a bundle"),
    ],
)
def test_a_path_that_no_system_takes_is_no_bundle(path: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as one:
        calexnet.load(path)

    assert len(str(one.value)) <= 400
    assert str(one.value).isprintable()


@pytest.mark.parametrize("batch", [0, -1, 1.5, "1", None])
def test_answers_want_a_batch_and_images(bundle: Path, batch: Any) -> None:
    runner = calexnet.load(bundle, threads=1)

    with pytest.raises(InputError, match=r"^batch cannot be used: got .*; expected a whole number"):
        runner.answers(random_images(2), batch)
    with pytest.raises(InputError, match=r"^there is nothing to answer: got 0 images; expected at"):
        runner.answers(random_images(0))


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "3", "[" * 5000, '{"times": {"batches": [], "call_ms": []}, "gather_ms": [NaN]}'],
)
def test_a_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^(this is no plan|the plan cannot be used): got "):
        Plan.from_json(text)
    with pytest.raises(InputError, match=r"^this is no plan: got "):
        Plan.from_json(
            '{"times": {"batches": [1], "call_ms": [[1' + "0" * 400 + ']]}, "gather_ms": [0]}'
        )
