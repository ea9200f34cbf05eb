"""An ONNX file as a backbone: ``image`` to ``logits``, any batch, one dialect, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common as passes

from calexnet.errors import InputError
from calexnet.export.graph.dialect import BATCH
from calexnet.export.intake import answer as answers
from calexnet.export.intake import image as pictures
from calexnet.export.intake.answer import Answer
from calexnet.export.intake.batch import inferred, open_batch
from calexnet.export.intake.folding import fold
from calexnet.export.intake.halves import widen
from calexnet.export.intake.image import ImageForm
from calexnet.export.intake.opsets import in_dialect
from calexnet.export.intake.reading import opset, read
from calexnet.export.intake.trying import asked, refuse_other
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import RESERVED

#: Images that stand in where there are none: enough to tell a batch from its images.
_STAND_INS = 4


@dataclass(frozen=True)
class Taken:
    """A model that a cascade can be made of.

    Attributes:
        data: ONNX at the dialect's opset: ``image`` float32 ``(n, C, H, W)`` to ``logits``
            ``(n, classes)``; other tensors are named as in the file.
        form: What the file takes.
        answer: What the file gives.
        opset: Of the file.
        is_half: Whether the file computes in half precision.
        preprocessing: From the bytes of an image to `data`'s input.
    """

    data: bytes
    form: ImageForm
    answer: Answer
    opset: int
    is_half: bool
    preprocessing: Preprocessing


def take(
    path: Path,
    images: NDArray[np.uint8] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Taken:
    """Return the model in `path`, every step of its conversion tried on images.

    Args:
        path: Of the ONNX file.
        images: Real ones, uint8 ``(n, H, W, C)``, two or more; noise by default.
        mean: What the network's images were normalised with, one a channel, in 0..1; by default
            0.5, nothing for a file that takes bytes.
        std: Likewise, by default 0.25.

    Raises:
        InputError: It is no classifier of images, or cannot be converted; the message says where.
        RuntimeUnavailableError: onnxruntime is not installed.
    """
    original = read(path)
    form = pictures.form_of(graph_of(original).graph, None if images is None else images.shape[1:3])
    preprocessing = _preprocessing(form, mean, std)
    if images is None:
        shape = (_STAND_INS, *preprocessing.image_shape)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if images.shape[3] != form.channels:
        raise InputError(
            "the images do not fit the model",
            got=f"{images.shape[3]} channels",
            expected=f"{form.channels}",
        )
    inputs = preprocessing.normalise(images)
    proto = in_dialect(original)
    is_half = widen(proto)
    model = graph_of(proto)
    _free_names(model.graph)
    made_for = form.batch or 1
    pictures.settle(model.graph, form, made_for)
    fold(model)
    model = open_batch(model, made_for)
    (said,) = asked(ir.serde.serialize_model(model), inputs[:2])
    answer = answers.answer_of(model.graph, said)
    answers.settle(model.graph, answer)
    taken = _finished(model)
    refuse_other(original, form, taken, answer, inputs)
    return Taken(
        taken.SerializeToString(deterministic=True),
        form,
        answer,
        opset(original),
        is_half,
        preprocessing,
    )


def form_in(path: Path) -> ImageForm | None:
    """Return what the model in `path` takes; ``None`` if it leaves the size of its images open.

    Raises:
        InputError: It is no ONNX file, or takes something else than one image.
    """
    graph = graph_of(read(path)).graph
    return None if pictures.is_open(graph) else pictures.form_of(graph, None)


def graph_of(proto: onnx.ModelProto) -> ir.Model:
    """Return the graph of `proto`, its weights no inputs, its constants beside them."""
    model = ir.serde.deserialize_model(proto)
    passes.RemoveInitializersFromInputsPass()(model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    if len(model.graph.outputs) != 1:
        raise InputError(
            "the model gives several things",
            got=f"{len(model.graph.outputs)} outputs: "
            f"{', '.join(str(v.name) for v in model.graph.outputs)}",
            expected="one, the scores of classes",
            fix="If it is a classifier, take the others off: onnx.utils.extract_model(model, part, "
            "inputs, outputs)",
        )
    return model


def _preprocessing(
    form: ImageForm, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Preprocessing:
    if form.dtype == "uint8":
        if mean is not None or std is not None:
            raise InputError(
                "the model takes bytes, and normalises them itself",
                fix="Leave out --mean and --std",
            )
        mean, std = (0.0,) * form.channels, (1 / 255,) * form.channels
    mean, std = mean or (0.5,) * form.channels, std or (0.25,) * form.channels
    return Preprocessing(form.height, form.width, mean, std)


def _free_names(graph: ir.Graph) -> None:
    """Rename the tensors of the file whose names a cascade's own have."""
    values = ir.convenience.create_value_mapping(graph)
    for name in RESERVED & values.keys():
        values[name].name = f"{name}.inner"


def _finished(model: ir.Model) -> onnx.ModelProto:
    """Return the model checked, without what nobody reads."""
    model.graph.opset_imports.pop("ai.onnx", None)
    passes.RemoveUnusedNodesPass()(model)
    passes.NameFixPass()(model)
    found = ir.serde.serialize_model(inferred(model))
    for value in found.graph.output:
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    onnx.checker.check_model(found, full_check=True)
    return found
