"""Peak memory of a process that runs a network of a bundle, each in a process of its own.

A process of its own starts small and does nothing else, as an app would. Its peak is ``VmHWM``, the
most resident memory that its own address space has had. ``ru_maxrss`` is no substitute: Linux hands
it on from parent to child, so a small child of a large process shows the parent's memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calexnet.bench.report.memory import NETWORKS, Failure, MemoryRow, Network
from calexnet.bundle import open_bundle
from calexnet.errors import CalexnetError
from calexnet.gating import NEVER
from calexnet.manifest import Compiled
from calexnet.runtimes.loading import load_runner, runtime

_STATUS = Path("/proc/self/status")
_PATIENCE_S = 300


def memory_rows(
    folder: Path, builds: Sequence[Compiled], batch: int, threads: int
) -> tuple[MemoryRow, ...]:
    """Return the peak memory of plain and cascade of each of `builds` in the bundle `folder`.

    A child process each, one after the other; about a second each.
    """
    return tuple(
        measure_memory(folder, build.target, build.precision, network, batch, threads)
        for build in builds
        for network in NETWORKS
    )


def measure_memory(
    folder: Path, target: str, precision: str, network: Network, batch: int, threads: int
) -> MemoryRow:
    """Return the peak memory of one network in a process of its own; see `MemoryRow`."""
    asked = [str(folder.absolute()), target, precision, network, str(batch), str(threads)]
    try:
        peak, before = in_own_process(__name__, "answer_once", *asked, patience_s=_PATIENCE_S)
        return MemoryRow(target, precision, network, batch, threads, peak, before, None)
    except subprocess.CalledProcessError as failed:
        said = failed.stderr.strip().splitlines()
        why = Failure("said", said[-1]) if said else Failure("ended", value=failed.returncode)
    except subprocess.TimeoutExpired:
        why = Failure("too long", value=_PATIENCE_S)
    except OSError as refused:
        why = Failure("not started", refused.strerror)
    return MemoryRow(target, precision, network, batch, threads, None, None, why)


def in_own_process(
    module: str, function: str, *words: str, patience_s: float | None = None
) -> list[Any]:
    """Return the numbers that a function prints as a JSON array, run in a process of its own.

    Raises:
        CalledProcessError: It failed; ``stderr`` says why.
        TimeoutExpired: It took longer than `patience_s`.
    """
    # Isolated, but with what this process imports from.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import {function}; "
    child = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}{function}(*sys.argv[1:])", *words],
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=True,
    )
    found: list[Any] = json.loads(child.stdout)
    return found


def answer_once(
    folder: str, target: str, precision: str, network: str, batch: str, threads: str
) -> None:
    """Load and answer, then print the peak in bytes, at the end and before, as JSON.

    What the child process runs; its arguments are words.
    """
    try:
        runs = runtime(target).at(precision)
        runs.require()
        before = peak_bytes()
        bundle = open_bundle(Path(folder))
        preprocessing = bundle.manifest.preprocessing
        images = np.zeros((int(batch), *preprocessing.batch_shape()), preprocessing.dtype)
        if network == "cascade":
            table = np.full(bundle.manifest.operating_point(None).table().shape, NEVER)
            runner = load_runner(bundle, target, precision, threads=int(threads), thresholds=table)
            for _ in range(2):
                runner(images)
        else:
            record = bundle.compiled(target, precision).plain
            data = bundle.read_graph(record)
            plain = runs.load(record, data, provider=None, threads=int(threads))
            for _ in range(2):
                plain.run({"image": images}, ("label", "score"))
    except CalexnetError as problem:
        sys.exit(str(problem))
    print(json.dumps([peak_bytes(), before]))


def peak_bytes() -> int:
    """Return the most resident memory that this process has had, since it was started.

    Raises:
        SystemExit: The system does not say.
    """
    for line in _STATUS.read_text().splitlines() if _STATUS.exists() else ():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024  # "123 kB"
    sys.exit(f"the system does not say: no VmHWM in {_STATUS}")
