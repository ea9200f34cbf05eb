"""Verification: it passes what was compiled well, and names the segment that was not."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import ExportError, ParityError
from calexnet.export.verify import verify
from calexnet.gating import choose_exits
from calexnet.parity import BOUND
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import reload

NAMES = ("segment1", "segment2", "segment3", "plain")
Change = Callable[[onnx.ModelProto], None]


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy of a bundle, to be spoilt."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def spoil(bundle: Path, name: str, change: Change) -> None:
    path = bundle / "onnxruntime" / f"{name}.onnx"
    model = onnx.load(path)
    change(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def node(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    found: list[onnx.NodeProto] = [n for n in model.graph.node if n.op_type == operator]
    assert 1 == len(found)
    return found[0]


def change_weight(amount: float) -> Change:
    """Return what adds to the first class's logit, by a bias of the last linear layer."""

    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name.endswith("linear.bias"))
        weights = onnx.numpy_helper.to_array(tensor).copy()
        weights[0] += amount
        tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))

    return change


def swap_labels(model: onnx.ModelProto) -> None:
    """Answer with the worst class instead of the best; scores stay."""
    node(model, "ArgMax").op_type = "ArgMin"


def strict_gate(model: onnx.ModelProto) -> None:
    node(model, "GreaterOrEqual").op_type = "Greater"


def open_gate(model: onnx.ModelProto) -> None:
    node(model, "GreaterOrEqual").op_type = "LessOrEqual"


def gate_of_another_class(model: onnx.ModelProto) -> None:
    """Look every threshold up as if the label were the first class."""
    gather = node(model, "Gather")
    zero = onnx.helper.make_node("Sub", [gather.input[1], gather.input[1]], ["first"])
    model.graph.node.insert(list(model.graph.node).index(gather), zero)
    gather.input[1] = "first"


def test_a_good_export_passes_with_its_numbers(small_cascade: Cascade, small_bundle: Path) -> None:
    parity = verify(small_cascade, reload(small_bundle))

    assert (len(small_cascade.samples.labels), BOUND) == (parity.samples, parity.bound)
    assert 0 < parity.score_difference < 1e-5
    assert (0, 0) == (parity.label_flips, parity.exit_flips)


def test_a_bundle_for_normalised_images_passes_too(
    small_cascade: Cascade, small_float_bundle: Path
) -> None:
    assert 0 == verify(small_cascade, reload(small_float_bundle)).label_flips


