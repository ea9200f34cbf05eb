"""A cascade trained whole: repeatable, blind to the test part, and its own reference."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calexnet import rules
from calexnet.calibration import operating_points
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide, over_classes
from calexnet.errors import InputError
from calexnet.registry import Allowed, Part
from calexnet.rules.price import PriceRule
from calexnet.training import cascade, features
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.beforehand import Beforehand
from calexnet.training.cascade import Cascade
from calexnet.training.spec import Optimisation, Plain
from tests.support.small_cascade import CLASSES, PLAN, is_same, tensors, train, untrained, weights

#: Quicker than `PLAN`: what is compared here need not be accurate.
QUICK = dataclasses.replace(
    PLAN,
    recipe=dataclasses.replace(PLAN.recipe, optimisation=Optimisation(epochs=1)),
    backbone_training=dataclasses.replace(PLAN.backbone_training, epochs=1),
)


def test_a_cascade_tells_how_it_was_made(small_cascade: Cascade, small_data: Dataset) -> None:
    spec = small_cascade.spec

    assert BackboneSpec("resnet8", len(CLASSES)) == spec.backbone
    assert ("layer1", "layer2") == spec.attach == small_cascade.backbone.attach
    assert (CLASSES, PLAN.recipe) == (spec.classes, spec.recipe)
    assert PLAN.backbone_training == spec.backbone_training
    assert divide(small_data, 0).record == spec.split
    assert ["margin-0", "margin-0.05", "margin-0.2"] == [p.name for p in spec.operating_points]
    assert "margin-0.05" == spec.default_operating_point


def test_training_teaches_something_and_lets_some_samples_out(
    small_cascade: Cascade, small_data: Dataset
) -> None:
    test = divide(small_data, 0).indices["test"]

    table = small_cascade.answer(small_data.images[test])

    accuracies = (table.labels == small_data.labels[test]).mean(1)
    assert accuracies.min() > 0.5
    assert 0 < small_cascade.spec.branches[0].left < small_cascade.spec.branches[0].reached


def test_answers_are_those_of_each_head_on_its_features(small_cascade: Cascade) -> None:
    images = small_cascade.samples.images[:5]

    table = small_cascade.answer(images)

    with torch.inference_mode():
        inputs = torch.from_numpy(small_cascade.spec.preprocessing.normalise(images))
        first, second, logits = small_cascade.backbone(inputs)
        rows = [
            small_cascade.branches[0].head(first),
            small_cascade.branches[1].head(second),
            logits,
        ]
        expected = [torch.softmax(row, 1).max(1) for row in rows]
    assert ("int32", "float32") == (table.labels.dtype.name, table.scores.dtype.name)
    for branch, best in enumerate(expected):
        assert best.indices.tolist() == table.labels[branch].tolist()
        assert np.array_equal(best.values.numpy(), table.scores[branch])


def test_operating_points_are_calibrated_on_the_calibration_part(
    small_cascade: Cascade, small_data: Dataset
) -> None:
    part = divide(small_data, 0).indices["calibration"]

    points = operating_points(
        small_cascade.answer(small_data.images[part]),
        small_data.labels[part],
        (0.0, 0.05, 0.2),
        classes=len(CLASSES),
        rule=rules.build(PLAN.recipe.rule),
    )

    for expected, found in zip(points, small_cascade.spec.operating_points, strict=True):
        assert expected.exit_rates == found.exit_rates
        np.testing.assert_allclose(found.table(), expected.table(), atol=1e-5)


def test_samples_kept_are_of_the_calibration_part_and_of_every_class(
    small_cascade: Cascade, small_data: Dataset
) -> None:
    calibration = divide(small_data, 0).indices["calibration"]
    part = over_classes(small_data, calibration, 128, 0)

    assert np.array_equal(small_data.images[part], small_cascade.samples.images)
    assert np.array_equal(small_data.labels[part], small_cascade.samples.labels)
    assert {0, 1, 2, 3} == set(small_cascade.samples.labels[:4].tolist())


def test_normalisation_comes_from_the_training_part_alone(
    small_cascade: Cascade, small_data: Dataset
) -> None:
    pixels = small_data.images[divide(small_data, 0).indices["train"]].reshape(-1, 3) / 255

    preprocessing = small_cascade.spec.preprocessing
    np.testing.assert_allclose(preprocessing.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(preprocessing.std, pixels.std(0), rtol=1e-9)
    assert ((8, 8, 3), "uint8") == (preprocessing.image_shape, preprocessing.input)


def test_a_channel_without_contrast_does_not_divide_by_nothing(small_data: Dataset) -> None:
    flat = small_data.images.copy()
    flat[..., 1] = 7
    plan = dataclasses.replace(QUICK, mean=(0.1, 0.2, 0.3))
    network = build(BackboneSpec("resnet8", 4))

    made = train(dataclasses.replace(small_data, images=flat), plan, network)

    assert (0.1, 0.2, 0.3) == made.spec.preprocessing.mean
    assert 1e-3 == made.spec.preprocessing.std[1]


def test_the_same_seed_gives_the_same_cascade_bit_for_bit(small_data: Dataset) -> None:
    first, again = train(small_data, QUICK), train(small_data, QUICK)

    assert is_same(weights(first), weights(again))
    assert first.spec == again.spec


def test_the_test_part_changes_no_weight_and_no_threshold(small_data: Dataset) -> None:
    test = divide(small_data, 0).indices["test"]
    labels, images = small_data.labels.copy(), small_data.images.copy()
    labels[test] = (labels[test] + 1) % len(CLASSES)
    images[test] = 255 - images[test]

    first = train(small_data, QUICK)
    other = train(dataclasses.replace(small_data, labels=labels, images=images), QUICK)

    assert is_same(weights(first), weights(other))
    assert first.spec.split != other.spec.split
    assert dataclasses.replace(first.spec, split=other.spec.split) == other.spec


@pytest.mark.parametrize(
    "rule",
    [
        None,
        "train=train[:150] calibration=train[150:] test=test",
        "train=train calibration=test[0%:50%] test=test[50%:100%]",
    ],
)
def test_permuting_test_labels_changes_no_weight_and_no_threshold_whatever_the_rule(
    small_data: Dataset, rule: str | None
) -> None:
    keys = tuple(f"{'train' if i < 200 else 'test'}/{i}" for i in range(len(small_data)))
    data = dataclasses.replace(small_data, keys=keys, official=("train", "test"))
    test, labels = divide(data, 0, rule).indices["test"], data.labels.copy()
    labels[test] = np.random.default_rng(0).permutation(labels[test])
    network = build(BackboneSpec("resnet8", 4))

    first, other = (
        cascade.train_cascade(found, divide(found, 0, rule), QUICK, network=network)
        for found in (data, dataclasses.replace(data, labels=labels))
    )

    assert is_same(weights(first), weights(other))
    assert first.spec.split.parts["test"] != other.spec.split.parts["test"]
    assert dataclasses.replace(first.spec, split=other.spec.split) == other.spec


def test_a_network_that_comes_trained_stays_as_it_is(small_data: Dataset) -> None:
    network = build(BackboneSpec("resnet8", 4))
    before = tensors(network)

    made = train(small_data, QUICK, network)

    assert made.backbone.network is network
    assert is_same(before, tensors(network))
    assert made.spec.backbone_training is None


def test_a_backbone_trained_here_is_frozen_afterwards(small_cascade: Cascade) -> None:
    assert not any(p.requires_grad for p in small_cascade.backbone.parameters())
    assert not any(module.training for module in small_cascade.backbone.modules())


class OwnPrice(PriceRule):
    """One's own rule, which has a field for costs."""


