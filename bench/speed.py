"""``make bench``: what calexnet itself costs, against plain and against the limit.

Ratios only, from interleaved blocks of one run: the machine may be shared and its clock may swing.
Needs torch, to make the ResNet-18; everything timed runs without.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.bench import statistics
from calexnet.bench.timing import Call, Method, Spent, Task, interleave
from calexnet.bundle import open_bundle
from calexnet.gating import NEVER, ExitTable
from calexnet.runtimes.base import Array
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.trace import SegmentCall

if TYPE_CHECKING:
    from calexnet.cascade import Cascade

#: Share of images that leave at each exit of the ResNet-18 cascade.
EXIT_RATES = (0.4, 0.3, 0.2, 0.1)
_IMAGES = 320


@dataclass(frozen=True)
class Figure:
    """One printed line: a ratio with its interval, and the bar it is held against, if any."""

    what: str
    ratio: statistics.Interval
    limit: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Print all figures; return 0 whether or not they meet their bars."""
    from calexnet.bench import speed_training

    parser = argparse.ArgumentParser(prog="python -m calexnet.bench.speed", description=__doc__)
    parser.add_argument("--digits", type=Path, help="a digits bundle, to print its figures too")
    parser.add_argument("--blocks", type=int, default=15)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "resnet18"
        images = make_resnet18_bundle(bundle)
        export_s = time_tflite_export(bundle)
        figures = list(runner_figures("ResNet-18, 32x32", bundle, images, arguments.blocks, 1.05))
        name, blocks = "ResNet-18, 32x32, tflite", arguments.blocks
        figures += runner_figures(name, bundle, images, blocks, None, target="tflite")
    if arguments.digits is not None:
        digits = _test_digits(arguments.digits)
        figures += runner_figures("digits", arguments.digits, digits, arguments.blocks, None)
    for figure in figures:
        bar = "" if figure.limit is None else f"  (bar {figure.limit:.2f})"
        print(
            f"{figure.what:<66} {figure.ratio.value:5.3f}  "
            f"[{figure.ratio.low:.3f}, {figure.ratio.high:.3f}]{bar}"
        )
    what = "ResNet-18, 32x32: export to tflite from its bundle"
    print(f"{what:<66} {export_s:5.1f} s   (bar 3)")
    speed_training.print_training_figures()
    print_app_figures()
    return 0


def make_resnet18_bundle(folder: Path) -> NDArray[np.uint8]:
    """Export a ResNet-18 cascade with random weights to `folder`; return images to run it on.

    3x3 stem, 32x32, 20 classes, prototype heads at layer1 to layer3, one threshold a branch, set so
    that `EXIT_RATES` of the images returned leave at each exit.
    """
    from calexnet.export.bundle import export_cascade

    images = _random_images(np.random.default_rng(0))
    cascade = _random_cascade(images)
    export_cascade(cascade, "random", folder, target="onnxruntime", input="uint8")
    return images


def time_tflite_export(bundle: Path) -> float:
    """Add target tflite to `bundle`; return the least of three times, in seconds.

    The first also pays for imports, the last ones for what else the machine does.
    """
    from calexnet.export import export_bundle

    times = []
    for _ in range(3):
        start = time.perf_counter()
        export_bundle(bundle, target="tflite")
        times.append(time.perf_counter() - start)
    return min(times)


def runner_figures(
    name: str,
    folder: Path,
    images: NDArray[np.uint8],
    blocks: int,
    limit: float | None,
    target: str = "onnxruntime",
) -> list[Figure]:
    """Return the runner's figures for one bundle on one thread.

    Args:
        name: Of the cascade.
        folder: Its bundle.
        images: uint8 ``(n, H, W, C)``; at least 32.
        blocks: Interleaved blocks.
        limit: The bar.
        target: To run it on.
    """
    runner = load_runner(open_bundle(folder), target, threads=1)
    staying = runner.with_thresholds(np.full(runner.thresholds.shape, NEVER, np.float32))
    figures = []
    for batch, shorter in ((1, 4), (32, 1)):
        # Short rounds, and more of them: a ratio is only as steady as the clock within its block.
        size = 32 // shorter
        rounds = [
            [images[i : i + batch] for i in range(start, start + size, batch)]
            for start in range(0, len(images) - size + 1, size)
        ]
        tasks = {
            "plain": _task(runner.plain, rounds),
            "chain": _task(staying, rounds),
            "cascade": _task(runner, rounds),
            "its segments": _replay(runner, rounds),
        }
        spent = _measure(tasks, blocks * shorter)
        lines: list[tuple[str, str, str, float | None]] = [
            ("chain, nobody exiting / plain", "chain", "plain", limit),
            ("cascade / sum of its segments", "cascade", "its segments", limit),
            ("cascade / plain", "cascade", "plain", None),
        ]
        for what, over, under, bar in lines:
            ratios = spent[over].ms() / spent[under].ms()
            ratio = statistics.typical(ratios, seed=0)
            figures.append(Figure(f"{name}, batch {batch}: {what}", ratio, bar))
    return figures


