"""Reductions over whole maps become global pools, and give the same."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.export.graph.pooling import pool_globally
from tests.support.small_cascade import parse, run

POOLS = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}


def reduction(operator: str, axes: str, keepdims: int | None, source: str = "n,3,5,7") -> str:
    """Return a graph that reduces ``x`` and squares the result, `keepdims` as given."""
    attribute = "" if keepdims is None else f"<keepdims = {keepdims}>"
    rank = source.count(",") + 1 - (axes.count(",") + 1 if keepdims == 0 else 0)
    result = ",".join(f"d{i}" for i in range(rank))
    return f"""g (float[{source}] x) => (float[{result}] y)
        <int64[{axes.count(",") + 1}] axes = {{{axes}}}>
        {{ r = {operator}{attribute}(x, axes) y = Mul(r, r) }}"""


@pytest.mark.parametrize("operator", POOLS)
@pytest.mark.parametrize("axes", ["2, 3", "3, 2", "-2, -1", "-1, 2"])
@pytest.mark.parametrize("keepdims", [0, 1, None])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_reduction_over_the_whole_map_becomes_a_pool(
    operator: str, axes: str, keepdims: int | None, batch: int
) -> None:
    feeds = {"x": np.random.default_rng(0).normal(size=(batch, 3, 5, 7)).astype(np.float32)}
    before = run(parse(reduction(operator, axes, keepdims)), feeds)["y"]
    graph = parse(reduction(operator, axes, keepdims))

    pool_globally(graph)

    assert [POOLS[operator], *["Flatten"] * (keepdims == 0), "Mul"] == [n.op_type for n in graph]
    after = run(graph, feeds)["y"]
    assert before.shape == after.shape == ((batch, 3) if keepdims == 0 else (batch, 3, 1, 1))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", ["1,1", "8,8", "3,11"])
def test_maps_of_any_size_are_pooled(size: str) -> None:
    shape = tuple(int(side) for side in size.split(","))
    feeds = {"x": np.random.default_rng(0).normal(size=(2, 3, *shape)).astype(np.float32)}
    source = f"n,3,{size}"
    graph = parse(reduction("ReduceMean", "2, 3", 0, source))

    pool_globally(graph)

    expected = feeds["x"].mean((2, 3)) ** 2
    np.testing.assert_allclose(run(graph, feeds)["y"], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("operator", "axes", "source"),
    [
        ("ReduceMean", "1, 2", "n,3,5,7"),
        ("ReduceMean", "1, 2, 3", "n,3,5,7"),
        ("ReduceMax", "3", "n,3,5,7"),
        ("ReduceMax", "0, 3", "n,3,5,7"),
        ("ReduceMean", "1", "n,9"),
        ("ReduceMean", "1, 2", "n,5,7"),
        ("ReduceMean", "2, 3", "n,2,3,4,5"),
        ("ReduceSum", "2, 3", "n,3,5,7"),
        ("ReduceMin", "2, 3", "n,3,5,7"),
    ],
)
def test_other_reductions_stay(operator: str, axes: str, source: str) -> None:
    graph = parse(reduction(operator, axes, 0, source))

    pool_globally(graph)

    assert [operator, "Mul"] == [node.op_type for node in graph]


def test_a_reduction_over_everything_stays() -> None:
    graph = parse("g (float[n,3,5,7] x) => (float y) { y = ReduceMean<keepdims = 0>(x) }")

    pool_globally(graph)

    assert ["ReduceMean"] == [node.op_type for node in graph]


def test_axes_that_are_computed_stay() -> None:
    graph = parse(
        """g (float[n,3,5,7] x, int64[2] axes) => (float[n,3] y)
           { y = ReduceMean<keepdims = 0>(x, axes) }"""
    )

    pool_globally(graph)

    assert ["ReduceMean"] == [node.op_type for node in graph]


@pytest.mark.parametrize("keepdims", [0, 1])
def test_an_output_of_the_graph_keeps_its_name(keepdims: int) -> None:
    shape = "n,3,1,1" if keepdims else "n,3"
    graph = parse(
        f"""g (float[n,3,5,7] x) => (float[{shape}] feature)
            <int64[2] axes = {{2, 3}}>
            {{ feature = ReduceMax<keepdims = {keepdims}>(x, axes) }}"""
    )

    pool_globally(graph)

    assert ["feature"] == [value.name for value in graph.outputs]
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    assert np.array_equal(x.max((2, 3), keepdims=bool(keepdims)), run(graph, {"x": x})["feature"])


def test_every_reduction_of_a_graph_is_replaced_once() -> None:
    graph = parse(
        """g (float[n,3,5,7] x) => (float[n,3] y)
           <int64[2] axes = {2, 3}>
           { a = ReduceMean<keepdims = 0>(x, axes) b = ReduceMax<keepdims = 0>(x, axes)
             y = Add(a, b) }"""
    )
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)

    pool_globally(graph)

    assert not {"ReduceMean", "ReduceMax"} & {node.op_type for node in graph}
    expected = x.mean((2, 3)) + x.max((2, 3))
    np.testing.assert_allclose(run(graph, {"x": x})["y"], expected, rtol=1e-5)
