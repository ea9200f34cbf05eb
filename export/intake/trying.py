"""Whether a converted model says what its file says, on images, alone and in a batch."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calexnet.errors import InputError, RuntimeUnavailableError, first_line
from calexnet.export.intake.answer import Answer
from calexnet.export.intake.image import ImageForm

#: How far two answers may be apart, as a share of the largest number: rounding in another order.
_TOLERANCE = 1e-4
#: Likewise where one of them was computed in half precision.
_COARSE = 2e-2


def asked(model: onnx.ModelProto, images: NDArray[Any], outputs: list[str] | None = None) -> Any:
    """Return what ONNX Runtime makes of `images`: an array for each of `outputs`, by default all.

    Raises:
        InputError: It cannot run the model; the message names the node.
    """
    runs = _session(model)
    try:
        return runs.run(outputs, {runs.get_inputs()[0].name: images})
    except Exception as problem:  # of its own kinds, which it does not export
        raise _stopped(problem, len(images)) from problem


def refuse_other(
    original: onnx.ModelProto,
    form: ImageForm,
    taken: onnx.ModelProto,
    answer: Answer,
    images: NDArray[np.float32],
) -> None:
    """Do nothing if both say the same of `images`, each alone and all in a batch.

    Args:
        original: As the file has it.
        form: What that takes.
        taken: What became of it.
        answer: What the file gives.
        images: float32 ``(n, C, H, W)``, as the network takes them.

    Raises:
        InputError: They do not; the message says by how much, or which node minds the batch.
    """
    (alone,) = _each(taken, images, 1)
    (together,) = asked(taken, images)
    if not _is_close(alone, together, _TOLERANCE):
        raise InputError(
            "the network answers an image otherwise in a batch than alone",
            got=f"a difference of {np.abs(alone - together).max():.2g}"
            f"{_first_apart(taken, images)}",
            expected="an answer that depends on its own image only",
            fix="Export it with a batch axis of any length",
        )
    (said,) = _each(original, form.given(images), form.batch or 1)
    numbers = said.reshape(len(images), -1).astype(np.float64)
    if not _is_close(
        numbers, answer.of(alone), _COARSE if said.dtype == np.float16 else _TOLERANCE
    ):
        raise InputError(
            "the converted model does not say what its file says",
            got=f"a difference of {np.abs(numbers - answer.of(alone)).max():.2g}",
            expected=f"at most {_TOLERANCE:g} of the largest number",
            fix="Export it again, at opset 20",
        )


def _each(model: onnx.ModelProto, images: NDArray[Any], batch: int) -> list[NDArray[Any]]:
    """Return each output of `model`, asked for so many images at a time; the last are repeated."""
    runs = _session(model)
    name, count = runs.get_inputs()[0].name, len(images)
    padded = np.concatenate([images, np.repeat(images[-1:], -count % batch, axis=0)])
    try:
        found = [
            runs.run(None, {name: padded[start : start + batch]})
            for start in range(0, len(padded), batch)
        ]
    except Exception as problem:  # see `asked`
        raise _stopped(problem, batch) from problem
    return [
        np.concatenate([np.atleast_1d(o) for o in one])[:count] for one in zip(*found, strict=True)
    ]


def _session(model: onnx.ModelProto) -> Any:
    try:
        import onnxruntime
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "an ONNX file cannot be tried here",
            got=missing,
            fix='Run: pip install "calexnet[onnxruntime]"',
        ) from missing
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as problem:  # see `asked`
        raise InputError(
            "ONNX Runtime cannot load the model",
            got=first_line(problem),
            expected="a model that it runs",
            fix="Export it again, at opset 20",
        ) from problem


def _stopped(problem: Exception, images: int) -> InputError:
    found = re.search(r"running (\S+) node\. Name:'([^']*)'", str(problem))
    node = f"{found[1]} ({found[2]}): " if found else ""
    said = str(problem).rpartition("Status Message: ")[2]
    return InputError(
        f"the model stops at a batch of {images}",
        got=f"{node}{said.splitlines()[0]}",
        expected="a model for any number of images",
        fix="Export it with a batch axis of any length: a number of images is built into that node",
    )


def _first_apart(model: onnx.ModelProto, images: NDArray[np.float32]) -> str:
    """Return at which node images begin to mind each other, in words for a message."""
    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    kinds = {value.name: value for value in traced.graph.value_info}
    names = [n.output[0] for n in traced.graph.node if n.output and n.output[0] in kinds]
    traced.graph.output.extend(kinds[name] for name in names)
    together = asked(traced, images[:2], names)
    alone = [asked(traced, images[k : k + 1], names) for k in (0, 1)]
    for name, both, one, two in zip(names, together, *alone, strict=True):
        apart = [np.ravel(one), np.ravel(two)]
        if both.size == 2 * one.size and not _is_close(
            np.ravel(both), np.concatenate(apart), _TOLERANCE
        ):
            return f", first at {name}"
    return ""


def _is_close(one: NDArray[Any], other: NDArray[Any], share: float) -> bool:
    if one.shape != other.shape:
        return False
    largest = np.abs(other).max(initial=0)
    return bool(np.allclose(one, other, rtol=0, atol=share * max(largest, 1e-6), equal_nan=True))
