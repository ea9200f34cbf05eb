"""``calexnet report``: what is printed, what is written, and the exit codes."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from calexnet import cli
from calexnet.bench import reporting
from calexnet.bench.page import html
from calexnet.bench.words import markdown
from tests.support.sample_report import sample_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A report."""
    found = tmp_path / "report"
    found.mkdir()
    reporting.write(sample_report(), found)
    return found


def test_a_report_is_shown_on_a_screen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (folder, folder / "report.json"):
        assert 0 == cli.main(["report", str(path)])
        assert reporting.summary(sample_report()) + "\n" == capsys.readouterr().out


def test_every_form_is_what_the_run_wrote(folder: Path, tmp_path: Path) -> None:
    page, text, tables = (tmp_path / name for name in ("a.html", "b.md", "c"))

    wanted = ["--html", str(page), "--md", str(text), "--csv", str(tables)]
    assert 0 == cli.main(["report", str(folder), *wanted])

    assert html.render(sample_report()) == page.read_text("utf-8")
    assert markdown.render(sample_report()) == text.read_text("utf-8")
    names = [path.name for path in sorted((folder / "tables").iterdir())]
    assert names == [path.name for path in sorted(tables.iterdir())]
    for name in names:
        assert (folder / "tables" / name).read_bytes() == (tables / name).read_bytes()
    assert 0 == cli.main(["report", str(folder), *wanted]), "its own files are replaced"


def test_the_page_is_shown_in_a_browser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)

    assert 0 == cli.main(["report", str(folder), "--open"])

    (address,) = shown
    page = Path(address.removeprefix("file://"))
    assert html.render(sample_report()) == page.read_text("utf-8")


def test_what_is_no_report_and_a_foreign_folder_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()

    assert 2 == cli.main(["report", str(tmp_path / "nothing")])
    assert 2 == cli.main(["report", str(folder), "--csv", str(tmp_path / "mine")])

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("calexnet report: error: cannot read ")
    assert second.startswith("calexnet report: error: ")
    assert (tmp_path / "mine" / "letter").exists()
