"""What a machine builds, answers and measures of a bundle, in one JSON to send in.

``python -m calexnet.cli.hardware_check BUNDLE --data DATA [-- words for calexnet-bench]``. The
bundle stays as it is: a copy gets the engines. What fails is part of the answer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calexnet import __version__, data
from calexnet import arguments as kinds
from calexnet.bench import reporting
from calexnet.bundle import Bundle, open_bundle
from calexnet.cli import bench as cli
from calexnet.cli import on_board, outcome
from calexnet.cli.parser import Parser
from calexnet.cli.verify import REFERENCE, parity_with, recorded_images
from calexnet.devices import DeviceRecord, open_device
from calexnet.errors import CalexnetError, MeasurementError
from calexnet.export import export_bundle
from calexnet.export.tensorrt import TensorRt
from calexnet.files import jsontext, schema
from calexnet.files.storage import staged_file
from calexnet.manifest import FULL, Compiled, Fingerprint
from calexnet.parity import Parity, Side
from calexnet.runtimes import onnxruntime
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.planning import measure
from calexnet.runtimes.runner import Runner

T = TypeVar("T")

#: Target and precision.
Named = tuple[str, str]

#: Batch sizes to plan for, as far as engines and images go.
_PLANNED = (1, 2, 4, 8, 16, 32)

#: Lines of a traceback that are kept; the last ones tell most.
_TRACED = 12


@dataclass(frozen=True)
class BuildCheck:
    """One target at one precision, on one back end of its runtime.

    Attributes:
        target: Of the bundle, or `tensorrt`, which is built here.
        precision: Likewise.
        provider: The back end that answered, or that was asked for.
        build_s: Seconds that building took; ``None`` where nothing was built here.
        fingerprint: Of engines.
        parity: With the float32 ONNX graphs on the processor, on real samples.
        problem: Why there is none.
        plan: From which numbers on copying survivors on the GPU pays; target `tensorrt` alone.
        plan_problem: Why it could not be measured.
    """

    target: str
    precision: str
    provider: str | None
    build_s: float | None
    fingerprint: Fingerprint | None
    parity: Parity | None
    problem: str | None
    plan: Plan | None = None
    plan_problem: str | None = None


@dataclass(frozen=True)
class HardwareCheck:
    """All that was found.

    Attributes:
        version: Of calexnet.
        created: UTC, ISO 8601.
        device: The machine.
        device_problem: Why it is not described.
        builds: What was tried.
        report: What ``calexnet-bench`` wrote.
        report_problem: Why it wrote none.
    """

    version: str
    created: str
    device: DeviceRecord | None
    device_problem: str | None
    builds: tuple[BuildCheck, ...]
    report: dict[str, Any] | None
    report_problem: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = Parser(
        prog="hardware-check",
        description="Build, verify and measure a bundle on this machine; write one JSON.",
        epilog="After -- words for calexnet-bench.",
    )
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    parser.add_argument("--out", type=Path, default=Path("hardware-check.json"))
    on_board.declare(parser)
    words = list(sys.argv[1:] if argv is None else argv)
    end = words.index("--") if "--" in words else len(words)
    arguments = outcome.parsed(parser, words[:end])
    return outcome.run("hardware-check", lambda: _run(arguments, words[end + 1 :]))


def _run(arguments: argparse.Namespace, more: Sequence[str]) -> int:
    if arguments.on is not None:
        command = ["calexnet.cli.hardware_check"]
        return on_board.run(arguments, command, "--", *more, wished=("tensorrt",))
    with staged_file(arguments.out) as stage:
        found = _checked(arguments, more)
        stage.write_text(json.dumps(schema.encode(found), indent=1, allow_nan=False) + "\n")
    print(f"\nTo send in: {arguments.out}")
    return 0


def _checked(arguments: argparse.Namespace, more: Sequence[str]) -> HardwareCheck:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        shutil.copytree(arguments.bundle, bundle)
        content = open_bundle(bundle).manifest
        # Before minutes go by: what is wrong here is no finding.
        samples = data.load_alike(arguments.data, None, content.preprocessing, content.split)
        images, truth = recorded_images(open_bundle(bundle), samples, everything=False)
        built = dict(_build(bundle))
        builds = tuple(_verified(open_bundle(bundle), images, truth, built))
        for check in builds:
            print(_line(check))
        report, problem = _measured(
            [str(bundle), "--data", arguments.data, *more],
            arguments.out.with_name(f"{arguments.out.stem}-report"),
        )
    device, unknown = _tried(lambda: open_device("auto").describe())
    return HardwareCheck(
        version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=device,
        device_problem=unknown,
        builds=builds,
        report=report,
        report_problem=problem,
    )


def _tried(step: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what `step` gives, or why it gives nothing.

    Whatever goes wrong on hardware that nobody here has is an answer too, and costs no other one.
    """
    try:
        return step(), None
    except CalexnetError as refusal:
        return None, str(refusal)
    except Exception as failure:
        lines = "".join(traceback.format_exception(failure)).splitlines()
        return None, "\n".join([f"{type(failure).__name__}: {failure}", *lines[-_TRACED:]])