def print_app_figures() -> None:
    """Print what an app pays: import time over ONNX Runtime's own, and its installs' sizes."""
    times = [_import_ms() for _ in range(7)]
    what = "import calexnet, beyond importing onnxruntime and numpy"
    print(f"{what:<66} {np.median(times):5.1f} ms  (bar 50)")
    for runtime in ("onnxruntime", "ai-edge-litert"):
        size = sum(_size_mb(name) for name in _closure(runtime, "numpy"))
        what = f"an app's install: numpy, {runtime} and what they need, unpacked"
        print(f"{what:<66} {size:5.0f} MB  (bar 200)")


def _measure(tasks: Mapping[str, Task], blocks: int) -> dict[str, Spent]:
    return interleave(tasks, Method(blocks))


def _task(run: Callable[[Array], object], rounds: Sequence[Sequence[Array]]) -> Task:
    """Return `run` on the batches of one round a block."""
    calls: list[list[Call]] = [[partial(run, batch) for batch in batches] for batches in rounds]
    return _in_turn(calls, rounds)


def _replay(runner: Runner, rounds: Sequence[Sequence[Array]]) -> Task:
    """Return the segments' own calls, at just the batch sizes that the cascade gives them."""
    calls: list[list[Call]] = [
        [call for batch in batches for call in _calls_within(runner, batch)] for batches in rounds
    ]
    return _in_turn(calls, rounds)


def _in_turn(calls: Sequence[Sequence[Call]], rounds: Sequence[Sequence[Array]]) -> Task:
    images = sum(len(batch) for batch in rounds[0])
    return Task(lambda block: calls[block % len(calls)], images)


def _calls_within(runner: Runner, batch: Array) -> Iterator[Call]:
    exits = runner(batch).exits
    for number, (call, _) in enumerate(runner.trace(batch), start=1):
        reached = int((exits >= number).sum())
        if reached > 0:
            yield _first_rows(call, reached)


def _first_rows(call: SegmentCall, rows: int) -> SegmentCall:
    feeds = {
        name: array if name == "threshold" else np.ascontiguousarray(array[:rows])
        for name, array in call.feeds.items()
    }
    return replace(call, feeds=feeds)


def _test_digits(bundle: Path) -> NDArray[np.uint8]:
    """Return real test images: noise would leave by other exits."""
    from calexnet import data
    from calexnet.data.split import recorded_test_part

    digits = data.load("digits")
    test = recorded_test_part(digits, open_bundle(bundle).manifest.split)
    return digits.images[test[:_IMAGES]]


def _random_images(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (_IMAGES, 32, 32, 3), dtype=np.uint8)


def _random_cascade(images: NDArray[np.uint8]) -> Cascade:
    import torch

    from calexnet.backbones import BackboneSpec, default_attach
    from calexnet.calibration import operating_point
    from calexnet.cascade import Cascade, CascadeSpec, Samples, build_parts
    from calexnet.data.dataset import Dataset
    from calexnet.data.split import divide
    from calexnet.preprocessing import Preprocessing
    from calexnet.recipe import plan_recipe

    torch.manual_seed(0)
    classes = tuple(str(label) for label in range(20))
    truth = np.zeros(len(images), np.int64)
    data = Dataset("random", images, truth, classes, tuple(map(str, range(len(images)))))
    preprocessing = Preprocessing(32, 32, (0.5,) * 3, (0.25,) * 3)
    backbone, attach = BackboneSpec("resnet18", len(classes)), default_attach("resnet18")
    recipe = plan_recipe()
    frozen, branches = build_parts(backbone, attach, recipe, preprocessing)
    spec = CascadeSpec(
        backbone=backbone,
        attach=attach,
        classes=classes,
        preprocessing=preprocessing,
        recipe=recipe,
        backbone_training=None,
        branches=(),
        operating_points=(),
        default_operating_point="forced",
        split=divide(data, seed=0).record,
    )
    cascade = Cascade(spec, frozen, branches, Samples(images[:32], truth[:32]))
    table = cascade.answer(images)
    point = operating_point("forced", 0.0, _forced(table, len(classes)), table, truth)
    return replace(cascade, spec=replace(spec, operating_points=(point,)))


def _forced(table: ExitTable, classes: int) -> NDArray[np.float32]:
    """Return one threshold a branch, by which `EXIT_RATES` of the samples leave."""
    thresholds = np.empty((table.branches, classes), np.float32)
    alive, left = np.arange(table.labels.shape[1]), 1.0
    for branch, rate in enumerate(EXIT_RATES[:-1]):
        scores = table.scores[branch][alive]
        thresholds[branch] = np.quantile(scores, 1 - rate / left)
        alive, left = alive[scores < thresholds[branch][0]], left - rate
    return thresholds


_IMPORT = """
import time, numpy, onnxruntime
start = time.perf_counter()
import calexnet
calexnet.load  # the runtimes are imported on first use
print((time.perf_counter() - start) * 1e3)
"""


def _import_ms() -> float:
    words = [sys.executable, "-c", _IMPORT]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


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


if __name__ == "__main__":
    sys.exit(main())
