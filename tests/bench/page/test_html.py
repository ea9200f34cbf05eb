"""The HTML report: parsed back, self-contained, disarmed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from calexnet.bench.model import what_if as whatif
from calexnet.bench.page import html, panel
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost, EnergyRow
from calexnet.bench.report.validity import Validity
from calexnet.bench.words.glossary import LEAD
from calexnet.bench.words.remedies import remedy
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables import times as time_tables
from calexnet.bench.words.tables.table import Table
from tests.support.sample_report import (
    ALTERNATIVES,
    AMORTISATION,
    CROSSOVER,
    EXITS,
    FORETOLD,
    HOSTILE,
    LATENCY,
    NO_SENSOR,
    POINTS,
    SEGMENTS,
    SUBJECT,
    UNSETTLED,
    WORST,
    one_batch_report,
    sample_report,
)

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
        if not {"style", "script"} & set(self._open):
            self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[self._section][-1][-1] += data


@pytest.fixture(
    params=[
        sample_report(),
        one_batch_report(),
        sample_report(energy=(), exits=(), amortisation=(), crossover=(), flips=()),
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


def every_table(report: Report) -> tuple[Table[Any], ...]:
    return (*tables.tables(report), time_tables.foretold(report))


def test_every_table_holds_the_reports_figures(report: Report) -> None:
    page = Page(html.render(report))
    for table in every_table(report):
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
        assert tag not in ("link", "img", "iframe", "object")
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        href = attrs.get("href")
        assert href is None or (href[0] == "#" and href[1:] in anchors)


def test_only_the_panels_own_script_may_run(report: Report) -> None:
    text = html.render(report)
    kinds = [attrs.get("type") for tag, attrs in Page(text).tags if tag == "script"]
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'"
    if whatif.models(report):
        assert kinds == ["application/json", None]
        policy += f"; script-src '{panel.hashed()}'"
    else:
        assert kinds == []
    assert f'Content-Security-Policy" content="{policy}">' in text


def test_names_in_the_page_are_unique(report: Report) -> None:
    found = [attrs["id"] for _, attrs in Page(html.render(report)).tags if "id" in attrs]
    assert len(found) == len(set(found))


def test_text_of_the_user_stays_text() -> None:
    text = html.render(sample_report())
    assert "<script>alert" not in text
    assert HOSTILE in Page(text).text


def test_the_page_stays_small(report: Report) -> None:
    assert len(html.render(report).encode()) < 3_000_000


def test_the_page_of_twelve_targets_stays_small() -> None:
    """Two thread settings, seven batch sizes, and everything foretold for each."""
    settings = [
        {"target": f"target{t}", "threads": threads, "batch": batch}
        for t in range(12)
        for threads in (1, 2)
        for batch in (1, 2, 4, 8, 16, 32, 64)
    ]
    targets = [{"target": f"target{number}"} for number in range(12)]

    def spread(row: Any, over: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
        return tuple(replace(row, **where) for where in over)

    early = [replace(FORETOLD[0], early=tenths / 10) for tenths in range(11)]
    report = sample_report(
        amortisation=spread(AMORTISATION[0], settings),
        crossover=spread(CROSSOVER[0], settings),
        latency=tuple(r for row in LATENCY[:2] for r in spread(row, settings)),
        worst=spread(WORST[0], settings),
        energy=spread(sample_report().energy[0], settings),
        foretold=tuple(one for row in early for one in spread(row, settings)),
        segments=tuple(one for row in SEGMENTS[:4] for one in spread(row, settings)),
        exits=tuple(one for row in EXITS for one in spread(row, targets)),
        operating_points=tuple(one for row in POINTS * 2 for one in spread(row, targets)),
    )
    assert len(html.render(report).encode()) < 3_000_000


def test_the_page_says_when_and_on_what_it_was_measured() -> None:
    words = "2,000 images of " + HOSTILE + ", measured on 2026-01-02 at 03:04 UTC"
    assert words in Page(html.render(sample_report())).text


def test_verdict_then_reasons_then_validity_then_plots_then_tables() -> None:
    text = html.render(sample_report())
    places = [
        text.index("Ship the cascade on onnxruntime"),
        text.index('<dl class="numbers">'),
        text.index('id="choices-title"'),
        text.index("takes 12.4\u00a0ms an image"),
        text.index("What does not stand, why"),
        text.index("2 of 9 blocks &amp; more."),
        text.index('id="where"'),
        text.index('id="latency-0-title"'),
        text.index('id="break-even-0-title"'),
        text.index('id="spread-0-title"'),
        text.index('id="what-if"'),
        text.index('id="savings-title"'),
        text.index('<section id="glossary">'),
        text.index('<section id="amortisation">'),
    ]
    assert places == sorted(places)


def valid(**changes: Any) -> Validity:
    return replace(sample_report().validity, **changes)


def test_a_run_whose_verdict_stands_says_what_does_not_and_raises_no_alarm() -> None:
    text = html.render(sample_report())
    page = Page(text).text
    said = "Times in ms, percentiles and joules do not stand; the verdict and ratios of times do."
    assert f'<p class="flag some"><a href="#validity-part">{said}</a></p>' in text
    assert page.count(said) == 3  # the bar, the part below it, and a table
    assert "UNSTABLE" not in page
    assert "INVALID" not in page
    assert f"Throttling: the device was slowed down: it got too hot. {remedy('throttling')}" in page


def test_a_run_whose_verdict_fell_says_so_at_the_top_of_every_screen() -> None:
    unstable = Page(html.render(sample_report(validity=valid(breaches=(UNSETTLED,))))).text
    assert "UNSTABLE RUN" in unstable
    assert "What does not stand, why, and what to do" in unstable

    invalid = html.render(sample_report(validity=valid(breaches=(UNSETTLED,), allowed=False)))
    assert "INVALID RUN" in invalid
    assert '<section class="verdict invalid"' in invalid
    assert "<summary>What it would have said</summary>" in invalid
    assert invalid.index("INVALID: this run broke the rules of measuring") < invalid.index(
        "takes 12.4\u00a0ms an image"
    )


def test_a_run_that_broke_no_rule_raises_no_flag() -> None:
    text = html.render(sample_report(validity=valid(breaches=())))
    assert "UNSTABLE" not in text
    assert "INVALID RUN" not in text
    assert 'class="flag"' not in text
    assert "This run broke no rule: all that it claims stands." in Page(text).text


def test_the_target_that_the_decision_is_about_is_unfolded() -> None:
    other = replace(ALTERNATIVES[1], target="tflite", name="the cascade on tflite fp32")
    rows = (*AMORTISATION, replace(AMORTISATION[0], target="tflite"))
    decision = replace(sample_report().decision, name=other.name)
    text = html.render(
        sample_report(amortisation=rows, alternatives=(*ALTERNATIVES, other), decision=decision)
    )
    assert '<details class="subject" open>\n<summary>tflite fp32' in text
    assert '<details class="subject">\n<summary>onnxruntime fp32' in text


def test_a_newcomer_is_told_what_plain_and_a_cascade_are_beside_the_verdict() -> None:
    assert all(word in LEAD for word in ("Plain is", "A cascade is", "early exits: small outputs"))
    text = html.render(sample_report())
    assert text.index('id="verdict"') < text.index(LEAD) < text.index('id="where"')


def test_the_page_says_whether_one_file_or_segments_are_faster_where_it_was_measured() -> None:
    text = Page(html.render(sample_report())).text
    assert "One file is faster than segments on onnxruntime fp32 with 1 thread" in text
    assert "0.800 at exit 1, 1.000? at exit 2 and 1.100 at the last exit." in text
    assert "One file, or segments?" not in Page(html.render(sample_report(layouts=()))).text


def test_the_error_of_the_prediction_is_seen_without_unfolding() -> None:
    text = html.render(sample_report())
    shown = text.index("If more or fewer images left early")
    assert shown < text.index("Checked against 5", shown) < text.index('id="what-if"')
    # Among the sentences, there, in the panel, and a table.
    assert text.count("Checked against 5 measured times") == 4


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
        "\u00b1 5.6 %",
        "yes",
    ]


def test_ratios_by_batch_are_coloured_by_verdict() -> None:
    text = html.render(sample_report())
    cells = re.findall(r'<td class="cell (\w+)" title="plain [^"]*">([^<]*)</td>', text)
    assert cells == [
        ("cascade", "0.600"),
        ("cascade", "0.750"),
        ("unclear", "0.990?"),
        ("plain", "1.20"),
        ("cascade", "0.750"),
    ]


def test_every_table_scrolls_in_its_own_box(report: Report) -> None:
    text = html.render(report)
    assert text.count("<table") == text.count('<div class="scroll" role="region"')


def test_without_a_script_the_panel_shows_what_was_seen() -> None:
    text = html.render(sample_report())
    (found,) = [model for model in whatif.models(sample_report()) if model.threads == 1]
    now = whatif.predict(found, found.cells[0], found.exit_rates)
    assert f'<data data-what="ms" value="{now.ms}">12.4 ms</data>' in text
    assert '<data data-what="rate1" value="0.625">62.5 %</data>' in text
    assert '<p id="what-if-joules" hidden>' in text
    assert "<fieldset disabled>" in text


def test_the_panels_data_cannot_end_its_element() -> None:
    rows = tuple(replace(row, target="</script><b>") for row in AMORTISATION)
    named = sample_report(
        amortisation=rows,
        exits=tuple(replace(row, target="</script><b>") for row in EXITS),
        segments=tuple(replace(row, target="</script><b>") for row in SEGMENTS),
    )
    script = panel.script(named)
    assert script.count("</script>") == 2
    assert json.loads(script.split(">", 1)[1].split("</script>")[0])[0]["target"] == "</script><b>"


def test_energy_is_a_ratio_by_batch_or_why_there_is_none() -> None:
    assert f"<p>Not measured: rapl: {NO_SENSOR}.</p>" in html.render(sample_report())
    gross = EnergyComparison(
        EnergyCost(0.1, 0.09, 0.11), EnergyCost(0.07, 0.06, 0.08), 0.7, 0.6, 0.8, "cascade"
    )
    lost = replace(gross, ratio=None, ratio_low=None, ratio_high=None, verdict="unclear")
    rows = (
        EnergyRow(*SUBJECT, 1, 1, gross, None, None, 0.02, 0.01),
        EnergyRow(*SUBJECT, 8, 1, lost, None, None, 0.02, 0.01),
    )
    text = html.render(sample_report(energy=rows))
    found = text.partition('id="joules"')[2].partition("</section>")[0]
    cell = '<td class="cell cascade" title="plain 100 mJ, cascade 70.0 mJ">0.700</td><td></td>'
    assert cell in found
