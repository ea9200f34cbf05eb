"""One ONNX graph to one engine, with TensorRT from 10.3 on or with TensorRT-RTX.

Both have the same interface, so the module comes as an argument. Used is what 10.3 and 11 have in
common: precision stands in the graph (casts, QuantizeLinear) and networks are strongly typed, since
version 11 has no other kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calexnet.errors import ExportError, InputError
from calexnet.export.graph.portable import PortableGraph
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt.profile import Profile
from calexnet.files.storage import staged_file
from calexnet.manifest import TensorRecord
from calexnet.runtimes.tensorrt.library import not_started, title
from calexnet.runtimes.tensorrt.log import recording_log


def build_engine(
    trt: Any, graph: PortableGraph, profile: Profile, settings: EngineSettings
) -> bytes:
    """Return the engine of `graph`.

    Args:
        trt: The module `tensorrt` or `tensorrt_rtx`.
        graph: At any precision.
        profile: The batch sizes to build for.
        settings: The user's.

    Raises:
        RuntimeUnavailableError: TensorRT does not start here.
        ExportError: The graph has what TensorRT lacks, or cannot be built.
        InputError: A timing cache of another GPU or version.
    """
    log = recording_log(trt)
    since = log.mark()
    builder = _builder(trt, log, since)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, log)  # owns the weights until the engine is built
    if not parser.parse(graph.data):
        raise _refusal(trt, parser, graph.name)
    _check_tensors(trt, network, graph)
    config = _config(trt, builder, settings)
    if not _add_profile(builder, config, graph.inputs, profile):
        raise ExportError(
            f"{title(trt)} refuses the batch sizes of {graph.name}",
            got=log.text(since),
            expected=f"batches of 1 to {profile.largest}, best at {profile.best}",
            fix="Try other sizes with --batch",
        )
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(
            f"{title(trt)} cannot build {graph.name}",
            got=log.text(since),
            fix="If memory is short: a smaller --batch, or a limit by --workspace-mib",
        )
    _keep_timings(config, settings.timing_cache)
    return bytes(plan)


def _check_tensors(trt: Any, network: Any, graph: PortableGraph) -> None:
    """Do nothing if the network reads and gives what the manifest says: buffers are made for it.

    Raises:
        ExportError: It does not.
    """
    found = [
        *(network.get_input(index) for index in range(network.num_inputs)),
        *(network.get_output(index) for index in range(network.num_outputs)),
    ]
    seen = {tensor.name: np.dtype(trt.nptype(tensor.dtype)).name for tensor in found}
    expected = {tensor.name: tensor.dtype for tensor in (*graph.inputs, *graph.outputs)}
    if seen != expected:
        raise ExportError(
            f"{title(trt)} reads {graph.name} otherwise", got=seen, expected=f"{expected}"
        )


def _builder(trt: Any, log: Any, since: int) -> Any:
    try:
        return trt.Builder(log)
    except TypeError as nothing:  # what the bindings make of a null pointer
        raise not_started(trt, log.text(since)) from nothing


def _refusal(trt: Any, parser: Any, name: str) -> ExportError:
    """Return the error that names the operators which the parser refused."""
    errors = map(parser.get_error, range(parser.num_errors))
    return ExportError(
        f"{title(trt)} cannot take {name}",
        got="; ".join(map(_words, errors)),
        expected="operators that its ONNX parser supports",
        fix="Replace them in the network; a bundle of an older calexnet: export its run again",
    )


def _words(error: Any) -> str:
    """Return operator, node, kind and reason; without the library's traces of its own source."""
    lines = [line for line in error.desc().splitlines() if line and not line.startswith("[")]
    kind = error.code().name.lower().replace("_", " ")
    return f"{error.node_operator()}, node {error.node_name()!r}, {kind}: {'; '.join(lines)}"


def _config(trt: Any, builder: Any, settings: EngineSettings) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # float32 in the graph means float32
    if settings.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mib * 2**20)
    if settings.timing_cache is not None:
        _use_timings(trt, config, settings.timing_cache)
    return config


def _use_timings(trt: Any, config: Any, path: Path) -> None:
    cache = config.create_timing_cache(path.read_bytes() if path.exists() else b"")
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        raise InputError(
            f"the timing cache {path} cannot be used",
            got="a file that this TensorRT on this GPU did not write",
            fix="Name another file, or remove this one",
        )


def _keep_timings(config: Any, path: Path | None) -> None:
    if path is not None:
        with staged_file(path) as stage:
            stage.write_bytes(config.get_timing_cache().serialize())


def _add_profile(
    builder: Any, config: Any, inputs: tuple[TensorRecord, ...], profile: Profile
) -> bool:
    """Let the engine take every batch of `profile`; return whether TensorRT agrees."""
    batches = builder.create_optimization_profile()
    for tensor in inputs:
        if (shapes := profile.shapes(tensor)) is not None:
            batches.set_shape(tensor.name, *shapes)
    return bool(config.add_optimization_profile(batches) == 0)
