"""Engines on LiteRT, or on its predecessor tflite-runtime where that is what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calexnet.errors import BundleError, CalexnetError, InputError
from calexnet.files.tflitegraph import require_whole
from calexnet.manifest import GraphRecord, TensorRecord
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.base import Signature
from calexnet.runtimes.tflite.engine import TfliteEngine
from calexnet.runtimes.tflite.interpreter import named_inputs, named_outputs
from calexnet.runtimes.tflite.lane import TfliteLane
from calexnet.runtimes.tflite.library import interpreter_module, version_of
from calexnet.runtimes.threads import cores

#: Our names of LiteRT's back ends; on the CPU that is XNNPACK.
PROVIDERS = ("cpu",)


class Tflite(Runtime):
    """Runs target ``tflite``."""

    lane, lazy = TfliteLane, True

    def require(self) -> None:
        """See `Runtime`."""
        interpreter_module()

    def packages(self) -> tuple[str, ...]:
        """See `Runtime`."""
        return (interpreter_module()[0],)

    def version(self) -> str:
        """See `Runtime`."""
        package, _ = interpreter_module()
        return f"{package}-{version_of(package)}"

    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> TfliteEngine:
        """See `Runtime`."""
        package, module = interpreter_module()
        if provider is not None and provider not in PROVIDERS:
            raise InputError(
                "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
            )
        count = threads or cores()

        def make() -> Any:
            interpreter = module.Interpreter(model_content=data, num_threads=count)
            if package == "tflite-runtime":
                _refuse_int8_on_floats(interpreter, record)
            interpreter.allocate_tensors()
            return interpreter

        try:
            return TfliteEngine(record, make)
        except CalexnetError:
            raise
        except (ValueError, RuntimeError) as problem:
            raise BundleError(
                f"{package} {version_of(package)} refuses {record.file.path}",
                got=" ".join(str(problem).split()),
                fix=f"Update {package}, or export the bundle again",
            ) from problem

    def signature(self, data: bytes) -> Signature:
        """See `Runtime`."""
        _, module = interpreter_module()
        require_whole(data)
        interpreter = module.Interpreter(model_content=data)
        return Signature(
            _named(interpreter.get_input_details(), named_inputs(interpreter)),
            _named(interpreter.get_output_details(), named_outputs(interpreter)),
        )


def _named(details: Sequence[Any], indices: Mapping[str, int]) -> tuple[TensorRecord, ...]:
    names = {index: name for name, index in indices.items()}
    return tuple(
        _tensor(detail, names[detail["index"]]) for detail in details if detail["index"] in names
    )


def _tensor(detail: Any, name: str) -> TensorRecord:
    shape = tuple("?" if dim < 0 else int(dim) for dim in detail["shape_signature"])
    scale, zero_point = detail["quantization"]
    quantisation = (float(scale), int(zero_point)) if scale else ()
    return TensorRecord(name, np.dtype(detail["dtype"]).name, shape, *quantisation)


def _refuse_int8_on_floats(interpreter: Any, record: GraphRecord) -> None:
    """Do nothing unless the old runtime would compute wrong numbers, and say nothing.

    It multiplies float activations with int8 weights wrongly in a linear layer; every exit then
    looks sure.

    Raises:
        BundleError: There is such a layer.
    """
    types = {d["index"]: np.dtype(d["dtype"]).name for d in interpreter.get_tensor_details()}
    for operator in interpreter._get_ops_details():
        given = [types[index] for index in operator["inputs"][:2]]
        if operator["op_name"] == "FULLY_CONNECTED" and given == ["float32", "int8"]:
            raise BundleError(
                f"tflite-runtime computes {record.file.path} wrongly",
                got="a linear layer with int8 weights on float activations",
                expected="both int8, or both float",
                fix="Run: pip install 'calexnet[tflite]' for LiteRT",
            )
