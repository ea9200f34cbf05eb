"""The HTML report: parsed back, self-contained, disarmed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from calexnet.bench import html, tables
from calexnet.bench.results import Report
from tests.bench.sample_report import (
    AMORTISATION,
    HOSTILE,
    one_batch_report,
    sample_report,
)

CHROMIUM = shutil.which("chromium")
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, tables by section, all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert not self._open, f"unclosed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = found["id"] or ""
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._section][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[self._section][-1][-1] += data


@pytest.fixture(
    params=[
        sample_report(),
        one_batch_report(),
        sample_report(headline=(), energy=(), exits=(), amortisation=(), crossover=(), flips=()),
        sample_report(
            amortisation=(*AMORTISATION, replace(AMORTISATION[0], precision="<b>int8</b>"))
        ),
    ],
    ids=["full", "one batch", "mostly empty", "two precisions"],
)
def report(request: pytest.FixtureRequest) -> Report:
    found = request.param
    assert isinstance(found, Report)
    return found


def test_every_table_holds_the_reports_figures(report: Report) -> None:
    page = Page(html.render(report))
    for table in tables.tables(report):
        if not table.records:
            assert table.anchor not in page.tables
            continue
        head, *rows = page.tables[table.anchor]
        assert head == [column.title for column in table.columns]
        assert tuple(map(tuple, rows)) == table.rows


def test_the_page_asks_for_nothing(report: Report) -> None:
    text = html.render(report)
    page = Page(text)
    anchors = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert "url(" not in text
    assert "@import" not in text
    for tag, attrs in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object")
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        href = attrs.get("href")
        assert href is None or (href[0] == "#" and href[1:] in anchors)


def test_names_in_the_page_are_unique(report: Report) -> None:
    found = [attrs["id"] for _, attrs in Page(html.render(report)).tags if "id" in attrs]
    assert len(found) == len(set(found))


def test_text_of_the_user_stays_text() -> None:
    text = html.render(sample_report())
    assert "<script" not in text
    assert HOSTILE in Page(text).text


def test_headline_then_notes_then_plots_then_tables() -> None:
    text = html.render(sample_report())
    places = [
        text.index("From batch 8 on plain is faster."),
        text.index("2 of 9 blocks &amp; more."),
        text.index('id="latency-0-title"'),
        text.index('id="break-even-0-title"'),
        text.index('<section id="amortisation">'),
        text.index('<section id="glossary">'),
    ]
    assert places == sorted(places)


def test_one_figure_by_hand() -> None:
    page = Page(html.render(sample_report()))
    assert page.tables["amortisation"][4] == [
        "8",
        "1",
        "15.0",
        "18.0",
        "1.200 (1.150 to 1.250)",
        "17.1",
        "-5.0 %",
        "yes",
    ]


def test_every_table_scrolls_in_its_own_box(report: Report) -> None:
    text = html.render(report)
    assert text.count("<table>") == text.count('<div class="scroll" role="region"')
    assert text.count("<table>") == sum(bool(t.records) for t in tables.tables(report))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_never_scrolls_sideways(tmp_path: Path, width: int) -> None:
    # A frame as wide as a phone inside, as a browser's own window has a least width.
    (tmp_path / "page.html").write_text(html.render(sample_report()), encoding="utf-8")
    inner = 360 if width == 500 else width
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="page.html" style="width:{inner}px;height:800px;border:0"></iframe>'
        '<p id="out"></p><script>onload = () => { const d = document.getElementById("f")'
        ".contentDocument.documentElement; document.getElementById('out').textContent = "
        "`${d.scrollWidth} in ${d.clientWidth}` }</script>"
    )
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    scroll, _, client = done.stdout.split('id="out">')[1].split("<")[0].partition(" in ")
    assert 0 < int(scroll) <= int(client) <= inner
