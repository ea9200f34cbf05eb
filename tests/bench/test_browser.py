"""The report's page in a real browser: silent, self-sufficient, fitting, and right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.bench.model import what_if as whatif
from calexnet.bench.page import html
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost, EnergyRow
from calexnet.bench.report.times import SegmentRow
from tests.bench.browser import needs_chromium, visit
from tests.support.sample_report import (
    AMORTISATION,
    EXITS,
    SEGMENTS,
    SUBJECT,
    sample_report,
)

pytestmark = [pytest.mark.slow, needs_chromium]

WIDTHS = [("", 360), ("", 390), ("", 768), ("", 1280), ("", 1920)]
#: Everything unfolded, so that what is folded fits as well; and how many plots have a size.
UNFOLD = """(document) => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll("svg.plot")].map((p) => p.getBoundingClientRect());
  const verdict = document.querySelector(".verdict .scroll");
  return { over: root.scrollWidth - root.clientWidth,
    hidden: verdict.scrollWidth - verdict.clientWidth,
    plots: boxes.filter((box) => box.width > 200 && box.height > 100).length };
}"""


def several(report: Report) -> Report:
    """Return a report with a second target of a hostile name, and with measured energy."""
    name = '<i>tensor"rt</i> & a very long name without any space: ' + "x" * 60
    cost = EnergyComparison(
        EnergyCost(0.4, 0.39, 0.41), EnergyCost(0.3, 0.29, 0.31), 0.75, 0.7, 0.8, "cascade"
    )
    return replace(
        report,
        amortisation=(*AMORTISATION, *(replace(row, target=name) for row in AMORTISATION)),
        exits=(*EXITS, *(replace(row, target=name) for row in EXITS)),
        segments=(*SEGMENTS, *(replace(row, target=name) for row in SEGMENTS)),
        energy=(EnergyRow(*SUBJECT, 8, 1, cost, cost, None, 0.02, 0.01),),
    )


@pytest.mark.parametrize("kind", ["by hand", "hostile", "measured"])
def test_the_page_is_silent_fetches_nothing_and_fits(
    kind: str, report: Report, tmp_path: Path
) -> None:
    shown = {"measured": report, "by hand": sample_report(), "hostile": several(sample_report())}
    page = html.render(shown[kind])

    found = visit(page, tmp_path, WIDTHS, UNFOLD)

    assert found.console == []
    for view, (_, width) in zip(found.views, WIDTHS, strict=True):
        assert view.fetched == []
        assert view.scroll_px <= view.client_px <= width
        assert view.seen["over"] <= 0
        if width >= 390:  # on a usual phone the column that decides needs no scrolling
            assert view.seen["hidden"] <= 0
        assert view.seen["plots"] == page.count('<svg class="plot"') >= 6


#: How far down the first screen reaches, and which of its words a line end breaks inside.
FIRST = """(document) => {
  const bottom = (name) => Math.max(...[...document.querySelectorAll(name)]
    .map((one) => one.getBoundingClientRect().bottom));
  const broken = [];
  for (const part of document.querySelectorAll(".screen, table.heat")) {
    const walk = document.createTreeWalker(part, 4);
    while (walk.nextNode()) {
      for (const word of walk.currentNode.data.matchAll(/[\\w.]+/g)) {
        const range = document.createRange();
        range.setStart(walk.currentNode, word.index);
        range.setEnd(walk.currentNode, word.index + word[0].length);
        const tops = [...range.getClientRects()].map((box) => Math.round(box.top));
        if (new Set(tops).size > 1) broken.push(word[0]);
      }
    }
  }
  return { word: bottom(".ship"), told: bottom(".next"), plot: bottom(".screen svg"), broken };
}"""


@pytest.mark.parametrize("kind", ["by hand", "measured"])
def test_the_verdict_fits_the_first_screen_of_a_phone_and_a_laptop(
    kind: str, report: Report, tmp_path: Path
) -> None:
    page = html.render({"measured": report, "by hand": sample_report()}[kind])

    phone, laptop = visit(page, tmp_path, [("", 390), ("", 1280)], FIRST).views

    assert phone.seen["broken"] == laptop.seen["broken"] == []
    assert 0 < phone.seen["word"] < phone.seen["told"] <= 844
    assert 0 < laptop.seen["told"] <= 800
    assert laptop.seen["plot"] <= 800


def test_an_error_and_a_request_would_be_noticed(tmp_path: Path) -> None:
    page = html.render(sample_report())
    loud = page.replace("</main>", '<img src="missing.png" alt=""></main><script>1</script>')

    found = visit(loud, tmp_path, [("", 360)])

    assert any("Content Security Policy" in line for line in found.console)
    wide = page.replace("</main>", '<p style="width:500px;max-width:none">wide</p></main>')
    (view,) = visit(wide, tmp_path, [("", 360)]).views
    assert view.scroll_px > view.client_px


READ = """(document) => ({
  now: Object.fromEntries([...document.querySelectorAll("data[data-what]")]
    .map((place) => [place.dataset.what, place.value])),
  setting: document.querySelector("select[name=setting]").value,
  ratios: Object.fromEntries([...document.querySelectorAll("td[data-batch]")]
    .map((place) => [place.dataset.batch, place.dataset.ratio])),
})"""
STATES = [
    (1, (0.625, 0.0, 0.375)),
    (8, (0.625, 0.0, 0.375)),
    (8, (0.0, 0.0, 1.0)),
    (8, (1.0, 0.0, 0.0)),
    (4, (0.1, 0.7, 0.2)),
    (2, (1 / 3, 1 / 3, 1 / 3)),
    (8, (0.005, 0.99, 0.005)),
]


def test_the_panel_agrees_with_python(tmp_path: Path) -> None:
    report = several(sample_report())
    models = {(m.target, m.threads): m for m in whatif.models(report)}
    model = models["onnxruntime", 1]
    where = "#what-if?target=onnxruntime&precision=fp32&threads=1"
    views = [
        (f"{where}&batch={batch}&rates={','.join(map(repr, rates))}", 360)
        for batch, rates in STATES
    ]

    found = visit(html.render(report), tmp_path, views, READ)

    assert found.console == []
    for view, (batch, rates) in zip(found.views, STATES, strict=True):
        cells = {cell.batch: cell for cell in model.cells}
        wanted = whatif.predict(model, cells[batch], rates)
        now = view.seen["now"]
        assert view.seen["setting"] == "onnxruntime fp32, 1 thread"
        assert [float(now[f"rate{i}"]) for i in (1, 2, 3)] == pytest.approx(rates, abs=1e-12)
        for name in ("ms", "plain_ms", "ratio", "low", "high"):
            assert float(now[name]) == pytest.approx(getattr(wanted, name), rel=1e-9)
        assert now["verdict"] == wanted.verdict
        if batch == 8:
            assert float(now["joules"]) == pytest.approx(wanted.joules, rel=1e-9)
            assert float(now["plain_j"]) == 0.4
        for size, ratio in view.seen["ratios"].items():
            there = whatif.predict(model, cells[int(size)], rates)
            assert float(ratio) == pytest.approx(there.ratio, rel=1e-9)


def test_the_panel_agrees_with_python_between_the_batches_of_a_coarse_grid(tmp_path: Path) -> None:
    """Of many images, on a measured report's kind of grid: survivors fall between its points."""
    segments = [
        SegmentRow(*SUBJECT, segment, batch, 1, ms, 0.9 * ms, 1.1 * ms)
        for batch, cells in ((1, (3.0, 1.0, 1.5, 2.0)), (64, (1.0, 0.2, 0.5, -0.01)))
        for segment, ms in enumerate(cells)
    ]
    row = replace(AMORTISATION[0], batch=64, plain_ms=1.0)
    report = sample_report(amortisation=(row,), segments=tuple(segments), crossover=())
    (model,) = whatif.models(report)
    rates = (0.37, 0.21, 0.42)
    where = "#what-if?target=onnxruntime&precision=fp32&threads=1&batch=64"

    found = visit(html.render(report), tmp_path, [(f"{where}&rates=0.37,0.21,0.42", 360)], READ)

    wanted = whatif.predict(model, model.cells[0], rates)
    assert float(found.views[0].seen["now"]["ms"]) == pytest.approx(wanted.ms, rel=1e-9)


