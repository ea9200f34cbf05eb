"""``calexnet-bench POOL --costs-only``: a pool of pieces in, what each costs here out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from calexnet.bench.costs import board
from calexnet.bench.costs.board import Board
from calexnet.bench.costs.measuring import CostPlan, measure
from calexnet.bench.words import remedies
from calexnet.devices import open_device
from calexnet.errors import InputError, MeasurementError

#: What a pool has no use for, by its place among the arguments, and what it is if nobody asked.
_UNFIT: dict[str, object] = {
    **dict.fromkeys(("data", "provider", "operating_point", "power_csv", "power_volts")),
    **dict.fromkeys(("cpu_tdp_w", "data_root")),
    "clock": "wall",
    "load": "closed",
    "rival": [],
    "fail_if": [],
    "all_samples": False,
}


def run(arguments: argparse.Namespace) -> int:
    """Time the pieces, write the board, and print what it comes to."""
    _refuse_unfit(arguments)
    _refuse_folder(arguments.out)
    plan = CostPlan(
        batches=arguments.batch or (1,),
        threads=arguments.threads or (1,),
        target=arguments.target,
        precision=arguments.precision,
        blocks=arguments.blocks,
        seconds=arguments.seconds,
        settle_s=arguments.settle,
        allow_unstable=arguments.allow_unstable,
        seed=arguments.seed,
        command=arguments.command_line,
    )
    found = measure(arguments.bundle, plan, open_device(arguments.device))
    board.write(found, arguments.out)
    print("\n".join(board.said(found)))
    print(f"\nCosts: {arguments.out}")
    return _judged(found)


def _judged(found: Board) -> int:
    """Say what does not stand, and return the exit code: sums of pieces are told by ratios."""
    for rule in remedies.broken(found.validity.breaches):
        print(f"warning: {rule.words} This voids {rule.voids}. {rule.remedy}", file=sys.stderr)
    return 0 if found.validity.counts("ratio") else MeasurementError.exit_code


def _refuse_unfit(arguments: argparse.Namespace) -> None:
    """Do nothing if no option was given that a pool has no use for.

    Raises:
        InputError: One was.
    """
    for name, usual in _UNFIT.items():
        if getattr(arguments, name) != usual:
            raise InputError(
                f"--{name.replace('_', '-')} is not for --costs-only",
                got=getattr(arguments, name),
                expected="the pool alone: pieces are timed on noise, at every threshold alike",
                fix="Leave it out",
            )


def _refuse_folder(out: Path) -> None:
    if out.is_dir():
        raise InputError(
            "the costs go into a file",
            got=f"the folder {out}",
            expected="a file name, for example --out board.json",
        )
