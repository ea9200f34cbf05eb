"""Every name and argument that calexnet uses of TensorRT, in NVIDIA's real Python bindings.

The bindings of 11.4 and 10.3 are imported over libraries that gcc makes here and that answer with
nothing. Their wheels are looked for in the folder that CALEXNET_TENSORRT_WHEELS names; `make
tensorrt` fetches them.
"""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import tensorrt_stand_in
from tests.support.gpu_stand_in import ask, build

ROOT = Path(__file__).resolve().parents[3]
WHEELS = "CALEXNET_TENSORRT_WHEELS"
#: NVIDIA's wheels of 10.3 are for Python 3.10 to 3.12.
VERSIONS = ["11.4", *(["10.3"] if sys.version_info < (3, 13) else [])]

#: By file: what a variable is; `trt` is the module itself.
USED = {
    "export/tensorrt/builder.py": {
        "trt": "",
        "builder": "Builder",
        "network": "INetworkDefinition",
        "parser": "OnnxParser",
        "config": "IBuilderConfig",
        "batches": "IOptimizationProfile",
        "error": "ParserError",
    },
    "runtimes/tensorrt/__init__.py": {"trt": "", "engine": "ICudaEngine"},
    "runtimes/tensorrt/library.py": {"trt": ""},
    "runtimes/tensorrt/log.py": {"trt": ""},
    "runtimes/tensorrt/engine.py": {"_engine": "ICudaEngine", "context": "IExecutionContext"},
}
#: What is used without a variable in between.
CHAINED = {
    ("ITimingCache.serialize", 0),
    ("Runtime.deserialize_cuda_engine", 1),
    ("ITensor.name", None),
    ("ITensor.dtype", None),
}

_DUMP = r"""
import importlib, inspect, re
sys.path.insert(0, sys.argv[2])
trt = importlib.import_module(sys.argv[1])

def arguments(text):
    parts = re.split(r", (?=\w+(?::|=|,|$))", text)
    return [part.partition(":")[0].partition("=")[0].strip() for part in parts if part]

def look(path):
    found = trt
    for part in path.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    name = path.rpartition(".")[2]
    if inspect.isclass(found):
        name, found = "__init__", found.__init__
    if not callable(found):
        return []
    if inspect.isfunction(found):
        return [list(inspect.signature(found).parameters)]
    signatures = re.findall(rf"\b{name}\((self: .*?)\) ->", found.__doc__ or "")
    return [arguments(text)[1:] for text in signatures]

show(version=trt.__version__, **{path: look(path) for path in sys.argv[3:]})
"""


def used() -> set[tuple[str, int | None]]:
    """Return what the code uses of TensorRT: a path below the module, and how many arguments."""
    found: set[tuple[str, int | None]] = set(CHAINED)
    for file, variables in USED.items():
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or id(node) in inner:
                continue
            path = list(_path(node))
            if path[0] == "self":
                del path[0]
            if path[0] in variables and len(path) > 1 and not path[1].startswith("__"):
                call = calls.get(id(node))
                count = None if call is None else len(call.args) + len(call.keywords)
                name = ".".join(part for part in (variables[path[0]], *path[1:]) if part)
                found.add((name, count))
    return found


