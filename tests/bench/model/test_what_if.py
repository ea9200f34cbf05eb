"""What an image would cost at other exit rates, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calexnet.bench.model import what_if as whatif
from calexnet.bench.model.what_if import Model, predict
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost, EnergyRow
from tests.support.sample_report import AMORTISATION, SUBJECT, sample_report


def model_of(report: Report, threads: int = 1) -> Model:
    (found,) = [model for model in whatif.models(report) if model.threads == threads]
    return found


def test_one_image_pays_for_the_segments_that_it_reaches() -> None:
    model = model_of(sample_report())
    # 6.25 + 7 for those that do not leave first, + 9.5 for those that never leave.
    found = predict(model, model.cells[0], (0.5, 0.2, 0.3))
    assert found.ms == pytest.approx(6.25 + 0.5 * 7 + 0.3 * 9.5)
    assert found.ratio == pytest.approx(12.6 / 20)
    assert found.joules is None


def test_of_two_images_both_may_stay_or_one() -> None:
    model = model_of(sample_report())
    assert model.cells[1].batch == 2
    # Two stay with 1/4, one with 1/2. Calls: 11.2 ms for two in segment 1; segment 2 never leaves
    # anyone out, so 12.6 for two and 7 for one, then 17.2 and 9.5. One that stays alone, 1/2 of
    # the time, is gathered for 0.05 ms, once.
    expected = 11.2 + 0.25 * (12.6 + 17.2) + 0.5 * (7 + 9.5) + 0.5 * 0.05
    found = predict(model, model.cells[1], (0.5, 0.0, 0.5))
    assert found.ms == pytest.approx(expected / 2)


def test_the_band_is_the_interval_and_the_predictions_error_in_quadrature() -> None:
    # 3 % up and 4 % off make 5 %; down 12 % and 4 % off 12.65 %.
    row = replace(
        AMORTISATION[0],
        ratio=1.0,
        ratio_low=0.88,
        ratio_high=1.03,
        cascade_ms=10.0,
        predicted_cascade_ms=10.4,
    )
    assert whatif.band(row) == pytest.approx((1 - 0.12649, 1.05), abs=1e-5)
    # However far off a prediction was, a ratio is not under 0.
    assert whatif.band(replace(row, predicted_cascade_ms=30.0))[0] == 0


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.9, 1.5, "cascade"), (0.9, 1.7, "unclear"), (0.5, 1.7, "unclear")],
)
def test_the_band_decides(low: float, high: float, verdict: str) -> None:
    model = model_of(sample_report())
    cell = replace(model.cells[0], low=low, high=high)
    # A ratio of 12.4375 / 20 = 0.62.
    assert predict(model, cell, model.exit_rates).verdict == verdict
    slow = replace(cell, plain_ms=5.0, low=0.9)
    assert predict(model, slow, model.exit_rates).verdict == "plain"


def test_joules_come_from_the_power_that_the_cascade_drew() -> None:
    cost = EnergyCost(0.09, 0.08, 0.1)
    gross = EnergyComparison(EnergyCost(0.1, 0.1, 0.1), cost, 0.9, 0.8, 1.0, "unclear")
    row = EnergyRow(*SUBJECT, 8, 1, gross, None, None, 0.0, 0.0)
    model = model_of(sample_report(energy=(row,)))
    cell = model.cells[3]
    # 90 mJ in 18 ms are 5 W.
    assert (cell.batch, cell.plain_ms, cell.plain_j) == (8, 15.0, 0.1)
    assert cell.watts == pytest.approx(5.0)
    found = predict(model, cell, (0.0, 0.0, 1.0))
    assert found.ms == pytest.approx(5.0 + 6.0 + 8.5)
    assert found.joules == pytest.approx(0.0975)


def test_every_setting_has_its_own_grid() -> None:
    one, four = whatif.models(sample_report())
    assert (one.grid, four.grid) == ((1, 2, 4, 8), (1,))
    assert one.exit_rates == (0.625, 0.0, 0.375)
    assert four.segment_ms == ((2.6,), (2.8,), (3.8,))


def test_nothing_is_foretold_without_segments_or_exits() -> None:
    assert whatif.models(sample_report(segments=())) == ()
    assert whatif.models(sample_report(exits=())) == ()


def test_the_panels_model_gives_what_the_report_foretells(report: Report) -> None:
    """At the shares that the report has rows for, from the report's own segments."""
    for row in report.foretold:
        model = model_of(report, row.threads)
        cell = next(cell for cell in model.cells if cell.batch == row.batch)
        early = model.exit_rates[:-1]
        mix = [rate / sum(early) for rate in early] if sum(early) else [1 / len(early)] * len(early)
        found = predict(model, cell, (*(row.early * part for part in mix), 1 - row.early))
        assert found.ms == pytest.approx(row.ms, rel=1e-9)
        assert found.ratio == pytest.approx(row.ratio, rel=1e-9)
