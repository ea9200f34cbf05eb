"""What a report is worth, and what it costs: does the prediction hold, how sure is it, how long.

The figures of ``make bench`` on the demo's cascade, from many short runs of ``calexnet-bench``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.runner import Figure
from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.model import statistics
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import AmortisationRow
from calexnet.bench.words.conclusions import prediction_noise
from calexnet.data.dataset import Dataset
from calexnet.devices.cpu import CpuDevice

_BATCHES = (1, 32)
#: Share of runs in which the prediction is to hold, how far its interval may reach to either side,
#: and how long a run as it comes may take.
_HOLDS, _HALF_WIDTH, _DEFAULT_S = 0.9, 0.05, 90.0


def report_figures(
    bundle: Path, data: Dataset, runs: int = 20, seconds: float = 8.0
) -> Iterator[Figure]:
    """Yield how often the prediction held on ONNX Runtime, and how narrow its interval was.

    Args:
        bundle: Of a small cascade.
        data: That it was trained on.
        runs: Each with its own seed, on one thread.
        seconds: Rough time of each.
    """
    found: dict[int, list[AmortisationRow]] = {batch: [] for batch in _BATCHES}
    for seed in range(runs):
        plan = BenchPlan(
            batches=_BATCHES,
            threads=(1,),
            target="onnxruntime",
            precision="fp32",
            seconds=seconds,
            seed=seed,
            energy=EnergyPlan(0),
            memory=False,
            allow_unstable=True,
        )
        for row in measure(bundle, data, CpuDevice(), plan).amortisation:
            found[row.batch].append(row)
    for batch, rows in found.items():
        label = f"digits, batch {batch}, {runs} reports"
        held = statistics.share(sum(row.prediction_holds for row in rows), len(rows))
        yield Figure(f"{label}: prediction within the noise", held, _HOLDS, at_least=True)
        widths = np.array([prediction_noise(row) for row in rows])
        value = statistics.typical(widths, seed=0)
        yield Figure(f"{label}: half-width of its interval", value, _HALF_WIDTH)
        errors = np.array([row.predicted_cascade_ms / row.cascade_ms for row in rows])
        yield Figure(f"{label}: predicted / measured", statistics.typical(errors, seed=0))


def default_figure(bundle: Path, data: str, arguments: Sequence[str] = ()) -> Figure:
    """Return how long a run takes as it comes: every build of the bundle, every default."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "report")
        command = ["calexnet.cli.bench", str(bundle), "--data", data, "--out", out]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-Im", *command, "--allow-unstable", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        took = time.perf_counter() - start
    return Figure("digits: calexnet-bench as it comes", Interval(took, took, took), _DEFAULT_S, "s")
