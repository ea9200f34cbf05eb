"""The windows of convolutions and pools over a channels-last map, and how they are padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.quantisation import quantisation
from calexnet.export.tflite.values import dims


@dataclass(frozen=True)
class Window:
    """A window that slides over height and width; every field is (height, width).

    Attributes:
        source: Size of the map it slides over.
        kernel: Size.
        strides: Steps.
        dilations: Distance of its points.
        begin: Padding before the map.
        end: Padding behind it, as much as the last step of a rounded-up count needs.
        included: Padding behind the map that an average counts as part of it.
    """

    source: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    included: tuple[int, ...]

    @property
    def padding(self) -> str:
        """TFLite's name of this padding, or ``""`` if it has none."""
        if not any((*self.begin, *self.end)):
            return "VALID"
        pairs = zip(self.begin, self.end, strict=True)
        return "SAME" if list(pairs) == [self._same(axis) for axis in (0, 1)] else ""

    def padded(self) -> tuple[tuple[int, int], ...]:
        """Return (before, behind) for height and width."""
        return tuple(zip(self.begin, self.end, strict=True))

    def _same(self, axis: int) -> tuple[int, int] | None:
        """Return what TFLite's SAME pads: as many steps as stride fits, the odd one behind.

        ``None`` where the last step ends within the map: tflite-runtime computes wrongly there.
        """
        steps = -(-self.source[axis] // self.strides[axis])
        reach = (steps - 1) * self.strides[axis] + _reach(self.kernel, self.dilations)[axis]
        total = reach - self.source[axis]
        return (total // 2, total - total // 2) if total >= 0 else None


def window_of(node: ir.Node, to: Emitter, kernel: Sequence[int]) -> Window:
    """Return the window of `node` with a `kernel` (height, width).

    Raises:
        ExportError: It slides over something else than a map.
    """
    source = node.inputs[0]
    assert source is not None
    shape = dims(source)
    if len(shape) != 4:
        raise to.refuse(node, f"an input of rank {len(shape)}", "a map (n, C, H, W)")
    size = shape[1:3]
    strides = _pair(node, "strides")
    dilations = _pair(node, "dilations")
    reach = _reach(kernel, dilations)
    begin, end = _pads(node, size, reach, strides)
    extra: tuple[int, ...] = (0, 0)
    if node.attributes.get_int("ceil_mode", 0):
        extra = tuple(
            _rounded_up(size[a] + begin[a] + end[a], size[a] + begin[a], reach[a], strides[a])
            for a in (0, 1)
        )
    behind = tuple(e + x for e, x in zip(end, extra, strict=True))
    return Window(size, tuple(kernel), strides, dilations, begin, behind, end)


def pad(
    to: Emitter, source: ir.Value, window: Window, name: str, filling: NDArray[Any] | None = None
) -> int:
    """Return a tensor with `source` inside the window's padding, with 0 unless told otherwise."""
    shape = dims(source)
    (top, bottom), (left, right) = window.padded()
    wide = (shape[0], shape[1] + top + bottom, shape[2] + left + right, shape[3])
    padded = to.scratch(f"{name}.padded", wide, source)
    amounts = to.pairs(f"{name}.pads", [(0, 0), (top, bottom), (left, right), (0, 0)])
    if filling is None:
        to.emit("PAD", [to.read(source), amounts], [padded], "PadOptions")
    else:
        # XNNPACK pads with 0 alone, so this costs a step outside it.
        value = to.constant(f"{name}.filling", filling, quantisation(source))
        to.emit("PADV2", [to.read(source), amounts, value], [padded], "PadV2Options")
    return padded


def options(to: Emitter, window: Window) -> dict[str, Any]:
    """Return the fields that convolutions and pools have in common."""
    return {
        "padding": to.number("Padding", window.padding or "VALID"),
        "strideH": window.strides[0],
        "strideW": window.strides[1],
    }


def _pair(node: ir.Node, name: str) -> tuple[int, ...]:
    return tuple(node.attributes.get_ints(name, (1, 1)))


def _reach(kernel: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))


def _pads(
    node: ir.Node, size: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rule = node.attributes.get_string("auto_pad", "NOTSET")
    if rule in ("NOTSET", ""):
        pads = tuple(node.attributes.get_ints("pads", (0, 0, 0, 0)))
        return pads[:2], pads[2:]
    if rule == "VALID":
        return (0, 0), (0, 0)
    steps = [-(-length // stride) for length, stride in zip(size, strides, strict=True)]
    total = [
        max(0, (n - 1) * s + r - length)
        for n, s, r, length in zip(steps, strides, reach, size, strict=True)
    ]
    less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return (less, more) if rule == "SAME_UPPER" else (more, less)


def _rounded_up(padded: int, last_start: int, reach: int, stride: int) -> int:
    """Return the padding that a last, partial step needs; it has to start before the end pad."""
    steps = -(-(padded - reach) // stride)
    if steps * stride >= last_start:
        steps -= 1
    return max(0, steps * stride + reach - padded)
