"""The plainest early exit: labels, linear heads, one threshold."""

from __future__ import annotations

import dataclasses

from calexnet import rules
from calexnet.rules.threshold import ThresholdRule
from calexnet.training.methods.base import exit_table
from calexnet.training.methods.calexnet import CalexNet
from calexnet.training.methods.softmax import Softmax
from tests.support.small_cascade import is_same
from tests.training.methods.tasks import SHORT, fit, task


def test_it_trains_on_the_datas_labels_with_all_samples_alike() -> None:
    found, expected = fit(Softmax()), fit(CalexNet(target="labels", soft_weights=False))

    assert expected.outcome == found.outcome
    assert all(is_same(expected.weights(k), found.weights(k)) for k in (0, 1))


def test_it_learns_labels_that_the_backbone_does_not_know() -> None:
    given = task(optimisation=dataclasses.replace(SHORT, epochs=20))
    turned = [dataclasses.replace(p, logits=-p.logits) for p in (given.train, given.calibration)]
    given = dataclasses.replace(given, train=turned[0], calibration=turned[1])

    table = exit_table(fit(Softmax(), given).branches, given.calibration)

    accuracy = (table.labels == given.calibration.truth).mean(1)
    assert accuracy[1] > 0.9 > 0.2 > accuracy[2]


def test_its_rule_is_one_threshold() -> None:
    assert ThresholdRule() == rules.build(Softmax.default_rule)
