"""``make bench``: what calexnet itself costs, against plain and against the limit.

Ratios from interleaved blocks of one run: the machine may be shared and its clock may swing.
Needs torch, to make the networks; everything timed runs without.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import app as speed_app
from benchmarks import native as speed_native
from benchmarks import profile as speed_profile
from benchmarks import report as speed_report
from benchmarks import runner as speed_runner
from benchmarks import sizes as speed_sizes
from benchmarks.runner import Figure, forced
from calexnet.bench.report.interval import Interval
from calexnet.bundle import open_bundle
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner

_CHAIN, _SUM = "chain, nobody exiting / plain", "cascade / sum of its segments"
#: Batch size -> what the runner may cost there.
_BARS = {1: {_CHAIN: 1.05, _SUM: 1.02}, 8: {_CHAIN: 1.05, _SUM: 1.05}, 32: {_SUM: 1.05}}
_LARGE_BARS = {1: {_CHAIN: 1.03, _SUM: 1.02}, 8: {_SUM: 1.05}, 32: {_SUM: 1.05}}
_OWN_COST_US, _IMPLIED = 10.0, 0.95
_THREADS = ((1, "one thread"), (None, "all cores"))
_MILLION = 1_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Print all figures; return 0 whether or not they meet their bars."""
    from benchmarks import training as speed_training

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--digits", type=Path, help="a digits bundle, to print its figures too")
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument(
        "--profile", action="store_true", help="print where a chain's time goes instead"
    )
    arguments = parser.parse_args(argv)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.profile:
            _print_profiles(Path(folder))
            return 0
        for figure in _network_figures(Path(folder), arguments.blocks):
            print(figure, flush=True)
    if arguments.digits is None:
        print("No figures of the digits: run make demo first, or name their bundle with --digits")
    else:
        for figure in _digits_figures(arguments.digits, arguments.blocks):
            print(figure, flush=True)
    speed_training.print_training_figures()
    speed_native.print_figures()
    speed_app.print_app_figures()
    print(f"All in {time.perf_counter() - start:.0f} s.")
    return 0


def _print_profiles(folder: Path) -> None:
    """Print the profiles of the networks that have bars for the chain, one image a call."""
    from benchmarks import networks

    for network, runs in ((networks.RESNET18, 100), (networks.RESNET18_LARGE, 30)):
        bundle, images = _made(network, folder)
        for threads, word in _THREADS:
            found = speed_profile.profile(open_bundle(bundle), images[:1], threads, runs)
            print(f"{network.name}, {word}", *speed_profile.table(found), sep="\n", flush=True)


def _network_figures(folder: Path, blocks: int) -> Iterator[Figure]:
    """Yield the figures of networks with random weights, each exported once."""
    yield from _small_figures(folder, blocks)
    yield from _main_figures(folder, blocks)
    yield from _depthwise_figures(folder, blocks)
    yield from _large_figures(folder, blocks)


def _small_figures(folder: Path, blocks: int) -> Iterator[Figure]:
    """Yield what the runner costs where segments cost little."""
    from benchmarks import networks

    bundle, images = _made(networks.RESNET8, folder)
    name = networks.RESNET8.name
    _time_tflite_export(bundle)
    for target in ("onnxruntime", "tflite"):
        runner, label = _runner(bundle, target), f"{name}, {target}"
        yield speed_runner.own_cost(label, runner, images, 4 * blocks, _OWN_COST_US)
    yield from speed_sizes.size_figures(name, _runner(bundle, "tflite"), images, 4 * blocks)


