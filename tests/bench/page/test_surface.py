"""What is foretold, by batch size and early share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calexnet.bench.page.surface import surfaces
from tests.support.sample_report import FORETOLD, SUBJECT, sample_report


def test_a_point_for_every_batch_and_share() -> None:
    (found,) = surfaces(sample_report()).values()
    assert found.setting == (*SUBJECT, 1)
    assert (found.batches, found.shares) == ((1, 8), (0.0, 0.5, 1.0))
    assert len(found.points) == 6
    # 22.75 ms over 20 if all stay, 6.25 if all leave.
    assert found.points[0.0, 1].row.ratio == pytest.approx(1.1375)
    assert found.points[1.0, 1].row.ratio == pytest.approx(0.3125)


def test_verdicts_follow_the_measured_band() -> None:
    (found,) = surfaces(sample_report()).values()
    # At batch 1: -5 % predicted, interval 0.58 to 0.62 of 0.6, so 6 % either way.
    assert found.points[0.0, 1].gathered == "plain"
    assert found.points[0.5, 1].gathered == "cascade"
    # At batch 8, 12.875 ms over 15, 0.858, 6.5 % either way; a tenth more if not gathered.
    assert found.points[0.5, 8].gathered == "cascade"
    assert found.points[0.5, 8].running_on == "unclear"
    assert found.points[0.5, 8].running_on_ratio == pytest.approx(1.1 * 12.875 / 15)


def test_what_has_no_measured_ratio_beside_is_left_out() -> None:
    rows = (*FORETOLD, replace(FORETOLD[0], batch=64))
    (found,) = surfaces(sample_report(foretold=rows)).values()
    assert found.batches == (1, 8)