def test_a_rule_with_a_field_for_costs_is_told_them_whatever_its_name() -> None:
    costs, name = np.array([0.5, 1.0]), f"{__name__}:OwnPrice"

    allow = Allowed((__name__,))
    assert [0.5, 1.0] == rules.with_costs(Part(name), costs, allow).options["costs"]
    known = Part("price", {"costs": [1, 4]})
    assert known == rules.with_costs(known, costs, allow)
    assert Part("cpm") == rules.with_costs(Part("cpm"), costs, allow)


def test_features_leave_the_scratch_folder_with_training(
    small_data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    compute = features.compute

    def spy(*arguments: object) -> features.Features:
        seen.append(arguments[5:])
        return compute(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "compute", spy)

    cascade.train_cascade(
        small_data,
        divide(small_data, 0),
        QUICK,
        network=build(BackboneSpec("resnet8", 4)),
        scratch=tmp_path,
    )

    assert ["train", "calibration"] == [label for _, label in seen]
    assert all(isinstance(f, Path) and f.parent == tmp_path for f, _ in seen)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{"mean": (0.5,)}, {"mean": (0.5,), "std": (0.2,)}])
def test_normalisation_for_another_number_of_channels_is_refused(
    small_data: Dataset, given: dict[str, tuple[float, ...]]
) -> None:
    with pytest.raises(InputError, match=r"got 1 .*expected|got .*\[2, 1, 8, 8\]"):
        train(small_data, dataclasses.replace(QUICK, mean=given["mean"], std=given.get("std")))


def test_parts_that_fit_are_built_from_their_names() -> None:
    made = untrained("resnet8", ("conv1", "layer3"), head="linear")

    assert isinstance(made.backbone, FrozenBackbone)
    assert [(16, 8, 8), (64, 2, 2)] == [branch.head.feature_shape for branch in made.branches]
    assert ["LinearHead"] * 2 == [type(branch.head).__name__ for branch in made.branches]


def test_what_is_known_is_told_before_it_is_trained(small_data: Dataset) -> None:
    told: list[Beforehand | Plain] = []
    made = cascade.train_cascade(small_data, divide(small_data, 0), QUICK, tell=told.append)

    before, plain = told
    assert isinstance(before, Beforehand)
    assert isinstance(plain, Plain)
    assert (("layer1", "layer2"), 0) == (before.attach, before.auxiliary)
    assert (made.macs(), made.parameters()) == (before.macs, before.parameters)
    rows = divide(small_data, 0).indices["calibration"]
    right = made.answer(small_data.images[rows]).labels[-1] == small_data.labels[rows]
    assert (right.mean(), len(rows)) == (plain.accuracy, plain.samples)
    assert plain.accuracy == made.spec.plain_accuracy


def test_chance_is_two_deviations_about_the_commonest_class() -> None:
    truth = np.repeat(np.arange(4), 25)  # 100 samples: 25 %, deviation 4.33 points

    def plain(right: int) -> Plain:
        labels = np.where(np.arange(100) < right, truth, (truth + 1) % 4)
        return Plain.of(labels, truth)

    assert Plain(0.33, 100, 0.25) == plain(33)
    assert [True, True, False] == [plain(right).is_at_chance for right in (0, 33, 34)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"mean": (123.675, 116.28, 103.53)},
            r"^the mean does not fit the data: got 123\.675; expected numbers in 0\.\.1, as pixels "
            r"are divided by 255 first\. Divide by 255: --mean 0\.485,0\.456,0\.406\.$",
        ),
        ({"std": (58.395, 57.12, 57.375)}, r"^the std .* --std 0\.229,0\.224,0\.225\.$"),
    ],
)
def test_statistics_in_bytes_are_refused_with_the_right_ones(
    small_data: Dataset, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(small_data, dataclasses.replace(QUICK, **given))