def test_the_share_of_doubtful_decisions_is_counted_over_operating_points(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    """At the first table one sample's threshold is its own score; at the second nobody's is."""
    table = small_cascade.answer(small_cascade.samples.images)
    point = small_cascade.spec.operating_points[0]
    sure: tuple[tuple[float | None, ...], ...] = ((None,) * 4, (None,) * 4)
    at_score: list[float | None] = [None] * 4
    at_score[table.labels[0][0]] = float(table.scores[0][0])
    close = np.abs(table.scores[0] - table.scores[0][0]) <= BOUND
    expected = (close & (table.labels[0] == table.labels[0][0])).sum()
    points = (
        dataclasses.replace(point, name="a", thresholds=(tuple(at_score), sure[1])),
        dataclasses.replace(point, name="b", thresholds=sure),
    )
    spec = dataclasses.replace(small_cascade.spec, operating_points=points)

    parity = verify(dataclasses.replace(small_cascade, spec=spec), reload(small_bundle))

    samples = len(small_cascade.samples.labels)
    assert pytest.approx(expected / samples / 2) == parity.within_bound


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_weight_names_its_segment(
    small_cascade: Cascade, bundle: Path, name: str
) -> None:
    spoil(bundle, name, change_weight(0.5))

    with pytest.raises(
        ParityError,
        match=rf"^the scores of {name} differ from the run's: got up to \S+ on \d+ real samples; "
        r"expected at most 0\.0001, which rounding explains in this network\. This is a fault of",
    ):
        verify(small_cascade, reload(bundle))


def test_a_change_within_rounding_is_counted_and_let_pass(
    small_cascade: Cascade, bundle: Path
) -> None:
    before = verify(small_cascade, reload(bundle)).score_difference
    spoil(bundle, "segment3", change_weight(1e-4))

    assert before < verify(small_cascade, reload(bundle)).score_difference <= BOUND


def test_a_score_of_nan_names_its_segment(small_cascade: Cascade, bundle: Path) -> None:
    spoil(bundle, "segment2", change_weight(np.nan))

    with pytest.raises(ParityError, match=r"^the scores of segment2 differ"):
        verify(small_cascade, reload(bundle))


@pytest.mark.parametrize("name", NAMES)
def test_a_swapped_label_names_its_segment(small_cascade: Cascade, bundle: Path, name: str) -> None:
    spoil(bundle, name, swap_labels)

    with pytest.raises(ParityError, match=rf"^the labels of {name} differ from the run's"):
        verify(small_cascade, reload(bundle))


def test_a_swapped_label_of_a_branch_that_is_never_sure_is_found_too(
    small_cascade: Cascade, small_bundle: Path, bundle: Path
) -> None:
    """No score is over one half here, so a swap cannot be told from the scores alone."""
    images = small_cascade.samples.images
    unsure = small_cascade.answer(images).scores[0] < 0.5
    samples = dataclasses.replace(
        small_cascade.samples, images=images[unsure], labels=small_cascade.samples.labels[unsure]
    )
    quiet = dataclasses.replace(small_cascade, samples=samples)
    assert unsure.sum() > 3
    verify(quiet, reload(small_bundle))
    spoil(bundle, "segment1", swap_labels)

    with pytest.raises(ParityError, match=r"^the labels of segment1 differ from the run's"):
        verify(quiet, reload(bundle))


@pytest.mark.parametrize("name", ["segment1", "segment2"])
def test_a_gate_that_keeps_ties_names_its_segment(
    small_cascade: Cascade, bundle: Path, name: str
) -> None:
    spoil(bundle, name, strict_gate)

    with pytest.raises(
        ParityError,
        match=rf"^the gate of {name} decides a tie wrongly: got exit \d at score (\S+) and thresh"
        r"old \1; expected score >= threshold exits$",
    ):
        verify(small_cascade, reload(bundle))


@pytest.mark.parametrize("change", [open_gate, gate_of_another_class])
def test_a_gate_that_decides_otherwise_is_found(
    small_cascade: Cascade, bundle: Path, change: Change
) -> None:
    spoil(bundle, "segment1", change)

    with pytest.raises(
        ParityError,
        match=r"^the compiled chain decides otherwise than the cascade: got \d+ of \d+ samples",
    ):
        verify(small_cascade, reload(bundle))


def test_a_carried_tensor_that_is_spoilt_names_the_next_segment(
    small_cascade: Cascade, bundle: Path
) -> None:
    def double(model: onnx.ModelProto) -> None:
        last = next(n for n in model.graph.node if "layer1" in n.output)
        last.output[0] = "before"
        at = list(model.graph.node).index(last) + 1
        twice = onnx.helper.make_node("Add", ["before", "before"], ["layer1"])
        model.graph.node.insert(at, twice)
        for other in list(model.graph.node)[at + 1 :]:
            for index, source in enumerate(other.input):
                if source == "layer1":
                    other.input[index] = "before"

    spoil(bundle, "segment1", double)

    with pytest.raises(ParityError, match=r"^the scores of segment2 differ"):
        verify(small_cascade, reload(bundle))


def test_every_operating_point_is_run(small_cascade: Cascade, small_bundle: Path) -> None:
    seen: list[Any] = []
    runner = reload(small_bundle)
    with_thresholds = runner.with_thresholds

    def spy(thresholds: Any) -> Any:
        seen.append(np.array(thresholds).tobytes())
        return with_thresholds(thresholds)

    runner.with_thresholds = spy  # type: ignore[method-assign]
    verify(small_cascade, runner)

    points = small_cascade.spec.operating_points
    assert {point.table().tobytes() for point in points} <= set(seen)
    table = small_cascade.answer(small_cascade.samples.images)
    assert 1 < len({choose_exits(table, point.table()).tobytes() for point in points})


def answer_otherwise_alone(model: onnx.ModelProto) -> None:
    """Answer with the first class where a batch has one image."""
    label = node(model, "ArgMax")
    make = onnx.helper.make_node
    one = onnx.numpy_helper.from_array(np.array([1], np.int64), "one_image")
    first = np.array([1e3, 0, 0, 0], np.float32)
    model.graph.initializer.extend([one, onnx.numpy_helper.from_array(first, "first_class")])
    nodes = [
        make("Shape", [label.input[0]], ["rows"], start=0, end=1),
        make("Equal", ["rows", "one_image"], ["is_alone"]),
        make("Cast", ["is_alone"], ["times"], to=onnx.TensorProto.FLOAT),
        make("Mul", ["times", "first_class"], ["more"]),
        make("Add", [label.input[0], "more"], ["spoilt"]),
    ]
    at = list(model.graph.node).index(label)
    for offset, each in enumerate(nodes):
        model.graph.node.insert(at + offset, each)
    label.input[0] = "spoilt"


@pytest.mark.parametrize("name", NAMES)
def test_what_goes_wrong_with_single_images_alone_is_found(
    small_cascade: Cascade, bundle: Path, name: str
) -> None:
    spoil(bundle, name, answer_otherwise_alone)

    with pytest.raises(
        ParityError, match=rf"^the labels of {name}, one image at a time differ from the run's"
    ):
        verify(small_cascade, reload(bundle))


class Wrapped(nn.Module):
    """A network whose logits are changed in the end; its stages keep their names."""

    def __init__(self, network: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.__dict__.update(network.__dict__)
        self.network, self.change = [network], change

    def forward(self, images: Tensor) -> Tensor:
        return self.change(self.network[0](images))


def changed(cascade: Cascade, change: Callable[[Tensor], Tensor]) -> Cascade:
    frozen = FrozenBackbone(Wrapped(cascade.backbone.network, change), cascade.spec.attach)
    return dataclasses.replace(cascade, backbone=frozen)


def test_a_network_that_mixes_its_images_is_told_so(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    """All agree on batches of 64: only one image alone shows it."""
    mixing = changed(small_cascade, lambda logits: logits - 2 * logits.mean(0))

    with pytest.raises(
        ExportError,
        match=r"^the network answers an image alone otherwise than in a batch: got \d+ of 64 real "
        r"samples with another label, scores that differ by up to .*Take out of forward what",
    ):
        verify(mixing, reload(small_bundle))


def test_the_bound_follows_what_float32_itself_does_to_the_scores(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    """Added to 30,000 and taken away again, a logit keeps steps of 1/512."""
    coarse = changed(small_cascade, lambda logits: (logits + 3e4) - 3e4)
    exact = small_cascade.answer(small_cascade.samples.images).scores[-1, :32]
    moved = np.abs(coarse.answer(coarse.samples.images).scores[-1, :32] - exact).max()
    assert 1e-4 < moved < 1e-3

    parity = verify(coarse, reload(small_bundle))

    assert pytest.approx(moved, rel=0.02) == parity.rounding
    assert pytest.approx(10 * moved, rel=0.02) == parity.bound
    assert BOUND < parity.score_difference < parity.bound
    assert parity.is_rounding


def test_a_network_that_knows_float32_alone_keeps_the_usual_bound(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    single = changed(small_cascade, lambda logits: logits @ torch.eye(4))

    parity = verify(single, reload(small_bundle))

    assert (None, BOUND) == (parity.rounding, parity.bound)
