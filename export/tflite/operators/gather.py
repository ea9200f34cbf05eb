"""Gather."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import constant, dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write GATHER; constant indices from the end are counted from the start."""
    source, indices, result = node.inputs[0], node.inputs[1], node.outputs[0]
    assert source is not None
    shape = dims(source)
    axis = node.attributes.get_int("axis", 0) % len(shape)
    array = constant(indices)
    if array is None:
        where = to.read(indices)
    elif (array < 0).any() and shape[axis] < 0:
        raise to.refuse(node, "indices from the end of the batch", "indices from its start")
    else:
        where = to.constant(
            f"{result.name}.indices", np.where(array < 0, array + shape[axis], array)
        )
    inputs = [to.read(source), where]
    to.emit("GATHER", inputs, [to.write(result)], "GatherOptions", axis=axis)
