"""The error classes: one message form, exit codes, and what else can catch them."""

from __future__ import annotations

import copy
import json
import pickle
import re

import pytest

import calexnet
from calexnet.errors import (
    BundleError,
    CalexnetError,
    CheckpointError,
    DeviceError,
    EngineError,
    ExportError,
    InputError,
    MeasurementError,
    ParityError,
    RuntimeUnavailableError,
    StorageError,
    TrainingError,
    first_line,
    raised,
    root_cause,
)

#: class -> (exit code, the built-in error that it also is)
KINDS: dict[type[CalexnetError], tuple[int, type[Exception]]] = {
    InputError: (2, ValueError),
    BundleError: (2, ValueError),
    CheckpointError: (2, ValueError),
    TrainingError: (2, ArithmeticError),
    ExportError: (2, ValueError),
    ParityError: (1, ExportError),
    StorageError: (2, OSError),
    RuntimeUnavailableError: (4, RuntimeError),
    EngineError: (2, RuntimeError),
    DeviceError: (4, RuntimeError),
    MeasurementError: (3, RuntimeError),
}


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({}, "no"),
        ({"got": 3}, "no: got 3"),
        ({"got": 0}, "no: got 0"),
        ({"expected": "4"}, "no: expected 4"),
        ({"got": 3, "expected": "4"}, "no: got 3; expected 4"),
        ({"fix": "Add one"}, "no. Add one."),
        ({"got": 3, "expected": "4", "fix": "Add one"}, "no: got 3; expected 4. Add one."),
    ],
)
def test_a_message_says_what_got_expected_and_the_next_step(
    details: dict[str, str], message: str
) -> None:
    assert message == str(CalexnetError("no", **details))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_exit_code_and_is_caught_as_a_built_in_error(
    kind: type[CalexnetError],
) -> None:
    exit_code, built_in = KINDS[kind]

    assert exit_code == kind.exit_code
    with pytest.raises(built_in, match=r"^no: got 1; expected 2\. Stop\.$") as caught:
        raise kind("no", got=1, expected="2", fix="Stop")
    assert isinstance(caught.value, CalexnetError)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_keeps_its_kind_and_message_when_it_is_copied_or_sent_to_another_process(
    kind: type[CalexnetError],
) -> None:
    error = kind("no", got=1, expected="2", fix="Stop")

    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (kind, str(error)) == (type(again), str(again))


@pytest.mark.parametrize(
    ("said", "expected"),
    [("\none line\nmore", "one line"), ("", "ValueError('')"), (" \n", "ValueError(' \\n')")],
)
def test_the_first_line_of_what_a_library_says(said: str, expected: str) -> None:
    assert expected == first_line(ValueError(said))


def test_every_kind_is_in_this_table_and_in_the_public_names() -> None:
    kinds = {value for value in vars(calexnet.errors).values() if isinstance(value, type)}
    ours = {kind for kind in kinds if issubclass(kind, CalexnetError)} - {CalexnetError}

    assert set(KINDS) == ours
    assert {kind.__name__ for kind in ours} <= set(calexnet.__all__)


def fail(problem: BaseException) -> None:
    raise problem


def fault(problem: BaseException) -> BaseException:
    with pytest.raises(type(problem)) as met:
        fail(problem)
    return met.value


def test_what_somebodys_code_raised_is_told_with_their_line() -> None:
    told = raised(fault(ValueError("expected 224\n  and more")))

    assert re.fullmatch(
        r"ValueError: expected 224 \(test_errors\.py, line \d+: raise problem\)", told
    )


def test_the_last_line_of_theirs_is_told_and_none_of_a_library() -> None:
    def mine() -> None:
        json.loads("{")

    with pytest.raises(ValueError, match="Expecting") as met:
        mine()

    assert re.fullmatch(
        r"JSONDecodeError: Expecting .* \(test_errors\.py, line \d+: json\.loads\(\"\{\"\)\)",
        raised(met.value),
    )


@pytest.mark.parametrize(
    ("problem", "said"), [(AssertionError(), "AssertionError"), (KeyError("a"), "KeyError: 'a'")]
)
def test_an_exception_that_says_little_is_told_by_its_kind(
    problem: BaseException, said: str
) -> None:
    assert said == raised(problem)


def test_the_cause_at_the_bottom_is_found() -> None:
    bottom, middle, top = ValueError("why"), RuntimeError("wrapped"), RuntimeError("step 1/3")
    top.__cause__, middle.__cause__ = middle, bottom

    assert bottom is root_cause(top)
    assert bottom is root_cause(bottom)
