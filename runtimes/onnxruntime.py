"""Engines on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import GraphRecord, TensorRecord
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.base import Array, Engine, Signature
from calexnet.runtimes.engines.cache import GraphCache
from calexnet.runtimes.lanes.host import HostLane

#: Our names of ONNX Runtime's execution providers; what TensorRT leaves goes to CUDA.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}

#: What they are told. CUDA would round float32 products to TF32's ten bits where a GPU has it, so
#: that fp32 would not decide as it does elsewhere.
_OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}


class OnnxRuntimeEngine(Engine):
    """One ONNX graph in an inference session, on one of `PROVIDERS`.

    Attributes:
        origin: Where the graph came from: the bundle, or a cache, and if not, why.
    """

    target = "onnxruntime"

    def __init__(
        self, record: GraphRecord, session: Any, provider: str = "cpu", origin: str = "bundle"
    ) -> None:
        super().__init__(record)
        self.provider = provider
        self.origin = origin
        self._session = session

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        answers: list[Array] = self._session.run(outputs, feeds)
        return answers

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Bind the arrays to the session once: a call then costs no copy and little dispatch.

        That holds on the processor. For a GPU an input is copied there when it is bound, not when
        the session runs; so inputs are bound anew for every call.
        """
        import onnxruntime

        binding = self._session.io_binding()
        for name, array in outputs.items():
            # In host memory, whose array it shares; a GPU's answer is copied there by each run.
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
            binding.bind_ortvalue_output(name, value)
        run = partial(self._session.run_with_iobinding, binding)

        def take_inputs() -> None:
            for name, array in feeds.items():
                binding.bind_cpu_input(name, array)

        def call() -> None:
            take_inputs()
            run()

        if self.provider != "cpu":
            return call
        take_inputs()
        return run


