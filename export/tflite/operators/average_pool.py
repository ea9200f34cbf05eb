"""AveragePool, whichever of its paddings count."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.window import Window, options, pad, window_of


def lower(node: ir.Node, to: Emitter) -> None:
    """Write AVERAGE_POOL_2D; where TFLite would divide by another count, a factor corrects it."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    window = window_of(node, to, node.attributes.get_ints("kernel_shape"))
    if window.dilations != (1, 1):
        raise to.refuse(node, f"dilations {window.dilations}", "dilations of 1")
    name = result.name or ""
    counts_padding = node.attributes.get_int("count_include_pad", 0) == 1
    as_tflite_does = window.padding == "VALID" or (window.padding == "SAME" and not counts_padding)
    fields = {
        **options(to, window),
        "filterHeight": window.kernel[0],
        "filterWidth": window.kernel[1],
    }
    if as_tflite_does:
        inputs = [to.read(source)]
        to.emit("AVERAGE_POOL_2D", inputs, [to.write(result)], "Pool2DOptions", **fields)
        return
    fields["padding"] = to.number("Padding", "VALID")
    inputs = [pad(to, source, window, name)]
    factors = correction(window, counts_padding)
    if (factors == 1).all():
        to.emit("AVERAGE_POOL_2D", inputs, [to.write(result)], "Pool2DOptions", **fields)
        return
    mean = to.like(result, f"{name}.mean")
    to.emit("AVERAGE_POOL_2D", inputs, [mean], "Pool2DOptions", **fields)
    factor = to.constant(f"{name}.factor", factors[None, :, :, None])
    to.emit("MUL", [mean, factor], [to.write(result)], "MulOptions")


def correction(window: Window, counts_padding: bool) -> NDArray[np.float32]:
    """Return, at each position ``(H, W)``, the window's size over the positions that count."""
    per_axis = [_counts(window, axis, counts_padding) for axis in (0, 1)]
    size = window.kernel[0] * window.kernel[1]
    return (size / np.outer(*per_axis)).astype(np.float32)


def _counts(window: Window, axis: int, counts_padding: bool) -> NDArray[np.int64]:
    """Return how many positions count at each step along an axis."""
    begin, behind = window.begin[axis], window.end[axis]
    length, kernel = window.source[axis], window.kernel[axis]
    counted = np.zeros(begin + length + behind, np.int64)
    if counts_padding:
        counted[: begin + length + window.included[axis]] = 1
    else:
        counted[begin : begin + length] = 1
    starts = range(0, len(counted) - kernel + 1, window.strides[axis])
    return np.array([counted[start : start + kernel].sum() for start in starts])
