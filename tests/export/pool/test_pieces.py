"""The graphs of pieces: byte for byte what an export writes between the same places."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest

from calexnet.errors import ExportError, InputError
from calexnet.export.graph import segments
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.graph.serialise import serialise
from calexnet.export.pool.document import Span
from calexnet.export.pool.pieces import Pieces, Source, _refuse_astray
from calexnet.export.precisions.rejoin import narrow_cascade
from calexnet.registry import Part
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import parse, untrained

#: By the name that an export gives the graph.
SPANS = {
    "segment1": Span("n", None, "layer1", "own"),
    "segment2": Span("n", "layer1", "layer2", "own"),
    "segment3": Span("n", "layer2"),
    "plain": Span("n"),
}


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return untrained("resnet8", ("layer1", "layer2"))


@pytest.fixture(scope="module")
def pieces(cascade: Cascade) -> Pieces:
    return Pieces(Source("n", cascade, {"own": cascade}))


@pytest.fixture(scope="module")
def exported(cascade: Cascade) -> dict[str, PortableGraph]:
    return {graph.name: graph for graph in serialise(segments.build(cascade))}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPANS)
def test_a_piece_is_the_exports_own_graph(
    name: str, pieces: Pieces, exported: dict[str, PortableGraph]
) -> None:
    assert exported[name] == pieces.full(SPANS[name], name)


@pytest.mark.slow
def test_a_piece_does_not_know_where_else_a_cascade_is_cut(
    cascade: Cascade, pieces: Pieces
) -> None:
    """From the image to layer2 in one piece is what a cascade with that branch alone has."""
    later = Cascade(
        spec=replace(cascade.spec, attach=("layer2",)),
        backbone=FrozenBackbone(cascade.backbone.network, ("layer2",)),
        branches=cascade.branches[1:],
        samples=cascade.samples,
    )
    first, tail, _ = serialise(segments.build(later))

    assert work(first) == work(pieces.full(Span("n", None, "layer2", "own"), "segment1"))
    assert work(tail) == work(pieces.full(Span("n", "layer2"), "segment2"))


def work(graph: PortableGraph) -> tuple[object, ...]:
    """Return what a graph does in order, and its constants; torch numbers inner names anew."""
    found = onnx.load_from_string(graph.data).graph
    constants = sorted(
        bytes(onnx.numpy_helper.to_array(one).tobytes()) for one in found.initializer
    )
    operators = [(node.op_type, [str(a) for a in node.attribute]) for node in found.node]
    return graph.inputs, graph.outputs, operators, constants


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_a_narrow_piece_is_the_exports_too(
    precision: str, cascade: Cascade, pieces: Pieces, exported: dict[str, PortableGraph]
) -> None:
    images = cascade.samples.images
    *parts, plain = exported.values()
    graphs = PortableGraphs(tuple(parts), plain)
    expected = narrow_cascade(graphs, ["layer1", "layer2"], precision, images)

    for graph in expected:
        assert graph == pieces.narrow(SPANS[graph.name], graph.name, precision, images)


@pytest.mark.slow
def test_a_piece_asked_for_twice_is_the_same(pieces: Pieces) -> None:
    """Names of constants live in the file that they come from: nobody may change that."""
    span = Span("n", None, "layer2", "own")
    first = pieces.full(span, "one")
    pieces.full(Span("n"), "other")

    assert first == pieces.full(span, "one")
    onnx.checker.check_model(onnx.load_from_string(first.data), full_check=True)


def test_heads_of_other_places_are_refused(cascade: Cascade) -> None:
    other = replace(cascade, spec=replace(cascade.spec, attach=("layer1",)))

    with pytest.raises(InputError, match="the heads 'x' are of another network than n: got layer1"):
        Source("n", cascade, {"x": other})


def test_heads_that_read_each_other_are_refused(cascade: Cascade) -> None:
    recipe = replace(cascade.spec.recipe, method=Part("ztw", {}))
    linked = replace(cascade, spec=replace(cascade.spec, recipe=recipe))
    linked.branches[1].reads = (0,)
    try:
        with pytest.raises(InputError, match="do not stand alone: got method ztw"):
            Source("n", cascade, {"x": linked})
    finally:
        linked.branches[1].reads = ()


def test_a_network_without_heads_is_run_whole_or_not_at_all(cascade: Cascade) -> None:
    assert () == Source("n", cascade).places


def test_places_on_two_ways_are_refused() -> None:
    """What `b` needs does not hold all of `a`: a piece from a to b would depend on other cuts."""
    graph = parse(
        "g (float[n, 4] x) => (float[n, 4] y) { a = Relu (x) b = Abs (x) y = Add (a, b) }"
    )

    with pytest.raises(ExportError, match="b does not lie behind all of a"):
        _refuse_astray(graph, ("a", "b"))
