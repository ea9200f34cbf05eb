"""``calexnet-bench``: a bundle and data in; amortisation, crossover and verdict out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from calexnet import data
from calexnet.bench import reporting
from calexnet.bench.energy import EnergyPlan
from calexnet.bench.measure import BenchPlan, measure
from calexnet.cli import arguments as kinds
from calexnet.cli import outcome
from calexnet.devices import choices, open_device
from calexnet.storage import staged_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="calexnet-bench",
        description="Time a cascade against its plain backbone on this machine, and say at which "
        "batch size and exit rate it pays.",
    )
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser)
    parser.add_argument("--out", required=True, type=Path, help="folder for the report")
    parser.add_argument("--device", default="auto", help=choices())
    parser.add_argument("--batch", type=kinds.integers, default=(1, 2, 4, 8, 16, 32))
    parser.add_argument(
        "--threads", type=kinds.integers, help="1 and all cores by default, for example 1,4"
    )
    parser.add_argument("--target", help="all in the bundle that work here by default")
    parser.add_argument("--precision", help="all by default")
    parser.add_argument("--operating-point", help="the bundle's default by default")
    parser.add_argument("--blocks", type=int, default=20, help="interleaved blocks a cell")
    parser.add_argument("--cell-seconds", type=float, default=1.0, help="rough time for a cell")
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
        "--power-csv", type=Path, help="log of an external meter: time and watts, read at the end"
    )
    parser.add_argument(
        "--cpu-tdp-w", type=float, help="the processor's rated watts, for an estimate beside"
    )
    parser.add_argument("--seed", type=int, default=0)
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser.parse_args(words)
    command = shlex.join(["calexnet-bench", *words])
    return outcome.run("calexnet-bench", lambda: _run(arguments, command))


def _run(arguments: argparse.Namespace, command: str) -> int:
    device = open_device(arguments.device)
    cores = device.describe().cores
    plan = BenchPlan(
        batches=arguments.batch,
        threads=arguments.threads or tuple(sorted({1, cores})),
        blocks=arguments.blocks,
        cell_s=arguments.cell_seconds,
        all_samples=arguments.all_samples,
        target=arguments.target,
        precision=arguments.precision,
        operating_point=arguments.operating_point,
        seed=arguments.seed,
        command=command,
        energy=EnergyPlan(arguments.energy_windows, arguments.energy_seconds),
        power_csv=arguments.power_csv,
        cpu_tdp_w=arguments.cpu_tdp_w,
    )
    with staged_folder(arguments.out, marker=reporting.JSON) as stage:
        report = measure(
            arguments.bundle, data.load(arguments.data, arguments.data_root), device, plan
        )
        reporting.write(report, stage)
    print(reporting.summary(report))
    print(f"\nReport: {arguments.out / reporting.HTML}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
