"""``calexnet-bench``: a bundle and data in; amortisation, crossover and verdict out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from calexnet import arguments as kinds
from calexnet import data
from calexnet.bench import reporting
from calexnet.bench.gates import grammar as gates
from calexnet.bench.gates.grammar import Gate
from calexnet.bench.gates.report import METRICS
from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.gpu_clock import GpuClock
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.timing import Load
from calexnet.bench.report.document import Report
from calexnet.bench.words import remedies
from calexnet.bundle import open_bundle
from calexnet.cli import alone, costs, on_board
from calexnet.devices import choices, limits, open_device
from calexnet.errors import InputError, MeasurementError
from calexnet.export.pool.document import is_pool
from calexnet.files.storage import staged_folder

#: Of the tables, unless told otherwise.
BATCHES = (1, 2, 4, 8, 16, 32)

HELP = (
    "Time a cascade against its plain backbone on this machine, and say at which batch size and "
    "exit rate it pays."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return alone("calexnet-bench", __name__, argv)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("--data", help=kinds.SOURCES)
    kinds.data_root(parser)
    parser.add_argument("--out", required=True, type=Path, help="folder for the report")
    parser.add_argument(
        "--costs-only",
        action="store_true",
        help="of a pool of pieces that calexnet choose --pool wrote: time each, without data or "
        "torch, and write what they cost to the file --out, for calexnet choose --costs",
    )
    parser.add_argument("--device", default="auto", help=choices())
    parser.add_argument(
        "--batch", type=kinds.integers, help="1,2,4,8,16,32 by default; 1 with --costs-only"
    )
    parser.add_argument(
        "--threads",
        type=kinds.integers,
        help="1 and all cores by default, for example 1,4; 1 with --costs-only",
    )
    parser.add_argument("--target", help="all in the bundle that work here by default")
    parser.add_argument("--precision", help="all by default")
    parser.add_argument("--provider", help="the target's back end: cpu, cuda or tensorrt")
    parser.add_argument(
        "--clock",
        choices=("wall", "gpu"),
        default="wall",
        help="wall: the time that passes for the caller; gpu: the GPU's own, of --target tensorrt",
    )
    parser.add_argument("--operating-point", help="the bundle's default by default")
    parser.add_argument(
        "--rival",
        type=Path,
        action="append",
        default=[],
        help="another network to set beside: an .onnx or .tflite file, or a bundle; any number",
    )
    kinds.max_drop(parser, "--tolerance")
    parser.add_argument(
        "--seconds",
        type=float,
        default=40.0,
        help="for all that is timed: fewer blocks, not more",
    )
    parser.add_argument("--blocks", type=int, default=40, help="interleaved blocks, at most")
    parser.add_argument(
        "--settle",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait so long at most for a machine that cools down or warms up; 0 = do not",
    )
    parser.add_argument(
        "--load",
        default="closed",
        metavar="closed | rate:R",
        help="each call at once after the last, or R calls a second",
    )
    parser.add_argument(
        "--allow-unstable",
        action="store_true",
        help="let figures count that a throttled, shared or drifting machine voids, marked as such",
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="GATE",
        help='end with exit code 1 if this is true, for example "p95_ms>8" or "top1_drop>0.5"; '
        "any number",
    )
    parser.add_argument(
        "--all-samples",
        action="store_true",
        help="use all images: you vouch that none was trained or calibrated on",
    )
    parser.add_argument(
        "--energy-windows", type=int, default=5, help="for each figure in joules; 0 = none"
    )
    parser.add_argument(
        "--energy-seconds", type=float, default=1.0, help="of each window; slow sensors get more"
    )
    parser.add_argument(
        "--power-csv",
        type=Path,
        help="log of an external meter, read at the end; its heading names time and watts, or "
        "amperes and volts, with units",
    )
    parser.add_argument(
        "--power-volts", type=float, help="of the supply, for a meter that logs current alone"
    )
    parser.add_argument(
        "--cpu-tdp-w", type=float, help="the processor's rated watts, for an estimate beside"
    )
    parser.add_argument(
        "--no-memory", action="store_true", help="leave out peak memory, two processes a target"
    )
    parser.add_argument("--seed", type=int, default=0)
    on_board.declare(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the report, and print what it comes to."""
    if arguments.on is not None:
        return on_board.run(arguments, ("calexnet", "bench"))
    if arguments.costs_only:
        return costs.run(arguments)
    _refuse_pool(arguments)
    asked = [gates.parse(text, METRICS) for text in arguments.fail_if]
    device = open_device(arguments.device)
    cores = limits.usable_cores(device.system)
    plan = BenchPlan(
        batches=arguments.batch or BATCHES,
        threads=arguments.threads or tuple(sorted({1, cores})),
        blocks=arguments.blocks,
        seconds=arguments.seconds,
        all_samples=arguments.all_samples,
        target=arguments.target,
        precision=arguments.precision,
        provider=arguments.provider,
        operating_point=arguments.operating_point,
        rivals=tuple(arguments.rival),
        max_drop=arguments.max_drop,
        load=Load.parse(arguments.load),
        settle_s=arguments.settle,
        memory=not arguments.no_memory,
        allow_unstable=arguments.allow_unstable,
        seed=arguments.seed,
        command=arguments.command_line,
        energy=EnergyPlan(arguments.energy_windows, arguments.energy_seconds),
        power_csv=arguments.power_csv,
        power_volts=arguments.power_volts,
        cpu_tdp_w=arguments.cpu_tdp_w,
    )
    _refuse_unplanned(asked, plan)
    _refuse_threads(plan)
    out: Path = arguments.out
    journal = out.with_name(f".{out.name}.journal")
    with staged_folder(out, marker=reporting.JSON) as stage, _going_on(journal):
        content = open_bundle(arguments.bundle).manifest
        samples = data.load_alike(
            arguments.data, arguments.data_root, content.preprocessing, content.split
        )
        stopwatch = GpuClock() if arguments.clock == "gpu" else None
        report = measure(
            arguments.bundle, samples, device, plan, journal=journal, stopwatch=stopwatch
        )
        reporting.write(report, stage)
    journal.unlink()
    print(reporting.summary(report))
    failed = gates.report(gates.check(asked, report, METRICS))
    print(f"\nReport: {out / reporting.HTML}")
    return failed if _counts(report, asked) else MeasurementError.exit_code


