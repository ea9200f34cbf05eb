"""What the library in C++ costs: its own time a segment, and its size on a board.

``python -m benchmarks.native``, after ``make cpp``, which builds it. The time is of segments that
do nothing: what is left is ours, as of Python's runner without its segments' bare calls.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.runner import Figure
from calexnet.bench.model import statistics
from calexnet.bench.report.interval import Interval

BUILD = Path(__file__).resolve().parents[1] / "build/cpp/release"

#: Half of what Python's runner takes, and what a board can spare.
_OWN_COST_US, _MEGABYTES = 3.5, 1.0


def figures(build: Path = BUILD, runs: int = 9) -> Iterator[Figure]:
    """Yield both figures of the library in `build`.

    Raises:
        FileNotFoundError: It is not built.
    """
    program, library = build / "own_cost", (build / "libcalexnet.so").resolve(strict=True)
    us = np.array([_own_cost_us(program) for _ in range(runs)])
    what = "C++ library, batch 1: its own cost a segment"
    yield Figure(what, statistics.typical(us, seed=0), _OWN_COST_US, "us")
    megabytes = library.stat().st_size / 1e6
    size = Interval(megabytes, megabytes, megabytes)
    yield Figure("C++ library: its file", size, _MEGABYTES, "MB")


def _own_cost_us(program: Path) -> float:
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return float(said.split("ns_a_segment ")[1]) / 1e3


def print_figures() -> None:
    """Print both, or how to have them."""
    if not (BUILD / "own_cost").is_file():
        print("No figures of the C++ library: run make cpp first")
        return
    for figure in figures():
        print(figure, flush=True)


if __name__ == "__main__":
    print_figures()
