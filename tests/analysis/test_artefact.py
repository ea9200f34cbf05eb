"""Artefacts as files: Markdown, CSV, SVG, PNG."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calexnet.analysis import artefact
from calexnet.analysis.artefact import Artefact
from calexnet.bench.words.tables.table import Column, Table
from calexnet.errors import RuntimeUnavailableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Row:
    name: str
    share: float | None
    rates: tuple[float, ...]


TABLE = Table(
    "things",
    "Of things",
    ("A note.",),
    (Column[Row]("Name", lambda row: row.name, "word"), Column[Row]("Share", lambda row: "1 %")),
    (Row("a|b", 1 / 3, (0.25, 0.75)), Row("c,d", None, ())),
)


def draw(figure: Figure) -> None:
    figure.add_subplot().plot([0, 1], [0, 1])


def test_all_files_are_written_and_named(tmp_path: Path) -> None:
    second = Table("more", "More", (), (), TABLE.records)

    paths = artefact.write(
        Artefact("things", (TABLE, second), {"One": draw, "Two": draw}), tmp_path / "out"
    )

    names = ["things.md", "things.svg", "things.png", "things-2.svg", "things-2.png"]
    assert [*names, "things.csv", "things-more.csv"] == [path.name for path in paths]
    assert set(paths) == set((tmp_path / "out").iterdir())
    assert paths[1].read_text().startswith("<?xml")
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    assert (
        "## Of things\n\nA note.\n\n| Name | Share |\n| --- | ---: |\n| a\\|b | 1 % |\n"
        "| c,d | 1 % |\n\n![One](things.svg)\n\nOne\n\n![Two](things-2.svg)\n\nTwo\n"
    ) == paths[0].read_text()


def test_csv_holds_every_field_and_nothing_where_nothing_is_known() -> None:
    expected = 'name,share,rates\na|b,0.333333,0.25 0.75\n"c,d",,\n'

    assert expected == artefact.as_csv(TABLE)
    assert "" == artefact.as_csv(Table("none", "None", (), (), ()))


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    found = Artefact("things", (), {"One": draw})

    one = artefact.write(found, tmp_path / "a")
    other = artefact.write(found, tmp_path / "b")

    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_without_matplotlib_the_way_on_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(RuntimeUnavailableError, match=r"Run: pip install 'calexnet\[analyse\]'"):
        artefact.write(Artefact("things", (TABLE,), {"One": draw}), tmp_path)
    assert [] == list(tmp_path.iterdir())
    assert 2 == len(artefact.write(Artefact("things", (TABLE,)), tmp_path))