def _path(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield from _path(node.value)
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    else:
        yield ""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of libraries of both versions that answer with nothing."""
    folder = tmp_path_factory.mktemp("libraries")
    for version in (10, 11):
        for name in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
            build(ROOT / "tests/support/tensorrt_libraries.c", folder, f"lib{name}.so.{version}")
    return folder


@pytest.fixture(scope="module", params=[*VERSIONS, "rtx"])
def module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """The name of a module of NVIDIA's, and the folder to find it in."""
    if request.param == "rtx":
        pytest.importorskip(
            "tensorrt_rtx", reason="needs TensorRT-RTX: pip install 'calexnet[tensorrt-rtx]'"
        )
        return "tensorrt_rtx", ""
    wheels = sorted(Path(os.environ.get(WHEELS, "none")).glob(f"tensorrt_*-{request.param}*.whl"))
    if not wheels:
        pytest.skip(f"needs the wheel of TensorRT's bindings {request.param} in {WHEELS}")
    folder = tmp_path_factory.mktemp("bindings")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(folder)
    return "tensorrt_bindings", str(folder)


@pytest.fixture(scope="module")
def bindings(module: tuple[str, str], libraries: Path) -> dict[str, Any]:
    """The arguments that the bindings say they take, by path: a list an overload."""
    paths = sorted({name for name, _ in used()} | {path for path, _ in stand_ins()})
    return ask(libraries, _DUMP, *module, *paths)


def test_what_the_code_uses_is_found_in_it() -> None:
    """So that the tests below look at something."""
    found = used()

    assert {
        ("Builder", 1),
        ("BuilderFlag.TF32", None),
        ("IBuilderConfig.set_timing_cache", 2),
        ("ICudaEngine.create_execution_context", 0),
        ("IExecutionContext.execute_async_v3", 1),
        ("ILogger.Severity.WARNING", None),
        ("IOptimizationProfile.set_shape", 2),
        ("NetworkDefinitionCreationFlag.STRONGLY_TYPED", None),
        ("OnnxParser.num_errors", None),
        ("ParserError.node_operator", 0),
        ("nptype", 1),
    } <= found
    assert 30 < len(found) < 60


def test_every_name_is_there_and_takes_as_many_arguments(bindings: dict[str, Any]) -> None:
    for name, count in used():
        signatures = bindings[name]
        assert signatures is not None, f"{name} is missing in {bindings['version']}"
        starred = name == "IOptimizationProfile.set_shape"  # *shapes: three
        if count is not None:
            wanted = count + 2 if starred else count
            assert any(wanted <= len(given) for given in signatures), (name, signatures)


_START = """
import importlib
sys.path.insert(0, sys.argv[2])
trt = importlib.import_module(sys.argv[1])
from calexnet.errors import RuntimeUnavailableError
from calexnet.export.graph.portable import PortableGraph
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import Profile
from calexnet.runtimes.tensorrt import _runtime
said = []
for start in (
    lambda: build_engine(trt, PortableGraph("plain", b"", (), ()), Profile(1, 1), EngineSettings()),
    lambda: _runtime(trt),
):
    try:
        start()
    except RuntimeUnavailableError as refusal:
        said.append(str(refusal))
show(version=trt.__version__, said=said)
"""


def test_a_library_that_does_not_start_is_told(module: tuple[str, str], libraries: Path) -> None:
    """What the bindings raise then is a TypeError about null pointers."""
    if module[0] == "tensorrt_rtx":
        pytest.skip("TensorRT-RTX starts without a GPU")

    found = ask(libraries, _START, *module)

    words = f"tensorrt_bindings {found['version']} does not start: got nothing in its log; expected"
    assert [True, True] == [message.startswith(words) for message in found["said"]]


def stand_ins() -> list[tuple[str, list[str]]]:
    """Return the methods of the stand-in by path, with the names of their arguments."""
    found = []
    module = tensorrt_stand_in.module(tensorrt_stand_in.Cuda())
    for name, kind in vars(module).items():
        if inspect.isclass(kind) and kind is not tensorrt_stand_in.BuilderNames:
            for method, function in vars(kind).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    found.append((f"{name}.{method}", [*inspect.signature(function).parameters]))
    return found


def test_the_stand_in_takes_what_the_real_one_takes(bindings: dict[str, Any]) -> None:
    """Under the same names, but for what only the stand-in has."""
    own = {"ICudaEngine.compute", "ILogger.log"}
    compared = 0
    for path, (_, *mine) in stand_ins():
        if path not in own:
            assert any(mine == real[: len(mine)] for real in bindings[path]), (path, bindings[path])
            compared += 1
    assert 12 < compared


def test_the_stand_in_for_cuda_takes_what_cudas_bindings_take() -> None:
    real = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")

    for name, function in vars(tensorrt_stand_in.Cuda).items():
        if name.startswith("cuda") and inspect.isfunction(function):
            _, *mine = inspect.signature(function).parameters
            assert mine == [*inspect.signature(getattr(real, name)).parameters], name
    assert real.cudaStreamNonBlocking == tensorrt_stand_in.Cuda.cudaStreamNonBlocking
    for kind in tensorrt_stand_in.Kind:
        assert int(kind) == int(getattr(real.cudaMemcpyKind, kind.name))
    error = real.cudaError_t
    assert int(error.cudaErrorMemoryAllocation) == int(tensorrt_stand_in.Status.MEMORY_ALLOCATION)


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "code", "word"), [("", 0, "skipped"), ("1", 1, "error")])
def test_what_is_missing_fails_where_nothing_may_be(
    tmp_path: Path, setting: str, code: int, word: str
) -> None:
    """As for `make tensorrt`: else it would pass without having looked at anything."""
    name = test_every_name_is_there_and_takes_as_many_arguments.__name__
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(f"{Path(__file__).relative_to(ROOT)}::{name}[11.4]", "--rootdir", str(ROOT)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, WHEELS: str(tmp_path), "CALEXNET_NOTHING_MISSING": setting},
    )

    assert code == done.returncode, done.stdout
    assert f"1 {word}" in done.stdout
    assert "needs the wheel of TensorRT's bindings 11.4" in done.stdout
