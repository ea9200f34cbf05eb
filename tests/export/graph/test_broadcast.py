"""What is the same for every image becomes a constant, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.export.graph.broadcast import leave_to_broadcasting
from tests.support.small_cascade import parse, run

CONSTANTS = "<int64[1] rest = {3}, float one = {1.0}, int64 axis = {%d}>"
GRAPH = f"""g (float[n, 3] x) => (float[n, 3] y) {CONSTANTS} {{
    s = Shape<start = 0, end = 1>(x) whole = Concat<axis = 0>(s, rest)
    ones = Expand(one, whole) places = CumSum(ones, axis) waves = Sin(places)
    y = Add(x, waves) }}"""


@pytest.mark.parametrize(("axis", "folds"), [(1, True), (0, False)])
def test_an_encoding_of_places_is_a_constant_unless_images_differ(axis: int, folds: bool) -> None:
    graph = parse(GRAPH % axis)
    for node in graph:
        if node.op_type in ("Expand", "CumSum", "Sin"):
            node.outputs[0].shape = graph.inputs[0].shape
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    expected = run(graph, {"x": x})["y"]

    leave_to_broadcasting(graph)

    (added,) = (node for node in graph if node.op_type == "Add")
    encoding = added.inputs[1]
    assert encoding is not None
    assert folds == encoding.is_initializer()
    np.testing.assert_allclose(expected, run(graph, {"x": x})["y"], atol=1e-6)


@pytest.mark.parametrize(("other", "drops"), [("x", True), ("a", False)])
def test_a_stretch_is_dropped_where_the_reader_stretches_as_far(other: str, drops: bool) -> None:
    graph = parse(
        "g (float[n, 3] x) => (float[n, 3] y) <int64[1] axes = {1}, int64[2] whole = {1, 3}>"
        f" {{ a = ReduceMax(x, axes) b = Expand(a, whole) y = Div({other}, b) }}"
    )
    for node in graph:
        if node.op_type == "Expand":
            node.outputs[0].shape = graph.inputs[0].shape
    x = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    expected = run(graph, {"x": x})["y"]

    leave_to_broadcasting(graph)

    assert drops == ("Expand" not in {node.op_type for node in graph})
    assert np.array_equal(expected, run(graph, {"x": x})["y"])
