"""Operating curves: every setting of a rule, found on calibration samples, judged on others.

The others are the test part, or, where a choice is to be made without it, the other half of the
calibration part. A curve keeps what happens to each image, so that images can be resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.costs import Macs
from calexnet.gating import ExitTable, choose_exits, chosen_labels
from calexnet.rules.base import Rule
from calexnet.rules.threshold import ThresholdRule
from calexnet.sweep.results import Answered, Cell

Floats = NDArray[np.float64]

_QUANTILES = np.linspace(0.0, 1.0, 61)


@dataclass(frozen=True)
class Curve:
    """One trained cascade at many settings, image by image.

    Attributes:
        settings: float64 ``(settings,)``.
        right: bool ``(settings, n)``, whether the cascade answers an image rightly.
        exits: int32 ``(settings, n)``, where the image leaves, from 1.
        backbone_right: bool ``(n,)``.
        macs: Of the cascade.
    """

    settings: Floats
    right: NDArray[np.bool_]
    exits: NDArray[np.int32]
    backbone_right: NDArray[np.bool_]
    macs: Macs

    def saved(self, *, own_head_only: bool = False) -> Floats:
        """Return the share of the plain backbone's MACs that each image saves ``(settings, n)``.

        Negative where heads cost more than was left out.
        """
        to_exit = self.macs.to_exit(own_head_only=own_head_only)
        return np.asarray(1.0 - to_exit[self.exits - 1] / self.macs.plain)

    @property
    def accuracy(self) -> Floats:
        """Accuracy at each setting, ``(settings,)``."""
        return np.asarray(self.right.mean(1), dtype=np.float64)


def curve(cell: Cell) -> Curve:
    """Return the curve of a cell over the dense settings of its own rule."""
    rule, known, classes = cell.rule, cell.answers.calibration, len(cell.result.classes)
    settings = dense_settings(rule, known.table)
    tables = [rule.calibrate(known.table, known.truth, classes, float(s)) for s in settings]
    return judged(settings, tables, cell.answers.test, cell.result.macs)


def crossfitted(cell: Cell) -> Curve:
    """Return the curve of a cell on its calibration part; the test part is not looked at.

    Thresholds from every other image are judged on the images between them, and the other way
    round, so that no image is judged by thresholds that it helped to find.
    """
    rule, known, classes = cell.rule, cell.answers.calibration, len(cell.result.classes)
    settings = dense_settings(rule, known.table)
    halves = [np.arange(first, len(known), 2) for first in (0, 1)]
    right = np.empty((len(settings), len(known)), np.bool_)
    exits = np.empty((len(settings), len(known)), np.int32)
    for fitted, held_out in (halves, halves[::-1]):
        one = known.select(fitted)
        tables = [rule.calibrate(one.table, one.truth, classes, float(s)) for s in settings]
        found = judged(settings, tables, known.select(held_out), cell.result.macs)
        right[:, held_out], exits[:, held_out] = found.right, found.exits
    plain = backbone_right(known.table, known.truth)
    return Curve(settings, right, exits, plain, cell.result.macs)


def dense_settings(rule: Rule, calibration: ExitTable) -> Floats:
    """Return a rule's dense settings in rising order: its own, and where they meet scores, theirs.

    A threshold's are on the scale of the scores, and these may crowd anywhere (PTEENet's
    confidences near 0). So quantiles of the calibration scores come in, that no curve has a gap for
    want of settings.
    """
    settings = np.array(rule.grid, dtype=np.float64)
    if rule.kind == ThresholdRule.kind:
        scores = calibration.scores[:-1]
        settings = np.append(settings, np.quantile(scores[~np.isnan(scores)], _QUANTILES))
    return np.unique(settings)


def judged(
    settings: Floats, tables: Sequence[NDArray[np.float32]], test: Answered, macs: Macs
) -> Curve:
    """Return what threshold tables, one a setting, do on the test part."""
    exits = np.stack([choose_exits(test.table, table) for table in tables])
    right = np.stack([chosen_labels(test.table, taken) == test.truth for taken in exits])
    return Curve(settings, right, exits, backbone_right(test.table, test.truth), macs)


def backbone_right(table: ExitTable, truth: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which samples the backbone's own head answers rightly, bool ``(n,)``."""
    return np.asarray(table.labels[-1] == truth)


def at_savings(
    saved: Floats, accuracy: Floats, targets: Sequence[float] | Floats, *, clamp: bool = False
) -> Floats:
    """Return the accuracy of a curve where it saves each of `targets`, linear between its points.

    Linear, because mixing two operating points at random gives exactly that. Points that save alike
    count with their mean.

    Args:
        saved: Of each point, ``(points,)``, in any order.
        accuracy: Of each point, likewise.
        targets: Shares of the plain backbone's MACs.
        clamp: Take the nearest end where the curve does not reach, instead of NaN.
    """
    places, which = np.unique(saved, return_inverse=True)
    means = np.bincount(which, accuracy) / np.bincount(which)
    beyond = (None, None) if clamp else (np.nan, np.nan)
    found = np.interp(targets, places, means, left=beyond[0], right=beyond[1])
    return np.asarray(found, dtype=np.float64)