MOVE = """(document, window) => {
  const read = () => [1, 2, 3].map((i) =>
    Number(document.querySelector(`[data-what=rate${i}]`).value));
  const slide = (i, value) => {
    const slider = document.querySelector(`input[name=rate${i}]`);
    slider.value = String(value);
    slider.dispatchEvent(new window.Event("input", { bubbles: true }));
    return read();
  };
  const press = (name) => {
    document.querySelector(`button[data-preset=${name}]`).click();
    return read();
  };
  const link = () => decodeURIComponent(document.getElementById("what-if-link").hash);
  return { moved: slide(1, 250), all: slide(2, 1000), back: slide(2, 400), seen: press("seen"),
    late: press("late"), early: press("early"), link: link() };
}"""


def test_sliders_keep_their_sum_and_buttons_do_as_they_say(tmp_path: Path) -> None:
    found = visit(html.render(sample_report()), tmp_path, [("", 360)], MOVE).views[0].seen

    assert found["moved"] == pytest.approx([0.25, 0.0, 0.75])
    assert found["all"] == [0.0, 1.0, 0.0]
    # Nothing is left to keep a proportion of, so the rest is split evenly.
    assert found["back"] == pytest.approx([0.3, 0.4, 0.3])
    assert found["seen"] == [0.625, 0.0, 0.375]
    assert found["late"] == [0.0, 0.0, 1.0]
    assert found["early"] == [1.0, 0.0, 0.0]
    assert found["link"] == (
        "#what-if?target=onnxruntime&precision=fp32&threads=1&batch=1&rates=1,0,0"
    )


def test_a_batch_that_another_setting_lacks_gives_way_to_its_first(tmp_path: Path) -> None:
    look = """(document, window) => {
      const batch = document.querySelector("select[name=batch]");
      const setting = document.querySelector("select[name=setting]");
      batch.value = "8";
      batch.dispatchEvent(new window.Event("change"));
      setting.selectedIndex = 1;
      setting.dispatchEvent(new window.Event("change"));
      return [batch.value, Number(document.querySelector("[data-what=plain_ms]").value)];
    }"""

    found = visit(html.render(sample_report()), tmp_path, [("", 360)], look)

    assert found.console == []
    assert found.views[0].seen == ["1", 8.0]


def test_an_address_that_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    views = [
        ("", 360),
        ("#what-if?target=nowhere&batch=3&rates=0.5,0.6,0.7", 360),
        ("#what-if?batch=8&rates=a,b,c", 360),
        ("#what-if?rates=1", 360),
    ]

    found = visit(html.render(sample_report()), tmp_path, views, READ)

    assert found.console == []
    plain, *others = [view.seen["now"] for view in found.views]
    assert [now["rate1"] for now in others] == [plain["rate1"]] * 3
    assert others[0] == others[2] == plain
    assert float(others[1]["plain_ms"]) == 15.0
