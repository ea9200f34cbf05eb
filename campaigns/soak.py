"""``make soak``: long use of one small bundle; memory, descriptors and threads stay as they are."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from campaigns.kill import ended, forked

GROWTH_KIB, BATCH = 2048, 4
TARGETS = ("onnxruntime", "tflite")


def state() -> tuple[int, int, int]:
    """Return resident KiB, descriptors and threads of this process, as the kernel has them."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    kib, threads = (int(found[key].split()[0]) for key in ("VmRSS", "Threads"))
    return kib, len([*Path("/proc/self/fd").iterdir()]), threads


def compared(before: tuple[int, int, int], after: tuple[int, int, int]) -> list[str]:
    """Return what has grown."""
    grown = after[0] - before[0]
    wrong = [f"{grown:+} KiB of memory"] if grown > GROWTH_KIB else []
    for word, one, other in zip(("descriptors", "threads"), before[1:], after[1:], strict=True):
        wrong += [f"{one} {word} before, {other} after"] if one != other else []
    return wrong


def images_of(random: np.random.Generator, count: int = BATCH) -> Any:
    """Return random images."""
    return random.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def answers(cascade: Any, images: Any) -> bytes:
    """Return what a cascade says, as bytes."""
    found = cascade(images)
    return b"".join(np.asarray(part).tobytes() for part in (found.labels, found.exits))


def inferences(cascade: Any, count: int) -> list[str]:
    """Answer `count` images in batches of `BATCH`; memory counts from the first tenth on."""
    random = np.random.default_rng(0)
    pool = [images_of(random) for _ in range(64)]
    right = [answers(cascade, images) for images in pool]
    wrong, calls = [], count // BATCH
    before = state()
    for number in range(calls):
        if answers(cascade, pool[number % 64]) != right[number % 64]:
            wrong.append("another answer")
        if number == calls // 10:
            before = state()
    return wrong + compared(before, state())


def loads(folder: Path, target: str, count: int) -> list[str]:
    """Load and forget a bundle `count` times; memory counts from the first fifth on."""
    import calexnet

    images, before = images_of(np.random.default_rng(0)), state()
    for number in range(count):
        calexnet.load(folder, target=target, threads=1, cache=False)(images)
        if number == count // 5:
            before = state()
    return compared(before, state())


def threads(cascade: Any, count: int) -> list[str]:
    """Answer from eight threads at once; every answer is that of one thread alone."""
    pool = [images_of(np.random.default_rng(seed), 1 + seed % 7) for seed in range(32)]
    right = [answers(cascade, images) for images in pool]
    together = threading.Barrier(8)

    def warm(_: int) -> None:
        for images in pool * 8:  # at the same moment: as many lanes as there can be, of every size
            together.wait()
            answers(cascade, images)

    def call(number: int) -> bool:
        return answers(cascade, pool[number % 32]) == right[number % 32]

    def round_of(calls: int) -> int:
        with ThreadPoolExecutor(8) as workers:
            return sum(not fine for fine in workers.map(call, range(calls)))

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(warm, range(8)))
    wrong = round_of(count)
    before = state()
    wrong += round_of(count)
    return (["another answer"] * wrong) + compared(before, state())


def forks(cascade: Any, folder: Path, target: str, count: int) -> list[str]:
    """Load anew in forked processes, beside threads that answer here."""
    import calexnet

    images = images_of(np.random.default_rng(0))
    right, before, wrong = answers(cascade, images), state(), []

    def work() -> bool:
        fresh = calexnet.load(folder, target=target, threads=1, cache=False)
        return answers(fresh, images) == right

    for _ in range(count):
        child = forked(work, folder)
        if answers(cascade, images) != right:
            wrong.append("another answer beside a fork")
        code = ended(child)
        wrong += [f"a forked process ended with {code}"] if code else []
    return wrong + compared(before, state())


def interrupts(cascade: Any, count: int) -> list[str]:
    """Be interrupted while answering; the next answer is right again."""
    random, wrong = Random(0), []
    images = images_of(np.random.default_rng(0))
    right, before = answers(cascade, images), state()
    for _ in range(count):
        timer = threading.Timer(random.uniform(0, 0.002), os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            end = time.monotonic() + 5
            while time.monotonic() < end:
                answers(cascade, images)
            wrong.append("no interrupt came")
        except KeyboardInterrupt:
            pass
        timer.join()
        if answers(cascade, images) != right:
            wrong.append("another answer after an interrupt")
    return wrong + compared(before, state())


def rounds(folder: Path, target: str, count: int) -> Iterator[tuple[str, int, list[str]]]:
    """Yield name, times and faults of each round; `count` inferences, the others in proportion."""
    import calexnet

    cascade = calexnet.load(folder, target=target, threads=1, cache=False)
    yield "inferences", count, inferences(cascade, count)
    yield "threads", count // 100, threads(cascade, count // 100)
    yield "forks", count // 20_000, forks(cascade, folder, target, count // 20_000)
    yield "interrupts", count // 5_000, interrupts(cascade, count // 5_000)
    yield "loads", count // 2_000, loads(folder, target, count // 2_000)


def main(words: Sequence[str] | None = None) -> int:
    """Run the rounds on each runtime and print a table; 1 if anything grew or was wrong."""
    parser = argparse.ArgumentParser(prog="campaigns.soak", description=main.__doc__)
    parser.add_argument("-n", type=int, default=1_000_000, help="inferences on each runtime")
    asked, faults = parser.parse_args(words), 0
    with tempfile.TemporaryDirectory(prefix="calexnet-soak-") as name:
        folder = Path(name) / "bundle"
        if ended(forked(lambda: _tiny(folder), Path(name))) != 0:
            raise SystemExit("the bundle could not be made")
        print(f"{'runtime':13}{'round':12}{'times':>9}{'faults':>8}   MiB, descriptors, threads")
        for target in TARGETS:
            for what, times, wrong in rounds(folder, target, asked.n):
                kib, handles, running = state()
                at = f"{kib / 1024:.1f}, {handles}, {running}"
                print(f"{target:13}{what:12}{times:9}{len(wrong):8}   {at}", flush=True)
                for fault in dict.fromkeys(wrong):
                    print(f"    {wrong.count(fault)} x {fault}", flush=True)
                faults += len(wrong)
    print("no faults" if not faults else f"{faults} faults")
    return 1 if faults else 0


def _tiny(folder: Path) -> None:
    from calexnet.export import export_bundle
    from tests.support.onnx_bundle import write_bundle

    write_bundle(folder)
    export_bundle(folder, folder, target="tflite")


if __name__ == "__main__":
    sys.exit(main())
