"""What the builder refuses, in the words of the real TensorRT-RTX; and what it is told to do."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx
import pytest

from calexnet.errors import ExportError, InputError, RuntimeUnavailableError
from calexnet.export.graph.portable import PortableGraph
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import Profile
from calexnet.manifest import TensorRecord
from calexnet.runtimes.tensorrt.log import recording_log

USUAL, FEW = EngineSettings(), Profile(2, 4)


@pytest.fixture(scope="module")
def trt() -> Any:
    """The real TensorRT-RTX."""
    return pytest.importorskip(
        "tensorrt_rtx", reason="needs TensorRT-RTX: pip install 'calexnet[tensorrt-rtx]'"
    )


def graph(text: str, width: int = 5000, name: str = "segment1") -> PortableGraph:
    """Return the graph of `text`, whose input x and output y are float32 ``(n, width)``."""
    model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]> ' + text)
    for number, node in enumerate(model.graph.node):
        node.name = f"node{number}"
    x, y = (TensorRecord(tensor, "float32", ("n", width)) for tensor in "xy")
    return PortableGraph(name, model.SerializeToString(), (x,), (y,))


COPY = graph("g (float[n,5000] x) => (float[n,5000] y) { y = Neg(x) }")


def test_an_operator_that_it_lacks_is_refused_by_name_and_node(trt: Any) -> None:
    lacking = graph("g (float[n,5000] x) => (float[n,5000] y) { a = Neg(x) y = Det(a) }")

    with pytest.raises(
        ExportError,
        match=r"^TensorRT-RTX 1\.[0-9.]+ cannot take segment1: got Det, node 'node1', unsupported "
        r"node: .*; expected operators that its ONNX parser supports\. Replace them in the network",
    ):
        build_engine(trt, lacking, FEW, USUAL)


def test_bytes_that_are_turned_before_they_are_cast_are_refused(trt: Any) -> None:
    """As bundles of older versions do; the message says what to do with them."""
    nodes = "a = Transpose<perm=[0,2,1]>(x) y = Cast<to=1>(a)"
    text = f"g (uint8[n,3,4] x) => (float[n,4,3] y) {{ {nodes} }}"

    with pytest.raises(
        ExportError,
        match=r"Transpose, node 'node0', .*a bundle of an older "
        r"calexnet: export its run again\.$",
    ):
        build_engine(trt, graph(text), FEW, USUAL)


def test_what_is_no_graph_is_refused(trt: Any) -> None:
    with pytest.raises(ExportError, match=r"cannot take segment1: .*Failed to parse the ONNX mod"):
        build_engine(trt, PortableGraph("segment1", b"junk", (), ()), FEW, USUAL)


def test_a_failed_build_carries_the_log_of_that_build_alone(trt: Any) -> None:
    sorting = graph(
        "g (float[n,5000] x) => (float[n,4000] y) <int64[1] k = {4000}> { y, z = TopK(x, k) }"
    )
    with pytest.raises(ExportError):
        build_engine(trt, PortableGraph("plain", b"junk", (), ()), FEW, USUAL)

    with pytest.raises(ExportError) as caught:
        build_engine(trt, sorting, FEW, USUAL)

    message = str(caught.value)
    assert "cannot build segment1: got " in message
    assert "K exceeds the maximum value allowed (3840)" in message
    assert "Failed to parse" not in message
    assert message.endswith("If memory is short: a smaller --batch, or a limit by --workspace-mib.")


def test_after_a_refusal_the_next_graph_builds(trt: Any) -> None:
    with pytest.raises(ExportError):
        build_engine(trt, PortableGraph("plain", b"junk", (), ()), FEW, USUAL)

    assert build_engine(trt, COPY, FEW, EngineSettings(workspace_mib=64))


def test_there_is_one_log_in_a_process_and_it_tells_what_was_said_since_a_mark(trt: Any) -> None:
    log = recording_log(trt)
    log.log(trt.ILogger.Severity.ERROR, "of an earlier call")
    since = log.mark()
    for severity in ("INFO", "WARNING", "ERROR", "WARNING"):
        log.log(getattr(trt.ILogger.Severity, severity), f"some  {severity}\n")

    assert log is recording_log(trt)
    assert "some WARNING; some ERROR" == log.text(since)
    assert "nothing in its log" == log.text(log.mark())


class Recorder:
    """A stand-in for TensorRT's builder, network, parser and config: it keeps what it is told."""

    def __init__(self, said: list[tuple[Any, ...]], fits: bool = True) -> None:
        self.said, self.fits = said, fits
        self.profile = 0
        self.num_inputs = self.num_outputs = 0

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any, **more: Any) -> Any:
            self.said.append((name, *words, *more.values()))
            answers = {
                "parse": True,
                "add_optimization_profile": self.profile,
                "set_timing_cache": self.fits,
                "build_serialized_network": b"plan",
                "serialize": b"timings",
            }
            return answers.get(name, self)

        return call


