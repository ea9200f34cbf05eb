"""The reference: CalexNet with its three parts taken out."""

from __future__ import annotations

from calexnet import rules
from calexnet.rules.cpm import CpmRule
from calexnet.training.methods.calexnet import CalexNet
from calexnet.training.methods.reference import Reference
from tests.support.small_cascade import is_same
from tests.training.methods.tasks import fit


def test_it_trains_on_hard_answers_with_all_samples_alike() -> None:
    found, expected = fit(Reference()), fit(CalexNet(target="argmax", soft_weights=False))

    assert expected.outcome == found.outcome
    assert all(is_same(expected.weights(k), found.weights(k)) for k in (0, 1))
    assert (120.0, 120.0) == found.outcome.effective_samples
    assert not is_same(found.weights(0), fit(CalexNet()).weights(0))


def test_its_thresholds_are_found_on_everyone() -> None:
    assert CpmRule(population="all") == rules.build(Reference.default_rule)
