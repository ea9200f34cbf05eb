"""One operating point of a cell, picked on the calibration part by what it saves there."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis.curves import dense_settings
from calexnet.gating import choose_exits, exit_rates
from calexnet.sweep.results import Cell

#: The middle of the range in which cascades are interesting.
SAVING = 0.45


@dataclass(frozen=True)
class Taken:
    """Where the test images leave at one setting of a cell's rule.

    Attributes:
        setting: The rule's.
        thresholds: float32 ``(branches, classes)``.
        exits: int32 ``(n,)``, from 1.
        saved: Share of the backbone's MACs that is saved on the test part.
    """

    setting: float
    thresholds: NDArray[np.float32]
    exits: NDArray[np.int32]
    saved: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that picks the point."""
    parser.add_argument(
        "--saving", type=float, default=SAVING, help="the operating point that saves about so much"
    )


def near(cell: Cell, saving: float) -> Taken:
    """Return what happens to the test images where calibration images save nearest to `saving`."""
    rule, calibration, test = cell.rule, cell.answers.calibration, cell.answers.test
    macs, classes = cell.result.macs, len(cell.result.classes)
    exits = test.table.branches + 1
    found = []
    for setting in dense_settings(rule, calibration.table).tolist():
        thresholds = rule.calibrate(calibration.table, calibration.truth, classes, setting)
        there = exit_rates(choose_exits(calibration.table, thresholds), exits).tolist()
        off = abs(1 - macs.expected(there) / macs.plain - saving)
        found.append((off, setting, thresholds))
    _, setting, thresholds = min(found, key=lambda one: one[:2])
    taken = choose_exits(test.table, thresholds)
    saved = 1 - macs.expected(exit_rates(taken, exits).tolist()) / macs.plain
    return Taken(setting, thresholds, taken, saved)
