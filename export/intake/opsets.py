"""Any version of ONNX's operators, brought to the one that all graphs here are written in."""

from __future__ import annotations

import onnx
from onnx import checker, shape_inference, version_converter

from calexnet.errors import InputError, first_line
from calexnet.export.graph.dialect import IR_VERSION, OPSET
from calexnet.export.intake.reading import nodes, opset, shown

#: Before it, operators that images go through meant something else.
_OLDEST = 11


def in_dialect(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` in the opset and IR version of every graph here; `model` stays as it is.

    An older one goes through ONNX's converter. A newer one gets another number if each of its nodes
    is valid under that; whether it then means the same is for the caller to try on images.

    Raises:
        InputError: It is too old, or a node has no counterpart; the message names it.
    """
    version = opset(model)
    if version < _OLDEST:
        raise InputError(
            "the model's operators are too old",
            got=f"opset {version}",
            expected=f"opset {_OLDEST} or newer",
            fix="Export it again, at opset 13 to 20",
        )
    found = _converted(model) if version < OPSET else _relabelled(model)
    found.ir_version = IR_VERSION
    return found


def _converted(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return version_converter.convert_version(model, OPSET)
    except (RuntimeError, version_converter.ConvertError) as problem:
        raise InputError(
            f"ONNX's converter cannot bring the model to opset {OPSET}",
            got=f"opset {opset(model)}: {first_line(problem)}",
            fix=f"Export it again, at opset {OPSET}",
        ) from problem


def _relabelled(model: onnx.ModelProto) -> onnx.ModelProto:
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.opset_import[:]
    found.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    context = checker.C.CheckerContext()
    context.ir_version, context.opset_imports = IR_VERSION, {"": OPSET}
    for node in nodes(found.graph):
        try:
            checker.check_node(node, context)
        except checker.ValidationError as problem:
            raise _newer(model, shown(node), problem) from problem
    try:
        shape_inference.infer_shapes(found, check_type=True, strict_mode=True)
    except shape_inference.InferenceError as problem:
        raise _newer(model, first_line(problem), problem) from problem
    return found


def _newer(model: onnx.ModelProto, what: str, problem: Exception) -> InputError:
    return InputError(
        f"the model needs operators newer than opset {OPSET}",
        got=f"{what} at opset {opset(model)}",
        expected=f"operators as opset {OPSET} has them",
        fix=f"Export it again, at opset {OPSET}",
    )
