"""``calexnet evaluate``: a trained cascade on its test part, promises beside what was kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet import data
from calexnet.calibration import OperatingPoint, operating_point
from calexnet.cli import arguments as kinds
from calexnet.data.split import recorded_test_part
from calexnet.gating import ExitTable
from calexnet.progress import Progress

if TYPE_CHECKING:
    from calexnet.cascade import Cascade

HELP = "Judge a trained cascade on its test part, in PyTorch, at every operating point."

_BATCH = 256


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="what calexnet train wrote")
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer the test part once and print a line for each operating point."""
    from calexnet import checkpoint

    cascade, _ = checkpoint.load(arguments.run)
    samples = data.load(arguments.data, arguments.data_root)
    rows = recorded_test_part(samples, cascade.spec.split)
    table, truth = _answers(cascade, samples.images, rows), samples.labels[rows]
    macs = cascade.macs()
    plain = float((table.labels[-1] == truth).mean())
    print(f"{len(rows)} test images, plain {plain:.2%}\n")
    print("operating point   accuracy   change  MACs saved  leave  precision promised -> kept")
    for point in cascade.spec.operating_points:
        kept = operating_point(point.name, point.setting, point.table(), table, truth)
        saved = 1.0 - macs.expected(kept.exit_rates) / macs.plain
        default = "  (default)" * (point.name == cascade.spec.default_operating_point)
        print(
            f"{point.name:<16}  {kept.accuracy:8.2%}  {100 * (kept.accuracy - plain):+7.2f}"
            f"  {saved:10.1%}  {1.0 - kept.exit_rates[-1]:5.0%}  {_promises(point, kept)}{default}"
        )
    print("(change in points; one precision a branch, of the images that leave there)")
    return 0


def _answers(cascade: Cascade, images: NDArray[np.uint8], rows: NDArray[np.intp]) -> ExitTable:
    parts = []
    with Progress("answering the test part", len(rows)) as progress:
        for start in range(0, len(rows), _BATCH):
            parts.append(cascade.answer(images[rows[start : start + _BATCH]]))
            progress.advance(parts[-1].labels.shape[1])
    return ExitTable(
        np.concatenate([part.labels for part in parts], 1),
        np.concatenate([part.scores for part in parts], 1),
    )


def _promises(promised: OperatingPoint, kept: OperatingPoint) -> str:
    pairs = zip(promised.precisions, kept.precisions, strict=True)
    return "  ".join(f"{_share(one)} -> {_share(other)}" for one, other in pairs)


def _share(precision: float | None) -> str:
    return "  -  " if precision is None else f"{precision:5.1%}"
