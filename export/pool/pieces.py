"""The graph of every piece of a network, just as the export of a cascade would write it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import ExportError, InputError
from calexnet.export import precisions
from calexnet.export.graph import operators
from calexnet.export.graph.cut import Stage, cut, needed
from calexnet.export.graph.dialect import IR_VERSION, OPSET
from calexnet.export.graph.portable import PortableGraph
from calexnet.export.graph.segments import answering, segment, translators
from calexnet.export.graph.serialise import portable
from calexnet.export.pool.document import Span
from calexnet.export.precisions.rejoin import narrow_plain, narrow_segment, narrow_stages

if TYPE_CHECKING:
    from calexnet.training.runs import AnyCascade


@dataclass(frozen=True)
class Source:
    """A network to take to pieces.

    Attributes:
        name: Unique in the pool.
        network: Brings the backbone, and where it can be left. Its branches do not count.
        heads: By name, branches for all of these places, trained independently of each other; none
            = the network is run whole or not at all.
    """

    name: str
    network: AnyCascade
    heads: Mapping[str, AnyCascade] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the heads fit the network and each other.

        Raises:
            InputError: They do not.
        """
        spec = self.network.spec
        for head, cascade in self.heads.items():
            if cascade.spec.attach != spec.attach or cascade.spec.classes != spec.classes:
                raise InputError(
                    f"the heads {head!r} are of another network than {self.name}",
                    got=f"{', '.join(cascade.spec.attach)}, {len(cascade.spec.classes)} classes",
                    expected=f"{', '.join(spec.attach)}, {len(spec.classes)} classes",
                )
            if any(branch.reads for branch in cascade.branches):
                raise InputError(
                    f"the heads {head!r} of {self.name} do not stand alone",
                    got=f"method {cascade.spec.recipe.method.name}, by which one reads another",
                    expected="branches that any others can stand beside",
                    fix="Train them by another method, such as softmax",
                )

    @property
    def places(self) -> tuple[str, ...]:
        """Where it can be left early."""
        return self.network.spec.attach if self.heads else ()


class Pieces:
    """The graphs of one network's pieces, made one at a time.

    Args:
        source: The network.
        raw_input: Take uint8 ``(n, H, W, C)`` and normalise inside; else normalised float32.

    Raises:
        ExportError: torch cannot translate a part, or a place does not lie behind the one before.
    """

    def __init__(self, source: Source, *, raw_input: bool = True) -> None:
        backbone_graph, _ = translators(source.network)
        backbone = backbone_graph(source.network)
        if raw_input:
            operators.prepend_front(backbone, source.network.spec.preprocessing)
        _refuse_astray(backbone, source.places)
        self._heads = source.heads
        self._places = source.places
        self._backbone = _file(backbone)
        self._branches = {
            (head, place): _file(translators(cascade)[1](cascade, number))
            for head, cascade in source.heads.items()
            for number, place in enumerate(source.places)
        }
        # Of the last ones made: a piece is asked for at every precision in turn.
        self._full = lru_cache(maxsize=1)(self._made)
        self._narrowed: dict[str, onnx.ModelProto] = {}

    def full(self, span: Span, name: str) -> PortableGraph:
        """Return a piece at full precision, as the graph `name`."""
        return self._full(span, name)

    def narrow(self, span: Span, name: str, precision: str, images: NDArray[Any]) -> PortableGraph:
        """Return a piece at a narrow precision, as the graph `name`.

        Args:
            span: Which.
            name: Of the graph.
            precision: One of `precisions.PRECISIONS`.
            images: Real ones, as the graphs take them, to find ranges on.
        """
        narrowed = self._plain_at(precision, images)
        if span.is_whole:
            return portable(narrow_plain(narrowed, name))
        stages = narrow_stages(narrowed, _ends(span))
        stage, feature = stages[-1 if span.stop is None else len(_ends(span)) - 1]
        full = onnx.load_from_string(self._full(span, name).data)
        return portable(narrow_segment(stage, full, feature))

    def _made(self, span: Span, name: str) -> PortableGraph:
        graph = _graph(self._backbone)
        if span.is_whole:
            whole = ir.convenience.extract(graph, list(graph.inputs), ["logits"])
            return portable(answering(whole, name))
        ends = _ends(span)
        stages = cut(graph, ends, ["logits"])
        if span.stop is None:
            return portable(answering(stages[-1].graph, name))
        return portable(self._branched(stages[len(ends) - 1], span, name))

    def _branched(self, stage: Stage, span: Span, name: str) -> ir.Model:
        assert span.stop is not None
        assert span.head is not None
        branch = _graph(self._branches[span.head, span.stop])
        number = self._places.index(span.stop)
        return segment(stage, branch, self._heads[span.head], number, name)

    def _plain_at(self, precision: str, images: NDArray[Any]) -> onnx.ModelProto:
        if precision not in self._narrowed:
            plain = onnx.load_from_string(self._made(Span(""), "plain").data)
            self._narrowed[precision] = precisions.narrow(plain, precision, images)
        return self._narrowed[precision]


def _ends(span: Span) -> list[str]:
    """Return the places that a network is cut at for a piece."""
    return [place for place in (span.start, span.stop) if place is not None]


def _refuse_astray(graph: ir.Graph, places: tuple[str, ...]) -> None:
    """Do nothing if whatever a place needs every later one needs too.

    Only then is a piece the same whichever other places a cascade is cut at.

    Raises:
        ExportError: A place lies on a side way.
    """
    values = ir.convenience.create_value_mapping(graph, include_subgraphs=False)
    for before, after in pairwise(places):
        if not needed([values[before]]) < needed([values[after]]):
            raise ExportError(
                f"{after} does not lie behind all of {before}",
                expected="places one behind the other, in running order",
                fix=f"Leave out {before} or {after}",
            )


def _file(graph: ir.Graph) -> bytes:
    model = ir.Model(graph, ir_version=IR_VERSION)
    model.graph.opset_imports[""] = OPSET
    data: bytes = ir.serde.serialize_model(model).SerializeToString()
    return data


def _graph(data: bytes) -> ir.Graph:
    """Return a graph of its own: whoever renames a constant renames it in the message it is of."""
    return ir.serde.deserialize_model(onnx.load_from_string(data)).graph