def _refuse_pool(arguments: argparse.Namespace) -> None:
    """Do nothing if there are data, and what is measured is no pool of pieces.

    Raises:
        InputError: Something else is meant.
    """
    if is_pool(arguments.bundle):
        raise InputError(
            f"{arguments.bundle} is a pool of pieces, and no cascade",
            expected="a bundle, or --costs-only",
            fix=f"calexnet-bench {arguments.bundle} --costs-only --out board.json",
        )
    if arguments.data is None:
        raise InputError("there is nothing to measure on", expected=f"--data with {kinds.SOURCES}")


def _refuse_unplanned(asked: Sequence[Gate], plan: BenchPlan) -> None:
    """Do nothing if all that the gates look at will be measured.

    Raises:
        InputError: A gate asks for a batch or thread setting that is not.
    """
    for gate in asked:
        for key, planned in (("batch", plan.batches), ("threads", plan.threads)):
            word = gate.where.get(key, "1")
            if key in METRICS[gate.metric].keys and word not in map(str, planned):
                raise InputError(
                    f"the gate {gate.text} looks at what is not measured",
                    got=f"{key}={word}",
                    expected=f"one of {', '.join(map(str, planned))}",
                    fix=f"Add it to --{key}, or name another in the gate: [{key}={planned[0]}]",
                )


def _refuse_threads(plan: BenchPlan) -> None:
    """Do nothing if this machine has so many cores.

    Raises:
        InputError: It has not.
    """
    cores = os.cpu_count() or 1
    if max(plan.threads) > cores:
        raise InputError(
            "threads cannot be used", got=max(plan.threads), expected=f"at most {cores}, the cores"
        )


def _counts(report: Report, asked: Sequence[Gate]) -> bool:
    """Tell whether all counts that was asked for: the verdict, and what the gates look at."""
    claims = ("verdict", *(METRICS[gate.metric].claim for gate in asked))
    void = [claim for claim in claims if claim and not report.validity.counts(claim)]
    if void:
        said = remedies.claims(dict.fromkeys(void))
        print(f"\ncalexnet-bench: asked for, and not sure here: {said}", file=sys.stderr)
    return not void


@contextlib.contextmanager
def _going_on(journal: Path) -> Iterator[None]:
    """Say how a run that is stopped can go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if not journal.exists():
            raise
        raise KeyboardInterrupt(
            f"what was measured is kept in {journal}, and the same command goes on from there"
        ) from stop


if __name__ == "__main__":
    sys.exit(main())
