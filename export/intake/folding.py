"""What a graph computes from constants alone, computed once and for all."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import RuntimeUnavailableError

#: Theirs is another result each time.
_CHANCE = {"Bernoulli", "Multinomial", "RandomNormal", "RandomUniform"}


def fold(model: ir.Model) -> None:
    """Replace what depends on no input by its value, in place."""
    graph = model.graph
    fixed = list(graph.initializers.values())
    known = set(fixed)
    for node in graph:
        if node.op_type not in _CHANCE and all(v is None or v in known for v in node.inputs):
            known.update(node.outputs)
    made = known.difference(fixed)
    met = [v for v in made if any(o not in known for n, _ in v.uses() for o in n.outputs)]
    if not met:
        return
    piece = ir.Model(ir.convenience.extract(graph, [], met), ir_version=model.ir_version)
    piece.graph.name, piece.graph.opset_imports[""] = "constants", graph.opset_imports[""]
    for value, array in zip(met, _run(piece, [str(v.name) for v in met]), strict=True):
        tensor = ir.tensor(array, name=f"{value.name}.folded")
        held = ir.Value(
            name=tensor.name,
            const_value=tensor,
            type=ir.TensorType(tensor.dtype),
            shape=ir.Shape(array.shape),
        )
        graph.register_initializer(held)
        ir.convenience.replace_all_uses_with(value, held)


def _run(piece: ir.Model, names: list[str]) -> list[NDArray[Any]]:
    try:
        import onnxruntime
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "an ONNX file cannot be converted here",
            got=missing,
            fix='Run: pip install "calexnet[onnxruntime]"',
        ) from missing
    data = ir.serde.serialize_model(piece).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    runs = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(runs.run(names, {}))
