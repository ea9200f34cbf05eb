"""The tool that asks whether tests notice faults: what it changes, and who notices."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from campaigns import mutants
from campaigns.mutation import Mutant
from campaigns.mutation import mutants as mutants_of


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("x = a < b", {"x = (a <= b)", "x = (a >= b)"}),
        ("x = a == b", {"x = (a != b)"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = 0", {"x = 1"}),
        ("x = 1", {"x = 2", "x = 0"}),
        ("x = -1", {"x = (1)", "x = -2", "x = -0"}),
        ("x = not a", {"x = (a)"}),
        ("x = a and b", {"x = (a or b)"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = np.maximum(a, b)", {"x = np.minimum(a, b)"}),
        ("x = a if b else c", {"x = (c if b else a)"}),
        ("x: Literal[1] = a", set()),
        ("x = f'{a + b}'", set()),
        (
            "def f(x: int | None) -> int | None: return x",
            {"def f(x: int | None) -> int | None: return None"},
        ),
        ("def f(): return None", set()),
    ],
)
def test_a_line_has_these_mutants(line: str, after: set[str]) -> None:
    found = mutants_of(f"'''Words of 1 and 2.'''\n{line}\n")

    assert after == {one.after for one in found}
    assert all((2, 2) == one.lines and line == one.before for one in found)
    assert all(f"'''Words of 1 and 2.'''\n{one.after}\n" == one.source for one in found)


def test_a_change_over_several_lines_is_shown_with_them() -> None:
    (found,) = mutants_of("x = (\n    a\n    < b < c\n)\n")[:1]

    assert (2, 3) == found.lines
    assert "a\n< b < c" == found.before
    assert "room/file.py:2\n  - a\n  - < b < c\n  + (a < b <= c)" == found.diff("room/file.py")


def subject(mutant_of: str) -> mutants.Subject:
    """Return the mutant of the gate's ``score >= bar`` that reads `mutant_of`."""
    path = "calexnet/gating.py"
    source = (Path(mutants.__file__).parents[1] / path).read_text()
    before = "return score >= bar"
    after = before.replace("score >= bar", mutant_of)
    line = source[: source.index(before)].count("\n") + 1
    return mutants.Subject(path, Mutant((line, line), before, after, source.replace(before, after)))


def test_a_mutant_lives_in_a_process_alone_and_is_noticed_by_a_test_that_reaches_it() -> None:
    test = "tests/test_gating.py::test_equality_exits_and_the_next_lower_score_does_not"

    assert test == mutants.meets(subject("score > bar"), [test])
    assert mutants.meets(subject("bar <= score"), [test]) is None
    assert mutants.meets(subject("score > bar"), []) is None
    assert "at the import" == mutants.meets(subject("score >= bar)"), [test])


def test_a_process_that_does_not_end_or_dies_gives_nothing() -> None:
    def endless() -> None:
        while True:
            pass

    assert mutants.in_child(endless, 0.2) is None
    assert [1, "a"] == mutants.in_child(lambda: [1, "a"], 5)


def test_the_listed_equivalents_are_mutants_of_today_each_with_a_reason() -> None:
    listed = json.loads(mutants.EQUIVALENTS.read_text())
    root = Path(mutants.__file__).parents[1]
    for path in {one["path"] for one in listed}:
        keys = {(m.before, m.after) for m in mutants_of((root / path).read_text())}
        assert {(o["before"], o["after"]) for o in listed if o["path"] == path} <= keys
    assert all(one["why"] for one in listed)
    assert set(mutants.CORE) >= {one["path"] for one in listed}


def test_every_module_of_the_core_and_its_tests_are_there() -> None:
    root = Path(mutants.__file__).parents[1]
    assert all((root / p).exists() for p in chain(mutants.CORE, *mutants.CORE.values()))


def test_every_module_has_a_floor_and_more_survivors_than_it_allows_are_told() -> None:
    assert set(mutants.CORE) == set(mutants.FLOORS)
    assert all(0 < floor <= 100 for floor in mutants.FLOORS.values())
    path = "calexnet/rules/base.py"
    allowed = len(mutants.subjects([path])) * (100 - mutants.FLOORS[path]) // 100

    assert not mutants.fallen(path, allowed)
    assert mutants.fallen(path, allowed + 1)
