"""What a model takes: one image, in some layout and dtype; brought to float32, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.export.graph.dialect import BATCH

Layout = Literal["NCHW", "NHWC"]

#: Numbers of channels that images have.
_CHANNELS = (1, 3, 4)
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
_DTYPES = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.UINT8: "uint8",
}


@dataclass(frozen=True)
class ImageForm:
    """What a file takes.

    Attributes:
        name: Of the input.
        channels: Of an image.
        height: Pixels.
        width: Pixels.
        layout: Order of the axes.
        dtype: ``float32``, ``float16``, or ``uint8`` for pixels as they are.
        batch: How many images at once; ``None`` = any.
    """

    name: str
    channels: int
    height: int
    width: int
    layout: Layout
    dtype: str
    batch: int | None

    def given(self, images: NDArray[np.float32]) -> NDArray[np.generic]:
        """Return float32 ``(n, C, H, W)`` as the file takes them."""
        turned = images.transpose(_TO_LAST) if self.layout == "NHWC" else images
        return np.ascontiguousarray(turned.astype(self.dtype))


def is_open(graph: ir.Graph) -> bool:
    """Return whether `graph` takes one image whose height or width is open."""
    shape = graph.inputs[0].shape if len(graph.inputs) == 1 else None
    if shape is None or len(shape) != 4:
        return False
    return not all(isinstance(size, int) for size in shape[1:])


def form_of(graph: ir.Graph, size: tuple[int, int] | None) -> ImageForm:
    """Return what `graph` takes.

    Args:
        graph: Without weights among its inputs.
        size: Height and width of the images, for a graph that leaves them open.

    Raises:
        InputError: It takes no image, or several things, or something else besides.
    """
    if len(graph.inputs) != 1:
        raise InputError(
            "the model takes something else than one image",
            got=f"{len(graph.inputs)} inputs: {', '.join(str(v.name) for v in graph.inputs)}",
            expected="one input",
            fix="Take out a part with one input: onnx.utils.extract_model(model, part, inputs, "
            "outputs)",
        )
    (value,) = graph.inputs
    shape = value.shape
    dtype = None if value.dtype is None else _DTYPES.get(value.dtype)
    if shape is None or len(shape) != 4 or dtype is None:
        raise InputError(
            "the model takes no images",
            got=f"{value.name}: {value.dtype} {'of any shape' if shape is None else shape}",
            expected=f"{', '.join(_DTYPES.values())} of (n, C, H, W) or (n, H, W, C)",
        )
    batch, *rest = (size if isinstance(size, int) else None for size in shape)
    layout = _layout(rest, str(value.name))
    channels, height, width = rest if layout == "NCHW" else (rest[2], rest[0], rest[1])
    assert channels is not None
    height, width = _sides(height, width, size)
    return ImageForm(str(value.name), channels, height, width, layout, dtype, batch)


def _layout(axes: Sequence[int | None], name: str) -> Layout:
    """Return the order of the axes after the batch: the first that can be channels, else last."""
    if axes[0] in _CHANNELS:
        return "NCHW"
    if axes[2] in _CHANNELS:
        return "NHWC"
    raise InputError(
        "the model takes no images",
        got=f"{name} of ({', '.join('?' if a is None else str(a) for a in (None, *axes))})",
        expected=f"{', '.join(map(str, _CHANNELS))} channels, first or last, as a number",
    )


def _sides(height: int | None, width: int | None, size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None and (height is None or width is None):
        raise InputError(
            "the model leaves the size of its images open",
            fix="Give images of the size wanted with --data, and --resize",
        )
    wanted = size or (0, 0)
    found = (wanted[0] if height is None else height, wanted[1] if width is None else width)
    if size is not None and found != size:
        raise InputError(
            "the images do not fit the model",
            got=f"{size[1]}x{size[0]}",
            expected=f"{found[1]}x{found[0]}",
            fix=f"Add --resize {found[1]}"
            if found[0] == found[1]
            else f"Add --resize {found[1]}x{found[0]}",
        )
    return found


def settle(graph: ir.Graph, form: ImageForm, batch: int | None) -> None:
    """Give `graph` the input ``image`` float32 ``(n, C, H, W)``; it is changed in place.

    A turning to channels last is put in front, and what turns them back at once falls away with it.

    Args:
        graph: What `form_of` told of.
        form: That.
        batch: How many images it shall take, ``None`` = any.
    """
    (old,) = graph.inputs
    shape = ir.Shape([BATCH if batch is None else batch, form.channels, form.height, form.width])
    image = ir.Value(name="image", shape=shape, type=ir.TensorType(ir.DataType.FLOAT))
    tape = ir.tape.Tape()
    pixels = image
    if form.dtype == "uint8":
        pixels = tape.op("Cast", [pixels], {"to": ir.DataType.UINT8})
    turned = pixels
    if form.layout == "NHWC":
        turned = tape.op("Transpose", [pixels], {"perm": _TO_LAST})
    nodes = list(graph)
    ir.convenience.replace_all_uses_with(old, turned)
    graph.inputs[0] = image
    graph.insert_before(nodes[0], list(tape.nodes))
    if form.layout == "NHWC":
        _drop_turning_back(turned, pixels)
    for node in reversed(list(tape.nodes)):
        if not node.outputs[0].uses():
            graph.remove(node, safe=True)


def _drop_turning_back(turned: ir.Value, source: ir.Value) -> None:
    for node, _ in tuple(turned.uses()):
        if node.op_type == "Transpose" and list(node.attributes.get_ints("perm", ())) == _TO_FIRST:
            ir.convenience.replace_all_uses_with(node.outputs[0], source)
