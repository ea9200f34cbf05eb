"""PRelu."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import constant, dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write PRELU; one slope for all is repeated for each channel.

    tflite-runtime 2.14 takes a single one for that of the first channel, and 0 for the others.
    """
    source, slope, result = node.inputs[0], node.inputs[1], node.outputs[0]
    assert source is not None
    array = constant(slope)
    if array is not None and array.size == 1:
        slopes = to.constant(f"{result.name}.slopes", np.repeat(array, dims(source)[-1]))
    else:
        slopes = to.read(slope)
    to.emit("PRELU", [to.read(source), slopes], [to.write(result)])