def _build(bundle: Path) -> Iterator[tuple[Named, float | str]]:
    """Build engines of every precision that there is; yield the seconds, or the problem."""
    held = [build.precision for build in open_bundle(bundle).manifest.compiled]
    for precision in (FULL, *TensorRt.precisions):
        if precision in held:
            start = time.monotonic()
            build = partial(export_bundle, bundle, target="tensorrt", precision=precision)
            _, problem = _tried(build)
            yield ("tensorrt", precision), problem or time.monotonic() - start


def _verified(
    bundle: Bundle, images: Array, truth: NDArray[np.int64], built: Mapping[Named, float | str]
) -> Iterator[BuildCheck]:
    """Yield what every build of the bundle answers, and those that came to nothing."""
    side, problem = _tried(lambda: _reference(bundle, images))
    gpus, _ = _tried(onnxruntime.gpu_providers)
    for name, result in built.items():
        if isinstance(result, str):
            yield BuildCheck(*name, None, None, None, None, result)
    for build in bundle.manifest.compiled:
        seconds = built.get((build.target, build.precision))
        check = BuildCheck(
            build.target,
            build.precision,
            None,
            seconds if isinstance(seconds, float) else None,
            build.fingerprint,
            None,
            problem,
        )
        for provider in (None, *((gpus or ()) if build.name == " ".join(REFERENCE) else ())):
            here = replace(check, provider=provider)
            yield here if side is None else _compared(here, bundle, build, side, images, truth)


def _reference(bundle: Bundle, images: Array) -> Side:
    runner = load_runner(bundle, *REFERENCE)
    return Side(" ".join(REFERENCE), runner.answers(images), runner.thresholds)


def _compared(
    check: BuildCheck,
    bundle: Bundle,
    build: Compiled,
    reference: Side,
    images: Array,
    truth: NDArray[np.int64],
) -> BuildCheck:
    """Return `check` with what its build answers."""

    def compare() -> tuple[Runner, Parity]:
        runner = load_runner(
            bundle, build.target, build.precision, layout=build.layout, provider=check.provider
        )
        return runner, parity_with(reference, bundle, runner, images, truth)

    found, problem = _tried(compare)
    if found is None:
        return replace(check, problem=problem)
    runner, parity = found
    check = replace(check, provider=runner.provider, parity=parity)
    if build.target != "tensorrt":
        return check
    largest = min(len(images), *(max(graph.buckets or (1,)) for graph in build.segments))
    sizes = [size for size in _PLANNED if size <= largest]
    plan, problem = _tried(lambda: measure(runner, images, sizes))
    return replace(check, plan=plan, plan_problem=problem)


def _line(check: BuildCheck) -> str:
    name = f"{check.target} {check.precision}"
    if check.parity is None:
        on = "" if check.provider is None else f", on {check.provider}"
        return f"{name}{on}: {(check.problem or '').splitlines()[0]}"
    parity = check.parity
    return (
        f"{name}, on {check.provider}: {parity.samples} real images, scores within "
        f"{parity.score_difference:.2g}, {parity.label_flips} other labels, "
        f"{parity.exit_flips} other exits"
    )


def _measured(words: Sequence[str], out: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Let ``calexnet-bench`` write a report to `out`; return it as data, or why there is none."""
    heard = _Heard()
    with contextlib.redirect_stderr(heard):
        code, problem = _tried(lambda: _bench([*words, "--out", str(out)]))
    if problem is not None:
        return None, problem
    if code in (0, MeasurementError.exit_code) and (out / reporting.JSON).is_file():
        return jsontext.read(out / reporting.JSON), None
    said = heard.getvalue().splitlines() or ["without a word"]
    return None, f"calexnet-bench ended with {code}: {said[-1]}"


def _bench(words: Sequence[str]) -> object:
    try:
        return cli.main(words)
    except SystemExit as usage:  # a word that it does not know
        return usage.code


class _Heard(io.StringIO):
    """Keeps what is printed to it, and prints it."""

    def __init__(self) -> None:
        super().__init__()
        self._printed = sys.stderr

    def write(self, text: str) -> int:
        self._printed.write(text)
        self._printed.flush()
        return super().write(text)


if __name__ == "__main__":
    sys.exit(main())
