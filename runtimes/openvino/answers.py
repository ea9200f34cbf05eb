"""What a graph answers, made to come out of OpenVINO as it comes out of every other runtime."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from calexnet.files.scratch import scratch_folder
from calexnet.runtimes.engines.base import ANSWER
from calexnet.runtimes.openvino.executed import PRODUCTS

_MARK = {"name": "precise", "version": "0"}


def let_nan_stay(model: Any) -> None:
    """Turn every gate of `model` round: ``threshold[label] <= score`` for ``score >= ...``.

    On x86 OpenVINO 2026.4 says yes to ``NaN >= x``, and no to ``x <= NaN``; a score of NaN never
    exits.

    Args:
        model: Read, not compiled; graphs nested in it are changed too.
    """
    from openvino import opset13

    for operator in model.get_ordered_ops():
        if operator.get_type_name() == "If":
            let_nan_stay(operator.get_then_body())
            let_nan_stay(operator.get_else_body())
        elif operator.get_type_name() == "GreaterEqual":
            score, bar = (port.get_source_output() for port in operator.inputs())
            operator.output(0).replace(opset13.less_equal(bar, score).output(0))


def in_float32(core: Any, model: Any) -> Any:
    """Return `model` with its answers left in float32 where the rest is computed in bfloat16.

    Scores between 0.5 and 1 lie 1/256 apart in bfloat16: gates would collapse. OpenVINO leaves in
    float32 what its files mark as precise, and only its files can say so: hence the way through
    text. Marked is all from the product that makes the logits to the answer.

    Args:
        core: OpenVINO's.
        model: Read, not compiled.
    """
    import openvino

    with scratch_folder("calexnet-openvino-") as folder:
        text, weights = folder / "model.xml", folder / "model.bin"
        openvino.serialize(model, text, weights)
        return core.read_model(marked(text.read_bytes()), weights.read_bytes())


def marked(document: bytes) -> bytes:
    """Return a model as OpenVINO writes it, its answers marked as precise."""
    net = ElementTree.fromstring(document)
    layers = {layer.get("id", ""): layer for layer in net.iter("layer")}
    reads: dict[str, list[str]] = {name: [] for name in layers}
    for edge in net.iter("edge"):
        reads[edge.get("to-layer", "")].append(edge.get("from-layer", ""))
    asked = [name for name, layer in layers.items() if _answers(layer)]
    seen: set[str] = set()
    while asked:
        name = asked.pop()
        if name not in seen:
            seen.add(name)
            _mark(layers[name])
            if layers[name].get("type") not in PRODUCTS:
                asked += reads[name]
    return ElementTree.tostring(net)


def _answers(layer: ElementTree.Element) -> bool:
    ports = layer.iterfind("output/port")
    return any(set(port.get("names", "").split(",")) & set(ANSWER) for port in ports)


def _mark(layer: ElementTree.Element) -> None:
    told = layer.find("rt_info")
    if told is None:
        told = ElementTree.Element("rt_info")
        layer.insert(0 if layer.find("data") is None else 1, told)
    ElementTree.SubElement(told, "attribute", _MARK)
