"""The campaign itself: its cases can be had again, and it sees what it looks for."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from calexnet.errors import InputError
from calexnet.files import selfhash
from campaigns import damage
from campaigns.fuzz import Outside, outcome
from campaigns.subjects import SUBJECTS, Files, Subject, make_plan

DOCUMENT = {"sha256": "", "a": 1, "b": [1.5, {"c": "text"}]}


def reading(error: Exception | None) -> Subject:
    def read(_: Path) -> None:
        if error is not None:
            raise error

    return Subject(make_plan, lambda files, _: files, read)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, "read"),
        (InputError("no"), "refused"),
        (KeyError("x"), "KeyError: 'x' (test_fuzz.py:"),
    ],
)
def test_only_an_answer_or_an_error_of_ours_is_fine(
    error: Exception | None, found: str, tmp_path: Path
) -> None:
    assert outcome(reading(error), tmp_path).startswith(found)


def test_a_file_outside_that_is_opened_is_seen_once(tmp_path: Path) -> None:
    outside = Outside(tmp_path / damage.OUTSIDE)
    assert not outside.was_opened()

    (tmp_path / damage.OUTSIDE).read_bytes()

    assert outside.was_opened()
    assert not outside.was_opened()


def test_a_case_is_drawn_from_its_number_alone() -> None:
    def drawn(number: int) -> bytes:
        return damage.of_json(DOCUMENT, Random(number))

    assert [drawn(n) for n in range(50)] == [drawn(n) for n in range(50)]
    assert len({drawn(n) for n in range(50)}) > 25


def test_what_is_sealed_again_gets_past_its_hash() -> None:
    read = 0
    for number in range(100):
        data = damage.of_json(DOCUMENT, Random(number), seal=True)
        try:
            document = json.loads(data)
        except ValueError:
            continue
        selfhash.verified(data, document)
        read += 1
    assert read > 50


def test_a_plan_that_took_the_memory_of_all_is_refused(tmp_path: Path) -> None:
    plans = SUBJECTS["plans"]
    plans.make(tmp_path)
    whole: Files = {"plan.json": (tmp_path / "plan.json").read_bytes()}
    for number in (1053, 1365):
        (tmp_path / "plan.json").write_bytes(
            plans.damaged(whole, Random(f"16 plans {number}"))["plan.json"]
        )
        assert "refused" == outcome(plans, tmp_path)