@pytest.fixture
def recorder() -> tuple[Any, Recorder]:
    """A module like `tensorrt` whose every object is one recorder."""
    record, module = Recorder([]), ModuleType("tensorrt")
    vars(module).update(
        __version__="10.3.0",
        Builder=lambda log: record,
        OnnxParser=lambda network, log: record,
        ILogger=type("ILogger", (), {"Severity": SimpleNamespace(WARNING=2)}),
        BuilderFlag=SimpleNamespace(TF32="tf32"),
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
    )
    return module, record


def told(recorder: tuple[Any, Recorder], settings: EngineSettings) -> list[tuple[Any, ...]]:
    """Return what the stand-in was told to make of a graph that it takes for empty."""
    module, record = recorder
    empty = PortableGraph("plain", b"graph", (), ())
    assert b"plan" == build_engine(module, empty, FEW, settings)
    return [words for words in record.said if words[0] != "create_optimization_profile"]


def test_the_network_is_strongly_typed_and_float32_is_not_rounded(
    recorder: tuple[Any, Recorder],
) -> None:
    said = told(recorder, USUAL)

    assert ("create_network", 2) == said[0]
    assert ("parse", b"graph") == said[1]
    assert ("clear_flag", "tf32") in said
    assert "set_memory_pool_limit" not in [words[0] for words in said]
    assert "set_timing_cache" not in [words[0] for words in said]


def test_a_workspace_is_given_in_bytes(recorder: tuple[Any, Recorder]) -> None:
    said = told(recorder, EngineSettings(workspace_mib=512))

    assert ("set_memory_pool_limit", "workspace", 512 * 2**20) in said


def test_timings_are_read_if_there_are_any_and_kept(
    recorder: tuple[Any, Recorder], tmp_path: Path
) -> None:
    path = tmp_path / "timings"
    settings = EngineSettings(timing_cache=path)

    said = told(recorder, settings)
    assert ("create_timing_cache", b"") in said
    assert ("set_timing_cache", recorder[1], False) in said
    assert b"timings" == path.read_bytes()

    said = told(recorder, settings)
    assert ("create_timing_cache", b"timings") in said


def test_timings_of_another_machine_are_refused(
    recorder: tuple[Any, Recorder], tmp_path: Path
) -> None:
    path = tmp_path / "timings"
    path.write_bytes(b"of another")
    recorder[1].fits = False

    with pytest.raises(
        InputError, match=r"^the timing cache .*timings cannot be used: .*\. Name another file"
    ):
        told(recorder, EngineSettings(timing_cache=path))

    assert b"of another" == path.read_bytes()


def test_batch_sizes_that_it_refuses_are_told_with_the_log(recorder: tuple[Any, Recorder]) -> None:
    module, record = recorder
    record.profile = -1

    def builder(log: Any) -> Recorder:
        log.log(1, "shapes of x do not match")
        return record

    module.Builder = builder

    with pytest.raises(
        ExportError,
        match=r"^TensorRT 10\.3\.0 refuses the batch sizes of plain: got shapes of x do not match; "
        r"expected batches of 1 to 4, best at 2\. Try other sizes with --batch\.$",
    ):
        told(recorder, USUAL)


def test_a_builder_that_is_not_made_is_told_with_what_it_said(
    recorder: tuple[Any, Recorder],
) -> None:
    module, _ = recorder

    def nothing(log: Any) -> None:
        log.log(1, "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    module.Builder = nothing

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^TensorRT 10\.3\.0 does not start: got CUDA initialization failure with error: 35; "
        r"expected a GPU, and a driver for .*nvidia-smi",
    ):
        build_engine(module, COPY, FEW, USUAL)
