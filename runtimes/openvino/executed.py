"""What OpenVINO executes of a graph, read from the compiled model: layers and number formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: Layers that multiply with weights: what comes before the last of them is no answer yet.
PRODUCTS = ("Convolution", "FullyConnected", "MatMul")
_CONVOLUTIONS = ("Convolution",)
_INTEGERS = ("i8", "u8")
_NARROW = ("bf16", "f16")
#: How outputs end that a segment answers with.
_ANSWERS = tuple(f"{name}/sink" for name in ("label", "score", "exit", "probabilities"))


@dataclass(frozen=True)
class Layer:
    """One layer that is executed.

    Attributes:
        kind: As OpenVINO calls it, such as ``Convolution``.
        of: Names of the graph's operators in it, with commas between.
        precision: That it computes in, such as ``f32``.
        gives: Those of its outputs, with commas between.
        reads: Indices of the layers that it reads.
    """

    kind: str
    of: str
    precision: str
    gives: str
    reads: tuple[int, ...]

    def __str__(self) -> str:
        """Return ``Softmax of probabilities in bf16``."""
        return f"{self.kind} of {self.of or 'nothing in the graph'} in {self.gives}"


@dataclass(frozen=True)
class Share:
    """How many of some layers there are, and how many compute in whole numbers."""

    integer: int
    all: int


def layers_of(compiled: Any) -> tuple[Layer, ...]:
    """Return what is executed of an OpenVINO model, in its order."""
    operators = compiled.get_runtime_model().get_ordered_ops()
    index = {operator.get_name(): number for number, operator in enumerate(operators)}
    found = []
    for operator in operators:
        told = {name: _word(value) for name, value in operator.get_rt_info().items()}
        sources = (port.get_source_output().get_node().get_name() for port in operator.inputs())
        found.append(
            Layer(
                told.get("layerType", ""),
                told.get("originalLayersNames", ""),
                told.get("runtimePrecision", ""),
                told.get("outputPrecisions", ""),
                tuple(index[name] for name in sources),
            )
        )
    return tuple(found)


def narrow_answers(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the layers between logits and answer, both included, that are not in float32."""
    asked = [n for n, one in enumerate(layers) if one.kind == "Output" and _answers(one)]
    seen: set[int] = set()
    while asked:
        number = asked.pop()
        if number not in seen:
            seen.add(number)
            if layers[number].kind not in PRODUCTS:
                asked += layers[number].reads
    return tuple(layers[number] for number in sorted(seen) if _is_narrow(layers[number]))


def integer_convolutions(layers: Iterable[Layer]) -> Share:
    """Return how many convolutions there are, and how many in 8-bit whole numbers."""
    kinds = [one.precision in _INTEGERS for one in layers if one.kind in _CONVOLUTIONS]
    return Share(sum(kinds), len(kinds))


def _answers(layer: Layer) -> bool:
    return layer.of.startswith(_ANSWERS)


def _is_narrow(layer: Layer) -> bool:
    # What turns bfloat16 to float32 computes in it and gives the other.
    formats = layer.gives.split(",")
    own = layer.precision in _NARROW and layer.kind not in ("Reorder", "Convert")
    return own or any(one in _NARROW for one in formats)


def _word(value: Any) -> str:
    return str(getattr(value, "value", value))
