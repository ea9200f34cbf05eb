"""Engines on ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import GraphRecord
from calexnet.runtimes.base import ANSWER, Array, Engine

#: Our names of ONNX Runtime's execution providers.
PROVIDERS = {"cpu": "CPUExecutionProvider"}


class OnnxRuntimeEngine(Engine):
    """One ONNX graph in an inference session.

    A single image runs on buffers that are bound once a thread: at batch 1 the session's own
    copying and dispatch would cost a cascade a percent or two.
    """

    target = "onnxruntime"

    def __init__(self, record: GraphRecord, session: Any) -> None:
        super().__init__(record)
        self._session = session
        self._bindings = threading.local()

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        if len(feeds[self.record.inputs[0].name]) != 1:
            answers: list[Array] = self._session.run(outputs, feeds)
            return answers
        return self._binding(tuple(outputs)).run(feeds)

    def _binding(self, outputs: tuple[str, ...]) -> _Binding:
        """Return this thread's buffers for `outputs`."""
        mine: dict[tuple[str, ...], _Binding] | None = getattr(self._bindings, "by_outputs", None)
        if mine is None:
            mine = self._bindings.by_outputs = {}
        if outputs not in mine:
            mine[outputs] = _Binding(self._session, self.record, outputs)
        return mine[outputs]


class _Binding:
    """Buffers for one image, bound to a session once; for one thread."""

    def __init__(self, session: Any, record: GraphRecord, outputs: tuple[str, ...]) -> None:
        import onnxruntime

        self._session = session
        self._binding = session.io_binding()
        self._inputs: dict[str, Array] = {}
        self._outputs: list[tuple[Array, bool]] = []
        known = {tensor.name: tensor for tensor in record.outputs}
        for name in outputs:
            shape = [1 if isinstance(d, str) else d for d in known[name].shape]
            buffer = np.empty(shape, known[name].dtype)
            # On the CPU this shares the array's memory.
            value = onnxruntime.OrtValue.ortvalue_from_numpy(buffer)
            self._binding.bind_ortvalue_output(name, value)
            self._outputs.append((buffer, name in ANSWER))

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        for name, array in feeds.items():
            # A carried tensor comes in the same buffer each time, a threshold in the same array.
            if self._inputs.get(name) is not array:
                self._binding.bind_cpu_input(name, array)
                self._inputs[name] = array
        self._session.run_with_iobinding(self._binding)
        return [buffer.copy() if answer else buffer for buffer, answer in self._outputs]


def require() -> None:
    """Do nothing if ONNX Runtime can be used here.

    Raises:
        RuntimeUnavailableError: It is not installed, or does not import.
    """
    try:
        import onnxruntime  # noqa: F401
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "ONNX Runtime cannot be used here",
            got=missing,
            fix="Run: pip install 'calexnet[onnxruntime]'",
        ) from missing


def load(
    record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
) -> OnnxRuntimeEngine:
    """Return an engine from a graph's bytes.

    Args:
        record: What the manifest says of it.
        data: The ONNX file's content, already checked.
        provider: One of `PROVIDERS`, ``None`` = cpu.
        threads: Within an operator, ``None`` = all cores.

    Raises:
        InputError: Unknown provider.
        BundleError: ONNX Runtime refuses the graph.
    """
    import onnxruntime

    if provider is not None and provider not in PROVIDERS:
        raise InputError(
            "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # The sessions of a cascade take turns: idle threads of one must not spin against the next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(
            data, options, providers=[PROVIDERS[provider or "cpu"]]
        )
    except Exception as problem:  # onnxruntime's exceptions share no public base
        raise BundleError(
            f"ONNX Runtime {onnxruntime.__version__} refuses {record.file.path}",
            got=str(problem).strip(),
            fix="Update onnxruntime, or export the bundle again",
        ) from problem
    return OnnxRuntimeEngine(record, session)
