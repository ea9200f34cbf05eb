"""Engines on OpenVINO, of the very ONNX files that ONNX Runtime runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import FULL, GraphRecord
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.cache import GraphCache
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.openvino import answers
from calexnet.runtimes.openvino.engine import OpenVinoEngine
from calexnet.runtimes.openvino.executed import layers_of, narrow_answers
from calexnet.runtimes.openvino.library import capabilities, core, version
from calexnet.runtimes.threads import cores

PROVIDERS = ("cpu",)

#: Precision of a build whose graphs are float32 and whose trunk OpenVINO computes in bfloat16.
BF16 = "bf16"


#: Counts what `answers` makes of a graph: kept ones that it made otherwise are not found any more.
_REWRITTEN = 1


class OpenVino(Runtime):
    """Runs target ``openvino``, on the processor.

    Args:
        precision: Of the builds. Left to itself OpenVINO computes float32 graphs in bfloat16 where
            the processor can: here it does so at precision `BF16` alone.
    """

    lane, lazy, keeps = HostLane, True, True

    def __init__(self, precision: str = FULL) -> None:
        self.precision = precision

    def at(self, precision: str) -> OpenVino:
        """See `Runtime`."""
        return OpenVino(precision)

    def require(self) -> None:
        """See `Runtime`; for `BF16` the processor must have it, or it would be slow."""
        core()
        if self.precision == BF16 and "BF16" not in capabilities():
            raise RuntimeUnavailableError(
                f"target openvino cannot run at precision {BF16} here",
                got=f"a processor with {', '.join(capabilities())}",
                expected="one with BF16 (AVX-512 BF16 or AMX on x86, BF16 on Arm)",
                fix="Use --precision fp32 or int8",
            )

    def packages(self) -> tuple[str, ...]:
        """See `Runtime`."""
        return ("openvino",)

    def version(self) -> str:
        """See `Runtime`."""
        return f"openvino-{version()}"

    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> OpenVinoEngine:
        """See `Runtime`."""
        if provider is not None and provider not in PROVIDERS:
            raise InputError(
                "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
            )
        return OpenVinoEngine(record, self._compiled(record, data, threads))

    def load_kept(
        self,
        record: GraphRecord,
        read: Callable[[], bytes],
        cache: GraphCache,
        *,
        threads: int | None,
    ) -> OpenVinoEngine:
        """See `Runtime`; what is kept is of one precision and number of threads."""
        words = f"{_REWRITTEN} {record.file.sha256} {self.precision} {threads or cores()}"
        key = hashlib.sha256(words.encode()).hexdigest()
        if (kept := cache.read(key)) is not None:
            try:
                imported = core().import_model(kept, "CPU", self._options(threads))
                return OpenVinoEngine(record, imported, origin="cache")
            except RuntimeError as problem:  # OpenVINO wrote it: to keep it anew is in vain
                compiled = self._compiled(record, read(), threads)
                return OpenVinoEngine(record, compiled, origin=f"bundle; not kept: {problem}")
        compiled = self._compiled(record, read(), threads)

        def keep(path: Path) -> None:
            path.write_bytes(compiled.export_model().getvalue())

        try:
            cache.write(key, keep)
        except Exception as problem:  # a full disk, or whatever else; the cache is a shortcut
            return OpenVinoEngine(record, compiled, origin=f"bundle; not kept: {problem}")
        return OpenVinoEngine(record, compiled, origin="bundle; kept")

    def _options(self, threads: int | None) -> dict[str, Any]:
        """Return what OpenVINO is told of every graph.

        Its threads are not tied to cores: an app has threads of its own.
        """
        return {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == BF16 else "f32",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads or cores(),
            "ENABLE_CPU_PINNING": False,
        }

    def _compiled(self, record: GraphRecord, data: bytes, threads: int | None) -> Any:
        """Return a graph, compiled.

        Raises:
            BundleError: OpenVINO refuses it.
            RuntimeUnavailableError: At `BF16` this OpenVINO would not keep its answer in float32.
        """
        try:
            model = core().read_model(data)
            answers.let_nan_stay(model)
            if self.precision == BF16:
                model = answers.in_float32(core(), model)
            compiled = core().compile_model(model, "CPU", self._options(threads))
        except RuntimeError as problem:
            raise BundleError(
                f"OpenVINO {version()} refuses {record.file.path}",
                got=" ".join(str(problem).split()),
                fix="Update openvino, or export the bundle again",
            ) from problem
        if self.precision == BF16 and (narrow := narrow_answers(layers_of(compiled))):
            raise RuntimeUnavailableError(
                f"OpenVINO {version()} does not keep the answer of {record.name} in float32",
                got=f"{', '.join(str(layer) for layer in narrow)}",
                fix="Update openvino, or use --precision fp32",
            )
        return compiled
