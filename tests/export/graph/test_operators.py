"""The operators that calexnet writes itself: front, answer, gate, and joining two graphs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.export.graph import operators
from calexnet.gating import passes
from calexnet.images.preprocessing import Preprocessing
from tests.support.small_cascade import parse, run

Floats = NDArray[np.float32]
EDGES = st.sampled_from([np.nan, np.inf, -np.inf])
LOGITS = "g (float[n,3] x) => (float[n,3] logits) { logits = Identity(x) }"


def answered(gate: bool = False) -> ir.Graph:
    graph = parse(LOGITS)
    logits = graph.outputs[0]
    label, score, probabilities = operators.append_answer(graph, logits)
    outputs = [label, score, probabilities]
    if gate:
        outputs.append(operators.append_gate(graph, label, score, operators.classes_of(logits)))
    graph.outputs[:] = outputs
    return graph


def gate(logits: Floats, threshold: Floats) -> dict[str, NDArray[np.generic]]:
    return run(answered(gate=True), {"x": logits, "threshold": threshold})


def test_an_answer_is_softmax_its_maximum_and_where_that_is() -> None:
    x = np.random.default_rng(0).normal(0, 3, (6, 3)).astype(np.float32)

    found = run(answered(), {"x": x})

    softmax = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(found["probabilities"], softmax, rtol=1e-5)
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, rtol=1e-6)
    assert x.argmax(1).tolist() == found["label"].tolist()
    assert np.array_equal(found["probabilities"].max(1), found["score"])
    kinds = {name: array.dtype.name for name, array in found.items()}
    assert {"label": "int32", "score": "float32", "probabilities": "float32"} == kinds


def test_extreme_logits_stay_finite_and_the_first_of_equal_ones_wins() -> None:
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [5, 5, 5]], np.float32)

    found = run(answered(), {"x": x})

    assert [0, 0, 0] == found["label"].tolist()
    np.testing.assert_allclose(found["score"], [1, 1 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 4])
def test_each_sample_meets_the_threshold_of_its_own_class(batch: int) -> None:
    x = np.log(np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]] * 2, np.float32))[
        :batch
    ]

    found = gate(x, np.array([0.5, 0.7, 0.8001], np.float32))

    assert [True, False, False, True][:batch] == found["exit"].tolist()
    assert np.bool_ == found["exit"].dtype


def test_a_score_at_its_threshold_exits_and_one_step_below_does_not() -> None:
    x = np.random.default_rng(0).normal(0, 3, (20, 3)).astype(np.float32)
    scores = run(answered(), {"x": x})["score"]

    for row, score in zip(x, scores, strict=True):
        above = np.nextafter(np.float32(score), np.float32(2))
        for threshold, leaves in ((score, True), (above, False)):
            assert [leaves] == gate(row[None], np.full(3, threshold))["exit"].tolist()


@pytest.mark.parametrize(
    ("threshold", "leaves"), [(np.nan, False), (np.inf, False), (-np.inf, True), (0.0, True)]
)
def test_thresholds_at_the_edge(threshold: float, leaves: bool) -> None:
    x = np.random.default_rng(0).normal(0, 3, (4, 3)).astype(np.float32)

    found = gate(x, np.full(3, threshold, np.float32))

    assert [leaves] * 4 == found["exit"].tolist()


def test_a_score_of_nan_never_exits() -> None:
    found = gate(np.full((2, 3), np.nan, np.float32), np.full(3, -np.inf, np.float32))

    assert np.isnan(found["score"]).all()
    assert [False, False] == found["exit"].tolist()


@given(
    hnp.arrays(np.float32, (4, 3), elements=st.floats(-9, 9, width=32) | st.just(np.nan)),
    hnp.arrays(np.float32, 3, elements=st.floats(0, 1, width=32) | EDGES),
    st.booleans(),
)
def test_the_graphs_gate_lets_out_whom_numpys_does(
    x: Floats, threshold: Floats, meets: bool
) -> None:
    if meets:  # the first sample's score is its threshold
        first = gate(x, threshold)
        threshold[first["label"][0]] = first["score"][0]

    found = gate(x, threshold)

    labels, scores = found["label"].astype(np.int32), found["score"].astype(np.float32)
    assert passes(labels, scores, threshold).tolist() == found["exit"].tolist()


@pytest.mark.parametrize("batch", [1, 3])
def test_the_front_normalises_as_numpy_does(batch: int) -> None:
    preprocessing = Preprocessing(4, 5, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    graph = parse("g (float[n,3,4,5] image) => (float[n,3,4,5] y) { y = Neg(image) }")
    images = np.random.default_rng(0).integers(0, 256, (batch, 4, 5, 3), dtype=np.uint8)

    operators.prepend_front(graph, preprocessing)

    assert ["image"] == [value.name for value in graph.inputs]
    np.testing.assert_allclose(
        -run(graph, {"image": images})["y"], preprocessing.normalise(images), rtol=1e-6, atol=1e-6
    )


def test_bytes_meet_nothing_but_a_cast() -> None:
    """TensorRT knows bytes at its border alone, and only to be cast."""
    graph = parse("g (float[n,1,2,2] image) => (float[n,1,2,2] y) { y = Neg(image) }")

    operators.prepend_front(graph, Preprocessing(2, 2, (0.0,), (1.0,)))

    assert ["Cast", "Transpose", "Mul", "Add", "Neg"] == [node.op_type for node in graph]
    assert (ir.DataType.FLOAT, [ir.SymbolicDim("n"), 2, 2, 1]) == (
        graph[0].outputs[0].dtype,
        [*(graph[0].outputs[0].shape or ())],
    )


def test_everyone_who_reads_the_image_reads_it_normalised() -> None:
    graph = parse(
        """g (float[n,1,2,2] image) => (float[n,1,2,2] y)
           { a = Neg(image) y = Sub(image, a) }"""
    )

    operators.prepend_front(graph, Preprocessing(2, 2, (0.0,), (1.0,)))

    y = run(graph, {"image": np.full((1, 2, 2, 1), 255, np.uint8)})["y"]
    np.testing.assert_allclose(y, 2, rtol=1e-6)


def test_a_part_is_joined_under_names_of_its_own() -> None:
    graph = parse("g (float[n,3] x) => (float[n,3] y) <float[1] w = {2}> { y = Mul(x, w) }")
    part = parse(
        "p (float[n,3] x) => (float[n,3] y) <float[1] w = {3}> { a = Add(x, w) y = Neg(a) }"
    )

    outputs = operators.inline(graph, part, [graph.outputs[0]], "branch")
    graph.outputs[:] = [outputs["y"]]

    assert {"y", "branch.a", "branch.y"} == {v.name for node in graph for v in node.outputs}
    assert {"w", "branch.w"} == set(graph.initializers)
    x = np.array([[1, 2, 3]], np.float32)
    assert [[-5, -7, -9]] == run(graph, {"x": x})["branch.y"].tolist()


def test_the_number_of_classes_is_read_off_the_logits() -> None:
    assert 3 == operators.classes_of(parse(LOGITS).outputs[0])