class OnnxRuntime(Runtime):
    """Runs target ``onnxruntime``, on one of `PROVIDERS`."""

    lane, lazy, keeps = HostLane, True, True

    def require(self) -> None:
        """See `Runtime`."""
        try:
            import onnxruntime  # noqa: F401
        except ImportError as missing:
            raise RuntimeUnavailableError(
                "ONNX Runtime cannot be used here",
                got=missing,
                fix="Run: pip install 'calexnet[onnxruntime]'",
            ) from missing

    def packages(self) -> tuple[str, ...]:
        """See `Runtime`."""
        return ("onnxruntime",)

    def version(self) -> str:
        """See `Runtime`."""
        import onnxruntime

        return f"onnxruntime-{onnxruntime.__version__}"

    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> OnnxRuntimeEngine:
        """See `Runtime`; a provider that would leave work to the processor is refused."""
        provider = provider or "cpu"
        if provider not in PROVIDERS:
            raise InputError(
                "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
            )
        options = session_options(threads)
        if provider != "cpu":
            return OnnxRuntimeEngine(record, _on_gpu(record, data, options, provider), provider)
        return OnnxRuntimeEngine(record, _session(record, data, options))

    def load_kept(
        self,
        record: GraphRecord,
        read: Callable[[], bytes],
        cache: GraphCache,
        *,
        threads: int | None,
    ) -> OnnxRuntimeEngine:
        """See `Runtime`."""
        import onnxruntime

        kept = cache.read(record.file.sha256)
        if kept is not None:
            options = session_options(threads)
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            try:
                return OnnxRuntimeEngine(record, _session(record, kept, options), origin="cache")
            except BundleError as problem:  # ONNX Runtime wrote it: to keep it anew is in vain
                session = _session(record, read(), session_options(threads))
                return OnnxRuntimeEngine(record, session, origin=f"bundle; not kept: {problem}")
        data, made = read(), []

        def open_and_keep(path: Path) -> None:
            options = session_options(threads)
            options.optimized_model_filepath = str(path)
            made.append(_session(record, data, options))

        try:
            cache.write(record.file.sha256, open_and_keep)
        except Exception as problem:  # a full disk, or whatever else; the cache is a shortcut
            session = made[0] if made else _session(record, data, session_options(threads))
            return OnnxRuntimeEngine(record, session, origin=f"bundle; not kept: {problem}")
        return OnnxRuntimeEngine(record, made[0], origin="bundle; kept")

    def signature(self, data: bytes) -> Signature:
        """See `Runtime`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(data, options, providers=[*PROVIDERS["cpu"]])
        return Signature(
            tuple(map(_tensor, session.get_inputs())), tuple(map(_tensor, session.get_outputs()))
        )


class AsWritten(OnnxRuntime):
    """Runs graphs operator by operator on the processor, unoptimised.

    It computes the same, but sums in another order: where the two differ, that is rounding.
    """

    keeps = False

    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> OnnxRuntimeEngine:
        """See `Runtime`; there is one provider, the processor."""
        import onnxruntime

        options = session_options(threads)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return OnnxRuntimeEngine(record, _session(record, data, options))


def gpu_providers() -> tuple[str, ...]:
    """Return those of `PROVIDERS` for GPUs that this ONNX Runtime was built with.

    Whether they work here shows when they load a graph.
    """
    import onnxruntime

    built = onnxruntime.get_available_providers()
    return tuple(name for name, wanted in PROVIDERS.items() if name != "cpu" and wanted[0] in built)


def session_options(threads: int | None) -> Any:
    """Return the options of every session of ours on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # The sessions of a cascade take turns: idle threads of one must not spin against the next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _session(record: GraphRecord, data: bytes, options: Any) -> Any:
    """Return a session on the processor.

    Raises:
        BundleError: ONNX Runtime refuses the graph.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(data, options, providers=[*PROVIDERS["cpu"]])
    except Exception as problem:  # onnxruntime's exceptions share no public base
        raise BundleError(
            f"ONNX Runtime {onnxruntime.__version__} refuses {record.file.path}",
            got=str(problem).strip(),
            fix="Update onnxruntime, or export the bundle again",
        ) from problem


def _on_gpu(record: GraphRecord, data: bytes, options: Any, provider: str) -> Any:
    """Return a session of which no operator runs on the processor.

    Left to itself ONNX Runtime falls back to the processor, and says that all is well.

    Raises:
        RuntimeUnavailableError: The provider is not there, finds no GPU, or lacks an operator.
    """
    import onnxruntime

    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    wanted, problem = PROVIDERS[provider], ""
    if wanted[0] not in onnxruntime.get_available_providers():
        problem = f"a build with {', '.join(onnxruntime.get_available_providers())}"
    else:
        try:
            told = [(name, _OPTIONS.get(name, {})) for name in wanted]
            session = onnxruntime.InferenceSession(data, options, providers=told, enable_fallback=0)
            if session.get_providers()[0] == wanted[0]:
                return session
            problem = f"{', '.join(session.get_providers())} in its place"
        except Exception as refusal:  # onnxruntime's exceptions share no public base
            problem = " ".join(str(refusal).split())
    raise RuntimeUnavailableError(
        f"ONNX Runtime {onnxruntime.__version__} does not run {record.name} on provider {provider}",
        got=problem,
        expected=f"{wanted[0]}, and nothing left to the processor",
        fix="Check the GPU with nvidia-smi; then run: pip uninstall onnxruntime; pip install "
        "'onnxruntime-gpu[cuda,cudnn]' (on a Jetson NVIDIA's own wheel); or leave out --provider",
    )


def _tensor(argument: Any) -> TensorRecord:
    """Return the record of a session's input or output, its dtype as numpy calls it."""
    kind = str(argument.type).removeprefix("tensor(").removesuffix(")")
    dtype = {"float": "float32", "double": "float64"}.get(kind, kind)
    shape = tuple(d if isinstance(d, int) else str(d or "?") for d in argument.shape)
    return TensorRecord(argument.name, dtype, shape)
