"""Promised beside kept precision, worked by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from calexnet.analysis.study import promises
from calexnet.costs import Macs
from calexnet.gating import ExitTable
from calexnet.registry import Part
from calexnet.sweep.results import Answered, Answers
from tests.support.sample_cells import axes, save


def one_branch(scores: list[float], right: list[int], plain: list[int]) -> Answered:
    """Return a branch that calls every image class 0, and a backbone, rightly or not."""
    truth = 1 - np.array(right, np.int32)
    backbone = np.where(plain, truth, 1 - truth)
    labels = np.stack([np.zeros_like(truth), backbone]).astype(np.int32)
    table = ExitTable(labels, np.array([scores, [1.0] * len(scores)], np.float32))
    return Answered(table, truth, np.arange(len(scores), dtype=np.int32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Half of the calibration images score over 0.8, three of four of them rightly."""
    scores = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1]
    calibration = one_branch(scores, [1, 1, 1, 0, 1, 0, 0, 0], [1] * 8)
    # On the test part five of eight leave: two rightly, where the backbone is right on four.
    test = one_branch([0.9] * 5 + [0.1] * 3, [1, 1, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0])
    macs = Macs((0, 100), (0,), (0,))
    save(axes("ztw"), Answers(calibration, test), tmp_path, rule=Part("threshold"), macs=macs)
    return tmp_path


def test_a_promise_is_calibrations_and_what_is_kept_tests(folder: Path) -> None:
    known = argparse.Namespace(allow=(), results=[folder], rule=(None,), saving=0.5)

    found = promises.analyse(known)

    (row,) = found.tables[0].records
    assert ("ztw", 1, 1) == (row.recipe, row.branch, row.seeds)
    assert (0.625, 0.625) == (row.saved, row.leave)
    assert (0.75, 0.4, 0.8) == (row.promised, row.kept, row.backbone)
    assert pytest.approx(0.35) == row.missed
    assert ("75.0 %", "40.0 %", "+35.0", "80.0 %") == found.tables[0].rows[0][4:8]


def test_where_nobody_leaves_nothing_is_promised(folder: Path) -> None:
    known = argparse.Namespace(allow=(), results=[folder], rule=(None,), saving=0.0)

    (row,) = promises.analyse(known).tables[0].records

    assert (None, None, None, None) == (row.promised, row.kept, row.backbone, row.missed)
    assert 0 == row.leave
