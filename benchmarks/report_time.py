"""Where a default report's time goes, by processor time: ``python -m benchmarks.report_time``.

A ResNet-18 with random weights in four builds. What takes several threads counts by a thread, so
that the figures are about the seconds of a quiet machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import RESNET18, add_int8, make_bundle
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.schedule import Schedule, schedule
from calexnet.bench.measuring.subject import Images, Subject
from calexnet.bench.measuring.timing import Call, Method, Stopwatch
from calexnet.bundle import Bundle, open_bundle
from calexnet.export import export_bundle
from calexnet.manifest import SEGMENTS, Compiled
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner

#: Images that stand for all: 192 are three batches of those that answer.
IMAGES = 192
BATCHES, THREADS, SECONDS = (1, 2, 4, 8, 16, 32), (1, 2), (40.0, 90.0, 180.0)


class ProcessClock(Stopwatch):
    """Processor-seconds of all threads of this process."""

    name = "process cpu"

    def seconds(self, call: Call) -> float:
        """Make the call and return how long processors worked on it."""
        start = time.process_time()
        answer = call()
        passed = time.process_time() - start
        del answer
        return passed


@dataclass(frozen=True)
class Costs:
    """What the parts of a report cost.

    Attributes:
        answers_s: By build, seconds to ask all exits and plain about one image.
        trial_s: To find out how fast each task is.
        once_s: By thread setting and task, seconds of one call.
    """

    answers_s: dict[str, float]
    trial_s: float
    once_s: dict[str, float]

    def timed(self, seconds: float) -> Schedule:
        """Return how everything is called if so many seconds are asked for."""
        return schedule(self.once_s, max(seconds - self.trial_s, seconds / 2), 40)


def costs(bundle: Bundle, images: NDArray[np.uint8], plan: BenchPlan) -> Costs:
    """Return what the parts of a report cost: images answered, all tasks tried."""
    test = Images(images, np.zeros(len(images), np.int64), np.arange(len(images)))
    builds = [build for build in bundle.manifest.compiled if build.layout == SEGMENTS]
    subjects = [Subject(bundle, build, test, plan, partial(_load, bundle)) for build in builds]
    clock, answers = ProcessClock(), {}
    for subject in subjects:
        threads = max(subject.runners)
        answers[subject.prefix.strip()] = clock.seconds(subject.answer) / len(images) / threads
    method, trial_s, once_s = Method(plan.blocks, stopwatch=clock), 0.0, {}
    for threads in plan.threads:
        for subject in subjects:
            for task, work in subject.work(threads, plan.grid).items():
                start = time.process_time()
                once_s[f"{threads}: {task.key}"] = work.once_s(method) / threads
                trial_s += (time.process_time() - start) / threads
    return Costs(answers, trial_s, once_s)


def _load(bundle: Bundle, build: Compiled, threads: int) -> Runner:
    return load_runner(bundle, build.target, build.precision, threads=threads)


def table(found: Costs, seconds: Sequence[float] = SECONDS) -> str:
    """Return the lines that are printed."""
    each = ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in found.answers_s.items())
    lines = [
        f"answers an image: {each}; 10,000 images: {1e4 * sum(found.answers_s.values()):.0f} s",
        f"{len(found.once_s)} tasks, one call of each: {sum(found.once_s.values()):.1f} s",
        f"finding out how fast each task is: {found.trial_s:.1f} s",
    ]
    for asked in seconds:
        planned = found.timed(asked)
        whole = planned.seconds + found.trial_s
        lines.append(
            f"--seconds {asked:.0f}: {planned.blocks} blocks in {planned.seconds:.0f} s, "
            f"with finding out {whole:.0f} s"
        )
    return "\n".join(lines)


def make(folder: Path) -> NDArray[np.uint8]:
    """Write the bundle with its four builds; return images to run it on."""
    images = make_bundle(RESNET18, folder)
    export_bundle(folder, target="tflite")
    for target in ("onnxruntime", "tflite"):
        add_int8(folder, images[:64], target)
    return images


def main(argv: Sequence[str] | None = None) -> int:
    """Print where the time goes."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        images = make(Path(place) / "bundle")
        plan = BenchPlan(BATCHES, THREADS)
        print(table(costs(open_bundle(Path(place) / "bundle"), images[:IMAGES], plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
