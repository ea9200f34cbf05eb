"""What a graph answers, made to come out of OpenVINO as it comes out of every other runtime."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

from calexnet.files.scratch import scratch_folder
from calexnet.runtimes.engines.base import ANSWER
from calexnet.runtimes.openvino.executed import PRODUCTS

#: What a tensor is called that a marked operator makes; with a number behind.
_LOGITS = "calexnet.logits"
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
    text. Marked are the products that make the logits; what follows them is left in float32 anyway.
    A mark is lost where an operator takes up its bias, so each product is an output too, which
    keeps the two apart.

    Args:
        core: OpenVINO's.
        model: Read, not compiled.
    """
    import openvino

    for number, product in enumerate(_products(model)):
        product.output(0).set_names({f"{_LOGITS}{number}"})
        model.add_outputs([product.output(0)])
    with scratch_folder("calexnet-openvino-") as folder:
        text, weights = folder / "model.xml", folder / "model.bin"
        openvino.serialize(model, text, weights)
        return core.read_model(_marked(text.read_bytes()), weights.read_bytes())


def _products(model: Any) -> Iterator[Any]:
    """Yield the last product on every way to an answer."""
    asked = [port.get_node() for port in model.outputs if port.get_names() & {*ANSWER}]
    seen: set[str] = set()
    while asked:
        operator = asked.pop()
        if operator.get_name() not in seen:
            seen.add(operator.get_name())
            if operator.get_type_name() in PRODUCTS:
                yield operator
            else:
                asked += [port.get_source_output().get_node() for port in operator.inputs()]


def _marked(document: bytes) -> bytes:
    """Return a model as OpenVINO writes it, the layers marked as precise that make the logits."""
    net = ElementTree.fromstring(document)
    for layer in net.iter("layer"):
        ports = layer.iterfind("output/port")
        if any(_LOGITS in port.get("names", "") for port in ports):
            told = layer.find("rt_info")
            if told is None:
                told = ElementTree.Element("rt_info")
                layer.insert(0 if layer.find("data") is None else 1, told)
            ElementTree.SubElement(told, "attribute", _MARK)
    return ElementTree.tostring(net)
