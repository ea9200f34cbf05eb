"""Bringing images to size inside a graph: the core's resize as products with constant matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.images import resizing
from calexnet.images.preprocessing import Preprocessing

_FLOAT = ir.DataType.FLOAT


class Sizing:
    """Nodes of an image front that change the size.

    Args:
        tape: Takes the constants.
        front: Takes the nodes.
    """

    def __init__(self, tape: ir.tape.Tape, front: ir.tape.Tape) -> None:
        self._tape, self._front = tape, front
        self._held: dict[str, ir.Value] = {}

    def brought(self, pixels: ir.Value, images: Preprocessing, wanted: Preprocessing) -> ir.Value:
        """Return `pixels` float32 ``(n, C, H, W)`` at the size wanted; themselves if they have it.

        Across, then down, bytes after each. Every product has its constant on the right, as every
        runtime can; so down goes turned.
        """
        sides = (images.height, images.width), (wanted.height, wanted.width)
        across, down = resizing.matrices(*sides)
        if across is not None:
            pixels = self._along(pixels, across, "across")
        if down is not None:
            pixels = self._turned(self._along(self._turned(pixels), down, "down"))
        return pixels

    def _along(self, pixels: ir.Value, matrix: NDArray[np.float32], name: str) -> ir.Value:
        """Return the product, rounded and clipped to 0..255: halves go up, as in the core.

        What is behind the point is added up by itself, where float32 still has bits for it.
        """
        assert pixels.shape is not None
        shape = [*pixels.shape[:3], matrix.shape[1]]
        coarse, fine = (
            self._add("MatMul", [pixels, self._constant(f"{name}.{half}", part)], shape)
            for half, part in zip(("coarse", "fine"), resizing.halves_of(matrix), strict=True)
        )
        half, least, most = (
            self._constant(word, np.array(number, np.float32))
            for word, number in (("half", 0.5), ("least", 0), ("most", 255))
        )
        whole = self._add("Floor", [coarse], shape)
        behind = self._add("Add", [self._add("Sub", [coarse, whole], shape), half], shape)
        carried = self._add("Floor", [self._add("Add", [behind, fine], shape)], shape)
        return self._add("Clip", [self._add("Add", [whole, carried], shape), least, most], shape)

    def _turned(self, pixels: ir.Value) -> ir.Value:
        assert pixels.shape is not None
        order = (0, 1, 3, 2)
        return self._add(
            "Transpose", [pixels], [pixels.shape[axis] for axis in order], {"perm": order}
        )

    def _add(
        self,
        kind: str,
        inputs: Sequence[ir.Value],
        shape: Sequence[int | ir.SymbolicDim],
        attributes: dict[str, Sequence[int]] | None = None,
    ) -> ir.Value:
        value = self._front.op(kind, inputs, attributes)
        value.dtype, value.shape = _FLOAT, ir.Shape(shape)
        return value

    def _constant(self, name: str, array: NDArray[np.float32]) -> ir.Value:
        """Return a constant of the front, made once."""
        if name not in self._held:
            self._held[name] = self._tape.initializer(ir.tensor(array, name=f"front.{name}"))
        return self._held[name]
