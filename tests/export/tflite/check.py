"""One ONNX graph through ONNX Runtime and through every TFLite runtime that is here.

No torch, so that these tests also run beside the old runtime, which needs an old numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from calexnet.errors import RuntimeUnavailableError
from calexnet.export.tflite import convert
from calexnet.export.tflite.passes.order import FIRST, order_at_border
from calexnet.runtimes.tflite import Tflite, library

Array = NDArray[Any]
BATCHES = (1, 3)


@cache
def interpreters() -> tuple[Any, ...]:
    """Return the interpreter class of every runtime that works here; the tests need one."""
    found = []
    for package, (load, oldest) in library.PACKAGES.items():
        try:
            loaded = load()
        except ImportError:
            continue
        if not library.problem_with(package, oldest):
            found.append(loaded.Interpreter)
    assert found, "no TFLite runtime is here"
    return tuple(found)


def onnx_bytes(text: str, **constants: Array) -> bytes:
    """Return the ONNX file that `text` describes in ONNX's own notation.

    Args:
        text: A graph, for example ``g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }``.
        constants: Initializers by name.
    """
    model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]> ' + text)
    for name, array in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def by_onnxruntime(data: bytes, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return every output of an ONNX file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def by_tflite(interpreter_type: Any, data: bytes, batches: list[dict[str, Array]]) -> Iterator[Any]:
    """Yield every output of a ``.tflite`` file for each batch, on one interpreter."""
    interpreter = interpreter_type(model_content=data, num_threads=1)
    (signature,) = interpreter._get_full_signature_list().values()
    for feeds in batches:
        for name, index in signature["inputs"].items():
            interpreter.resize_tensor_input(index, feeds[name].shape)
        interpreter.allocate_tensors()
        for index in signature["outputs"].values():
            interpreter.tensor(index)()  # planned before it runs: the runtime reads it there
        for name, index in signature["inputs"].items():
            interpreter.set_tensor(index, feeds[name])
        interpreter.invoke()
        yield {name: interpreter.get_tensor(i) for name, i in signature["outputs"].items()}


def check(
    data: bytes, *, tolerance: float = 1e-5, step: float = 0.0, batches: tuple[int, ...] = BATCHES
) -> None:
    """Assert that TFLite gives what ONNX Runtime gives for random inputs at several batch sizes.

    Args:
        data: An ONNX file with the batch ``n``.
        tolerance: Largest difference, relative to the largest number.
        step: Of quantised results: runtimes round a half to either side, so one more is no fault.
        batches: Sizes, one after the other on one interpreter.
    """
    rng = np.random.default_rng(0)
    inputs = onnx.load_from_string(data).graph.input
    feeds = [{v.name: _drawn(rng, v, batch) for v in inputs} for batch in batches]
    wanted = [by_onnxruntime(data, batch) for batch in feeds]
    written = convert(data)
    assert written == convert(data)
    turned = [{name: _turned(name, a) for name, a in batch.items()} for batch in feeds]
    for interpreter_type in interpreters():
        found = by_tflite(interpreter_type, written, turned)
        for batch, theirs, ours in zip(batches, wanted, found, strict=True):
            for name, array in theirs.items():
                what = f"{name} at batch {batch}"
                _compare(what, _turned(name, array), ours[name], tolerance, step)


def _drawn(rng: np.random.Generator, value: Any, batch: int) -> Array:
    kind = value.type.tensor_type
    shape = [d.dim_value or batch for d in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype.kind == "f":
        return np.asarray(rng.normal(0, 2, shape), dtype)
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    return np.asarray(rng.integers(0, 2 if dtype.kind == "i" else 256, shape), dtype)


def _turned(name: str, array: Array) -> Array:
    """Return `array` as it crosses the border of a TFLite graph."""
    order = order_at_border(name, array.ndim)
    return array if order == FIRST[: array.ndim] else np.ascontiguousarray(array.transpose(order))


def _compare(what: str, theirs: Array, ours: Array, tolerance: float, step: float) -> None:
    assert theirs.shape == ours.shape, what
    if theirs.dtype.kind == "f":
        assert theirs.dtype == ours.dtype, what
        scale = max(1.0, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0)))
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=tolerance * scale + step, err_msg=what
        )
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=what)


def need_runtime() -> None:
    """Skip where no TFLite runtime is installed."""
    try:
        Tflite().require()
    except RuntimeUnavailableError as problem:
        pytest.skip(str(problem))
