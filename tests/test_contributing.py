"""CONTRIBUTING says where things are: its paths exist, and so do those of the other pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.test_house import modules
from tests.test_packaging import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FOLDERS = "bench|benchmarks|calexnet|devices|examples|export|runtimes|tests"
#: A path of the project in a page's code; what a command makes is none.
_PATH = re.compile(rf"`((?:{_FOLDERS})/[\w./-]+)`")
#: A module below a room, or what stands in it; `calexnet.load` and the names of options are none.
_MODULE = re.compile(r"\bcalexnet\.[a-z_0-9]+(?:\.\w+)+")


def section(name: str) -> str:
    """Return what CONTRIBUTING says below a heading, down to the next."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def rows(table: str) -> list[tuple[str, str]]:
    lines = [line.strip("| ").split(" | ", 1) for line in table.splitlines() if line[:1] == "|"]
    return [(first, second) for first, second in lines[2:]]


def test_every_question_has_a_place() -> None:
    places = dict(rows(section("Where do I change ...?")))

    assert len(places) >= 10
    for question, answer in places.items():
        found = _PATH.findall(answer)
        assert found, question
        assert [] == [path for path in found if not (ROOT / path).exists()], question


def test_twelve_words_have_a_meaning_each() -> None:
    assert 12 == len(dict(rows(section("Words"))))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_path_that_a_page_names_exists(page: Path) -> None:
    found = set(_PATH.findall(page.read_text("utf-8")))

    assert set() == {path for path in found if not (ROOT / path).exists()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_module_that_a_page_names_exists_and_has_what_it_says(page: Path) -> None:
    known = modules()
    found = set(_MODULE.findall(page.read_text("utf-8")))

    assert set() == {name for name in found if not stands(name, known)}


def stands(name: str, known: Mapping[str, Path]) -> bool:
    """Return whether `name` is a module, or a word in one."""
    module, _, word = name.rpartition(".")
    if name in known:
        return True
    return module in known and bool(re.search(rf"\b{word}\b", known[module].read_text("utf-8")))


def test_what_does_not_stand_is_seen() -> None:
    known = modules()

    assert stands("calexnet.training.heads.base.Head", known)
    assert not stands("calexnet.training.heads.base.Hat", known)
    assert not stands("calexnet.bench.speed.main", known)


def test_the_readme_can_be_read_in_one_go() -> None:
    assert 120 >= len((ROOT / "README.md").read_text("utf-8").splitlines())


def test_every_page_stands_in_the_sites_contents() -> None:
    contents = (ROOT / "docs/index.md").read_text("utf-8").split()
    made = {"commands"}  # from the parsers

    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} - made <= set(contents)
