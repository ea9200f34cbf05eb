"""A graph made for one batch size, opened to any where its reshapes allow that."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from calexnet.export.graph.dialect import BATCH


def open_batch(model: ir.Model, made_for: int) -> ir.Model:
    """Return `model`, whose input is made for so many images, for any number of them.

    Reshapes that spell the number out have it worked out instead.

    Args:
        model: Its input has the fixed shape ``(made_for, ...)``; it is changed.
        made_for: How many images.
    """
    known = inferred(model)
    for node in list(known.graph):
        if node.op_type == "Reshape":
            _free(known.graph, node, made_for)
    (image,) = known.graph.inputs
    assert image.shape is not None
    image.shape = ir.Shape([BATCH, *list(image.shape)[1:]])
    return inferred(known)


def inferred(model: ir.Model) -> ir.Model:
    """Return `model` with the shapes that follow from its input's; what it said before is dropped.

    Names are given to what has none.
    """
    proto = ir.serde.serialize_model(model)
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    return ir.serde.deserialize_model(found)


def _free(graph: ir.Graph, node: ir.Node, made_for: int) -> None:
    """Let a reshape that keeps a leading axis of `made_for` take another length of it.

    Whether its shape is spelled out or worked out from another tensor's: with all else known, the
    batch is the one length that a runtime has to find.
    """
    source, made = node.inputs[0], node.outputs[0]
    if source is None or source.shape is None or made.shape is None:
        return
    before, after = list(source.shape), list(made.shape)
    if before[:1] != [made_for] or after[:1] != [made_for]:
        return
    if not all(isinstance(size, int) for size in after):
        return
    freed = ir.tensor(np.array([-1, *after[1:]], np.int64), name=f"{made.name}.freed")
    value = ir.Value(
        name=freed.name,
        const_value=freed,
        type=ir.TensorType(ir.DataType.INT64),
        shape=ir.Shape([len(after)]),
    )
    graph.register_initializer(value)
    node.replace_input_with(1, value)
