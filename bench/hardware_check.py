"""What a machine builds, answers and measures of a bundle, in one JSON to send in.

``python -m calexnet.bench.hardware_check BUNDLE --data DATA [-- words for calexnet-bench]``. The
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from calexnet import __version__, data, schema
from calexnet.bench import cli, reporting
from calexnet.bundle import open_bundle
from calexnet.cli import arguments as kinds
from calexnet.cli import outcome
from calexnet.cli.verify import REFERENCE, parity_with, recorded_images
from calexnet.devices import DeviceRecord, open_device
from calexnet.errors import CalexnetError, MeasurementError
from calexnet.export import export_bundle, tensorrt
from calexnet.manifest import FULL, Fingerprint
from calexnet.parity import Parity, Side
from calexnet.runtimes.loading import load_runner
from calexnet.storage import staged_file

#: Target and precision.
Named = tuple[str, str]


@dataclass(frozen=True)
class BuildCheck:
    """One target at one precision.

    Attributes:
        target: Of the bundle, or `tensorrt`, which is built here.
        precision: Likewise.
        provider: The runtime's back end that answered.
        build_s: Seconds that building took; ``None`` where nothing was built here.
        fingerprint: Of engines.
        parity: With the float32 ONNX graphs on the processor, on real samples.
        problem: Why there is none.
    """

    target: str
    precision: str
    provider: str | None
    build_s: float | None
    fingerprint: Fingerprint | None
    parity: Parity | None
    problem: str | None


@dataclass(frozen=True)
class HardwareCheck:
    """All that was found.

    Attributes:
        version: Of calexnet.
        created: UTC, ISO 8601.
        device: The machine.
        builds: What was tried.
        report: What ``calexnet-bench`` wrote.
        report_problem: Why it wrote none.
    """

    version: str
    created: str
    device: DeviceRecord
    builds: tuple[BuildCheck, ...]
    report: dict[str, Any] | None
    report_problem: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hardware-check",
        description="Build, verify and measure a bundle on this machine; write one JSON.",
        epilog="After -- words for calexnet-bench.",
    )
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    parser.add_argument("--out", type=Path, default=Path("hardware-check.json"))
    words = list(sys.argv[1:] if argv is None else argv)
    end = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:end])
    return outcome.run("hardware-check", lambda: _run(arguments, words[end + 1 :]))


def _run(arguments: argparse.Namespace, more: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        shutil.copytree(arguments.bundle, bundle)
        built = dict(_build(bundle))
        builds = tuple(_verified(bundle, arguments.data, built))
        for check in builds:
            print(_line(check))
        report, problem = _measured(
            [str(bundle), "--data", arguments.data, *more],
            arguments.out.with_name(f"{arguments.out.stem}-report"),
        )
    found = HardwareCheck(
        version=__version__,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=open_device("auto").describe(),
        builds=builds,
        report=report,
        report_problem=problem,
    )
    with staged_file(arguments.out) as stage:
        stage.write_text(json.dumps(schema.encode(found), indent=1, allow_nan=False) + "\n")
    print(f"\nTo send in: {arguments.out}")
    return 0


def _build(bundle: Path) -> Iterator[tuple[Named, float | str]]:
    """Build engines of every precision that there is; yield the seconds, or the problem."""
    held = [build.precision for build in open_bundle(bundle).manifest.compiled]
    for precision in (FULL, *tensorrt.PRECISIONS):
        if precision in held:
            start = time.monotonic()
            try:
                export_bundle(bundle, target="tensorrt", precision=precision)
            except CalexnetError as problem:
                yield ("tensorrt", precision), str(problem)
            else:
                yield ("tensorrt", precision), time.monotonic() - start


def _verified(
    folder: Path, source: str, built: Mapping[Named, float | str]
) -> Iterator[BuildCheck]:
    """Yield what every build of the bundle answers, and those that came to nothing."""
    bundle = open_bundle(folder)
    images, truth = recorded_images(bundle, data.load(source), everything=False)
    reference = load_runner(bundle, *REFERENCE)
    side = Side(" ".join(REFERENCE), reference.answers(images), reference.thresholds)
    for name, result in built.items():
        if isinstance(result, str):
            yield BuildCheck(*name, None, None, None, None, result)
    for build in bundle.manifest.compiled:
        parity, provider, problem = None, None, None
        try:
            runner = load_runner(bundle, build.target, build.precision, layout=build.layout)
            parity = parity_with(side, bundle, runner, images, truth)
            provider = runner.provider
        except CalexnetError as refusal:
            problem = str(refusal)
        seconds = built.get((build.target, build.precision))
        yield BuildCheck(
            build.target,
            build.precision,
            provider,
            seconds if isinstance(seconds, float) else None,
            build.fingerprint,
            parity,
            problem,
        )


def _line(check: BuildCheck) -> str:
    name = f"{check.target} {check.precision}"
    if check.parity is None:
        return f"{name}: {check.problem}"
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
        code = cli.main([*words, "--out", str(out)])
    if code in (0, MeasurementError.exit_code) and (out / reporting.JSON).is_file():
        return json.loads((out / reporting.JSON).read_bytes()), None
    return None, f"calexnet-bench ended with {code}: {heard.getvalue().splitlines()[-1]}"


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
