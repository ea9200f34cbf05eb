"""What an app pays before and besides inference: imports, installs, loading, memory over time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import Figure
from calexnet.bench.model import statistics
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.runner import Runner

_IMPORT = """
import time, numpy, onnxruntime
start = time.perf_counter()
import calexnet
calexnet.load  # the runtimes are imported on first use
print((time.perf_counter() - start) * 1e3)
"""
_LOAD = """
import sys, time, numpy, onnxruntime, calexnet
calexnet.load
start = time.perf_counter()
options = {"cache": sys.argv[2] == "kept", "lazy": sys.argv[2] == "lazy"}
runner = calexnet.load(sys.argv[1], threads=1, **options)
loaded = time.perf_counter()
images = numpy.zeros((1, *runner.preprocessing.batch_shape()), runner.preprocessing.dtype)
staying = runner.with_thresholds(numpy.full(runner.thresholds.shape, numpy.inf))
staying(images)
first = time.perf_counter()
staying(images)
print((loaded - start) * 1e3, (first - loaded) * 1e3, (time.perf_counter() - first) * 1e3)
"""


#: Ways to load, and the words for them.
_HOW = {"fresh": "", "kept": ", graphs kept by an earlier load", "lazy": ", lazy"}


def print_app_figures() -> None:
    """Print import time over ONNX Runtime's own, and installs' sizes."""
    times = [_import_ms() for _ in range(7)]
    what = "import calexnet, beyond importing onnxruntime and numpy"
    print(f"{what:<84} {np.median(times):6.1f} ms  (bar 50)")
    for runtime in ("onnxruntime", "ai-edge-litert"):
        size = sum(_size_mb(name) for name in _closure(runtime, "numpy"))
        what = f"an app's install: numpy, {runtime} and what they need, unpacked"
        print(f"{what:<84} {size:6.0f} MB  (bar 200)")


def print_load_figures(name: str, bundle: Path, repeats: int = 7) -> None:
    """Print what loading and the first call take, each time in a process of its own.

    Ways to load are taken by turns: the machine may be shared.
    """
    with tempfile.TemporaryDirectory() as cache:
        _load_ms(bundle, "kept", cache)  # fills it
        rounds = [{how: _load_ms(bundle, how, cache) for how in _HOW} for _ in range(repeats)]
    columns = ("load", "first call, batch 1", "second call")
    for how, words in _HOW.items():
        times = np.array([one[how] for one in rounds])
        for what, column in zip(columns, times.T, strict=True):
            print(f"{f'{name}: {what}{words}':<84} {np.median(column):6.1f} ms")
        ratio = times[:, 0] / np.array([one["fresh"][0] for one in rounds])
        if how != "fresh":
            what = f"{name}: load{words} / load"
            print(Figure(what, statistics.typical(ratio, seed=0)))


def resident_growth(runner: Runner, images: NDArray[np.uint8], inferences: int) -> float:
    """Return how much resident memory grows over many inferences, relative.

    Batches of one to 64 images, as they come; growth counts from a tenth of them on, by when every
    batch size has been met.

    Args:
        runner: To run.
        images: To draw batches from.
        inferences: How many images to answer.
    """
    rng = np.random.default_rng(0)
    after = _answer_images(runner, images, inferences // 10, rng)
    before_bytes = _resident_bytes()
    _answer_images(runner, images, inferences - after, rng)
    return _resident_bytes() / before_bytes - 1.0


def _answer_images(runner: Runner, images: Array, inferences: int, rng: np.random.Generator) -> int:
    done = 0
    while done < inferences:
        first = int(rng.integers(len(images) - 64))
        done += len(runner(images[first : first + int(rng.integers(1, 65))]).labels)
    return done


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _import_ms() -> float:
    return _printed(_IMPORT)[0]


def _load_ms(bundle: Path, how: str, cache: str) -> list[float]:
    return _printed(_LOAD, str(bundle), how, XDG_CACHE_HOME=cache)


def _printed(code: str, *words: str, **environment: str) -> list[float]:
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}
    )
    return [float(word) for word in done.stdout.split()]


def _closure(*packages: str) -> set[str]:
    """Return the packages that an install of `packages` brings, themselves included."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = list(packages)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in metadata.requires(name) or []]
            waiting += [
                r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})
            ]
    return found


def _size_mb(package: str) -> float:
    """Return the size of an installed package's files."""
    files = metadata.files(package) or []
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