def _main_figures(folder: Path, blocks: int) -> Iterator[Figure]:
    """Yield the figures of the one network that every runtime, precision and layout runs."""
    from benchmarks import networks
    from calexnet.export import export_if

    bundle, images = _made(networks.RESNET18, folder)
    name, few = networks.RESNET18.name, _few(blocks)
    speed_app.print_load_figures(name, bundle)  # before the bundle holds more than an app needs
    for threads, word in _THREADS:
        runner = forced(_runner(bundle, threads=threads), images)
        for batch, bars in _BARS.items():
            count = blocks if batch < 32 else 2 * few
            label = f"{name}, {word}"
            yield from speed_runner.ratio_figures(label, runner, images, batch, count, bars)
    runner = forced(_runner(bundle), images)
    yield from speed_runner.throughput_figures(name, runner, images, 2 * few, _IMPLIED)
    networks.add_int8(bundle, images[:64])
    int8 = forced(_runner(bundle, precision="int8"), images)
    yield from speed_runner.throughput_figures(f"{name}, int8", int8, images, 2 * few, None)
    export_if(bundle)
    whole = _runner(bundle, layout="if")
    yield from speed_runner.layout_figures(name, runner, whole, images[:1], blocks)
    what = f"{name}: export to tflite from its bundle"
    yield Figure(what, _exactly(_time_tflite_export(bundle)), 3, "s")
    yield from _litert_figures(name, _runner(bundle, "tflite"), images, blocks)


def _litert_figures(
    name: str, runner: Runner, images: NDArray[np.uint8], blocks: int
) -> Iterator[Figure]:
    runner = forced(runner, images)
    for batch, count in ((1, blocks), (32, _few(blocks))):
        yield from speed_runner.ratio_figures(f"{name}, tflite", runner, images, batch, count)
    yield from speed_sizes.size_figures(name, runner, images, blocks)


def _depthwise_figures(folder: Path, blocks: int) -> Iterator[Figure]:
    from benchmarks import networks

    bundle, images = _made(networks.DEPTHWISE, folder)
    name, runner = networks.DEPTHWISE.name, forced(_runner(bundle), images)
    yield from speed_runner.throughput_figures(name, runner, images, 2 * _few(blocks), None)


def _large_figures(folder: Path, blocks: int) -> Iterator[Figure]:
    """Yield the figures of images large enough for what is beside their work not to show."""
    from benchmarks import networks

    bundle, images = _made(networks.RESNET18_LARGE, folder)
    name, few = networks.RESNET18_LARGE.name, _few(blocks)
    for threads, word in _THREADS:
        runner = forced(_runner(bundle, threads=threads), images)
        for batch, bars in _LARGE_BARS.items():
            count = 2 * few if batch < 32 else few
            label = f"{name}, {word}"
            yield from speed_runner.ratio_figures(label, runner, images, batch, count, bars)


def _few(blocks: int) -> int:
    """Return the number of blocks for what takes long."""
    return max(3, blocks // 3)


def _digits_figures(bundle: Path, blocks: int) -> Iterator[Figure]:
    """Yield the figures of the demo's cascade on real images, and of the reports on it."""
    from calexnet import data

    runner, images = _runner(bundle), _test_digits(bundle)
    for batch in (1, 32):
        yield from speed_runner.ratio_figures("digits", runner, images, batch, 2 * blocks)
    growth = speed_app.resident_growth(runner, images, _MILLION)
    what = f"digits, {_MILLION:,} inferences: growth of resident memory"
    yield Figure(what, _exactly(100 * growth), 1, "%")
    yield from speed_report.report_figures(bundle, data.load("digits"))
    yield speed_report.default_figure(bundle, "digits")


def _made(network: object, folder: Path) -> tuple[Path, NDArray[np.uint8]]:
    from benchmarks.networks import Network, make_bundle

    assert isinstance(network, Network)
    place = folder / network.name
    return place, make_bundle(network, place)


def _runner(
    bundle: Path,
    target: str = "onnxruntime",
    *,
    precision: str = "fp32",
    threads: int | None = 1,
    layout: str = "segments",
) -> Runner:
    return load_runner(open_bundle(bundle), target, precision, threads=threads, layout=layout)


def _time_tflite_export(bundle: Path) -> float:
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


def _exactly(value: float) -> Interval:
    return Interval(value, value, value)


def _test_digits(bundle: Path) -> NDArray[np.uint8]:
    """Return real test images: noise would leave by other exits."""
    from calexnet import data
    from calexnet.data.split import recorded_test_part

    digits = data.load("digits")
    return digits.images[recorded_test_part(digits, open_bundle(bundle).manifest.split)]


if __name__ == "__main__":
    sys.exit(main())
