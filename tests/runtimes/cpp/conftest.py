"""The C++ library, built once for all tests; each kind of build has a folder that is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import onnxruntime
import pytest

SOURCE = Path(__file__).resolve().parents[3] / "runtimes/cpp"
BUILDS = SOURCE.parents[1] / "build/cpp"
ORT_INCLUDE = "CALEXNET_ORT_INCLUDE"

#: A kind of build, and the sanitizers that watch it.
SANITIZERS = {"release": "", "sanitized": "address,undefined", "thread": "thread"}


@pytest.fixture(scope="session")
def built() -> Callable[[str], Path]:
    """Gives the folder of a build, one of `SANITIZERS`; made if anything has changed."""

    def folder(kind: str) -> Path:
        headers = Path(os.environ.get(ORT_INCLUDE, ""))
        for tool in ("cmake", "c++"):
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool}")
        if not (headers / "onnxruntime_cxx_api.h").is_file():
            pytest.skip(f"needs {ORT_INCLUDE}, a folder with onnxruntime_cxx_api.h")
        if not Path("/usr/include/nlohmann/json.hpp").is_file():
            pytest.skip("needs nlohmann-json3-dev")
        libraries = [*Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")]
        if not libraries:
            pytest.skip("needs the library in ONNX Runtime's package for Python")
        place = BUILDS / kind
        place.mkdir(parents=True, exist_ok=True)
        with (BUILDS / f"{kind}.lock").open("w") as lock:  # tests may run in several processes
            fcntl.flock(lock, fcntl.LOCK_EX)
            build(place, kind, headers, libraries[0])
        return place

    return folder


def build(place: Path, kind: str, headers: Path, library: Path) -> None:
    """Configure and build in `place`, where links stand for the runtimes' libraries."""
    onnx, lite = place / "libonnxruntime.so.1", place / "libLiteRt.so"
    for link, target in ((onnx, library), (lite, litert())):
        link.unlink(missing_ok=True)
        if target is not None:
            link.symlink_to(target)
    options = [
        "-DCALEXNET_BUILD_TESTS=ON",
        f"-DCALEXNET_SANITIZE={SANITIZERS[kind]}",
        f"-DONNXRUNTIME_INCLUDE={headers}",
        f"-DONNXRUNTIME_LIBRARY={onnx}",
        f"-DLITERT_LIBRARY={lite if lite.exists() else ''}",
    ]
    run("cmake", "-S", SOURCE, "-B", place, *options)
    run("cmake", "--build", place, "--parallel", "2")


def litert() -> Path | None:
    """Return the library in LiteRT's package for Python, in the version that we declare."""
    spec = find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        return None
    library = Path(spec.origin).with_name("libLiteRt.so")
    known = metadata.version("ai-edge-litert").startswith("2.3.")
    return library if known and library.is_file() else None


def run(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Return what a command said; it must end with `code`.

    LeakSanitizer is off: the runtimes keep what they make once until the process ends.
    """
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert code == done.returncode, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def require_runtime(target: str) -> None:
    """Skip where the library is built without the runtime of `target`."""
    if target == "tflite" and litert() is None:
        pytest.skip("needs ai-edge-litert 2.3 with libLiteRt.so")


@pytest.fixture(scope="session")
def release(built: Callable[[str], Path]) -> Path:
    """The build as it is shipped."""
    return built("release")


@pytest.fixture(scope="session")
def sanitized(built: Callable[[str], Path]) -> Path:
    """The build that stops at the first invalid access and undefined behaviour."""
    return built("sanitized")
