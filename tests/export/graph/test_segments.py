"""The contract of a segment's graph, read off and run from the files of a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from calexnet.gating import ExitTable
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import CLASSES, run_session

NAMES = ("segment1", "segment2", "segment3", "plain")
ANSWER = {
    "label": ("INT32", ("n",)),
    "score": ("FLOAT", ("n",)),
    "probabilities": ("FLOAT", ("n", 4)),
}
GATE = {**ANSWER, "exit": ("BOOL", ("n",))}
FIRST, SECOND = ("FLOAT", ("n", 16, 8, 8)), ("FLOAT", ("n", 32, 4, 4))
THRESHOLD = {"threshold": ("FLOAT", (4,))}

Signature = dict[str, tuple[str, tuple[Any, ...]]]
Array = NDArray[Any]


def model(bundle: Path, name: str) -> onnx.ModelProto:
    return onnx.load(bundle / "onnxruntime" / f"{name}.onnx")


def signature(values: Any) -> Signature:
    return {
        value.name: (
            onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type),
            tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim),
        )
        for value in values
    }


class Chain:
    """The sessions of a bundle, run by hand."""

    def __init__(self, bundle: Path) -> None:
        self.sessions = {
            name: onnxruntime.InferenceSession(
                bundle / "onnxruntime" / f"{name}.onnx", providers=["CPUExecutionProvider"]
            )
            for name in NAMES
        }

    def all(self, image: Array, threshold: Array) -> list[dict[str, Array]]:
        """Return the outputs of every segment, with nobody leaving, and plain's last."""
        state: dict[str, Array] = {"image": image, "threshold": threshold}
        outputs = []
        for session in self.sessions.values():
            found = run_session(session, state)
            state.update(found)
            outputs.append(found)
        return outputs


@pytest.fixture(scope="module")
def chain(small_bundle: Path) -> Chain:
    return Chain(small_bundle)


@pytest.fixture(scope="module")
def reference(small_cascade: Cascade) -> ExitTable:
    return small_cascade.answer(small_cascade.samples.images)


NEVER = np.full(len(CLASSES), np.inf, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_each_graph_has_just_the_inputs_and_outputs_of_its_contract(
    kind: str, request: pytest.FixtureRequest
) -> None:
    bundle = request.getfixturevalue("small_bundle" if kind == "uint8" else "small_float_bundle")
    image = {"image": ("UINT8", ("n", 8, 8, 3)) if kind == "uint8" else ("FLOAT", ("n", 3, 8, 8))}
    expected: dict[str, tuple[Signature, Signature]] = {
        "segment1": ({**image, **THRESHOLD}, {"layer1": FIRST, **GATE}),
        "segment2": ({"layer1": FIRST, **THRESHOLD}, {"layer2": SECOND, **GATE}),
        "segment3": ({"layer2": SECOND}, ANSWER),
        "plain": (image, ANSWER),
    }

    for name, (inputs, outputs) in expected.items():
        graph = model(bundle, name).graph
        assert inputs == signature(graph.input)
        assert outputs == signature(graph.output)


@pytest.mark.parametrize("name", NAMES)
def test_each_graph_is_valid_and_of_the_promised_versions(small_bundle: Path, name: str) -> None:
    proto = model(small_bundle, name)

    onnx.checker.check_model(proto, full_check=True)
    assert 10 == proto.ir_version
    assert [("", 20)] == [(opset.domain, opset.version) for opset in proto.opset_import]
    assert name == proto.graph.name
    assert [] == list(proto.functions)
    # Thresholds are an input and no constant in disguise.
    assert "threshold" not in {tensor.name for tensor in proto.graph.initializer}


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_tells_nothing_of_where_it_was_made(small_bundle: Path, name: str) -> None:
    proto = model(small_bundle, name)
    holders = [proto, proto.graph, *proto.graph.node, *proto.graph.value_info]
    holders += [*proto.graph.input, *proto.graph.output, *proto.graph.initializer]

    assert {""} == {getattr(holder, "doc_string", "") for holder in holders}
    assert [] == [prop for holder in holders for prop in holder.metadata_props]
    for tensor in proto.graph.initializer:
        tensor.ClearField("raw_data")  # whose bytes may spell anything
    data = proto.SerializeToString()
    private = [str(Path.cwd()), str(Path(onnx.__file__).parents[1]), f"{Path.home()}/", ".py"]
    assert [] == [text for text in private if text.encode() in data]


def test_weights_are_stored_once(small_bundle: Path) -> None:
    seen: list[str] = []
    for name in NAMES[:3]:
        seen += [t.name for t in model(small_bundle, name).graph.initializer if len(t.dims) == 4]

    convolutions = [name for name in seen if name.startswith("network.")]
    assert 7 == len(convolutions) == len(set(convolutions))


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_every_segment_answers_as_pytorch_does(
    chain: Chain, small_cascade: Cascade, reference: ExitTable, batch: int
) -> None:
    images = small_cascade.samples.images[:batch]

    outputs = chain.all(images, NEVER)

    for found, exit_index in zip(outputs, (0, 1, 2, 2), strict=True):
        np.testing.assert_allclose(found["score"], reference.scores[exit_index][:batch], atol=1e-5)
        assert reference.labels[exit_index][:batch].tolist() == found["label"].tolist()
        np.testing.assert_allclose(found["probabilities"].sum(1), 1, rtol=1e-5)
        assert np.array_equal(found["probabilities"].max(1), found["score"])


def test_bytes_and_normalised_images_are_answered_alike(
    chain: Chain, small_float_bundle: Path, small_cascade: Cascade
) -> None:
    images = small_cascade.samples.images
    normalised = small_cascade.spec.preprocessing.normalise(images)

    raw, prepared = chain.all(images, NEVER), Chain(small_float_bundle).all(normalised, NEVER)

    for one, other in zip(raw, prepared, strict=True):
        np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)


@pytest.mark.parametrize("branch", [0, 1])
def test_a_score_at_its_threshold_exits_and_one_step_below_does_not(
    chain: Chain, small_cascade: Cascade, branch: int
) -> None:
    images = small_cascade.samples.images[:8]
    found = chain.all(images, NEVER)[branch]

    for sample, (label, score) in enumerate(zip(found["label"], found["score"], strict=True)):
        for bar, leaves in ((score, True), (np.nextafter(score, np.float32(2)), False)):
            threshold = NEVER.copy()
            threshold[label] = bar
            exits = chain.all(images, threshold)[branch]["exit"]
            assert leaves == exits[sample]
            assert np.array_equal((found["score"] >= threshold[found["label"]]), exits)


@pytest.mark.parametrize(("bar", "leaves"), [(np.nan, False), (np.inf, False), (-np.inf, True)])
def test_thresholds_at_the_edge(
    chain: Chain, small_cascade: Cascade, bar: float, leaves: bool
) -> None:
    outputs = chain.all(small_cascade.samples.images, np.full(4, bar, np.float32))

    assert [{leaves}, {leaves}] == [set(found["exit"].tolist()) for found in outputs[:2]]
