"""How often certificates are wrong, and how often they are given: ``make certify-study``.

Prints the tables of docs/measuring.md. Ends with 1 if a certificate is wrong more often than it
may be: a size over alpha by enumeration, or a simulated share whose 99 % lower limit is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain as together
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.model.statistics import wilson
from calexnet.certify import LONGEST, betting, noninferiority

IMAGES = (200, 538, 2000, 5000)
MAX_DROP, ALPHA, RUNS = 0.01, 0.05, 2000
#: True drops: a little more than may be lost, and less.
BAD, GOOD = (0.0101, 0.011, 0.013), (0.0, 0.003, 0.005)
#: Shares of images that the points help, the strictest first; each harms so many and the drop.
HELPED = (0.001, 0.002, 0.004, 0.007, 0.01, 0.015, 0.02)
#: Share of images on which another build answers as the first one does.
AGREE = 0.9
#: Calibration images for every test image: a default split has 20 and 30 % of all.
CALIBRATION = 2 / 3

#: Clips and frames of each, and how much of a frame's latent variable the next one remembers.
CLIPS, MEMORY = ((200, 30), (500, 10)), 0.9

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Setup:
    """Candidates of a chain: points of so many builds."""

    name: str
    helped: tuple[float, ...]
    builds: int


SETUPS = (
    Setup("one point", HELPED[3:4], 1),
    Setup("seven nested points", HELPED, 1),
    Setup("seven points of four builds", HELPED, 4),
)


def enumerated(images: int, drop: float) -> float:
    """Return the largest chance that one point of so large a true drop is certified.

    Over a grid of shares of helped images, which the test itself does not use.
    """
    certified = _certified(images)
    shares = np.geomspace(1e-5, 0.999 * (1 - drop) / 2, 80)
    return max(certified.probability(share + drop, share) for share in shares)


def bands(helped: Sequence[float], drop: float) -> NDArray[np.float64]:
    """Return the shares of images in 2 k + 1 bands: harmed from point i on, helped from i on, none.

    The points are nested: what one harms or helps, every looser one does too.
    """
    first = np.diff([0.0, *helped])
    harmed = first + np.array([drop] + [0.0] * (len(helped) - 1))
    return np.concatenate([harmed, first, [1 - harmed.sum() - first.sum()]])


def drawn(
    setup: Setup, drop: float, images: int, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Return harmed and helped images of every candidate in every run: ``(runs, candidates)``."""
    shares = bands(setup.helped, drop)
    base = rng.multinomial(images, shares, RUNS)
    builds = [base]
    for _ in range(setup.builds - 1):
        alike = rng.binomial(base, AGREE)
        builds.append(alike + rng.multinomial(images - alike.sum(1), shares))
    points = len(setup.helped)
    harmed = [np.cumsum(build[:, :points], axis=1) for build in builds]
    helped = [np.cumsum(build[:, points : 2 * points], axis=1) for build in builds]
    return np.concatenate(harmed, axis=1), np.concatenate(helped, axis=1)


def certified_in(setup: Setup, drop: float, images: int, seed: int) -> float:
    """Return the share of runs in which a chain certifies anything."""
    rng = np.random.default_rng([seed, images])
    calibration = round(images * CALIBRATION)
    order = np.argsort(_limits(calibration, *drawn(setup, drop, calibration, rng)), kind="stable")
    harmed, helped = drawn(setup, drop, images, rng)
    certified = _certified(images).contains(harmed, helped)
    return float(chain(certified, order[:, :LONGEST]).any(1).mean())


def chain(certified: NDArray[np.bool_], order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which candidates pass: certified, and all before them in their run's order too.

    Args:
        certified: ``(runs, candidates)``, each by itself.
        order: Columns in the order of the tests, ``(runs, length)``.
    """
    return np.logical_and.accumulate(np.take_along_axis(certified, order, 1), axis=1)


@lru_cache
def _certified(images: int) -> noninferiority.Outcomes:
    return noninferiority.certified(images, MAX_DROP, ALPHA)


def _limits(images: int, harmed: Integers, helped: Integers) -> NDArray[np.float64]:
    """Return what p-values of as many images rise with, found once for equal counts."""
    pairs, places = np.unique(
        np.stack([harmed.ravel(), helped.ravel()]), axis=1, return_inverse=True
    )
    found = noninferiority.score_limits(images, pairs[0], pairs[1], ALPHA)
    return found[places.ravel()].reshape(harmed.shape)


def tables() -> Iterator[tuple[str, bool]]:
    """Yield the lines of both tables, each with whether it keeps what was promised."""
    heads = [f"{100 * drop:g} lost" for drop in (*BAD, *GOOD)]
    yield f"| certified at {100 * MAX_DROP:g} point | test images | {' | '.join(heads)} |", True
    yield f"| --- | --- |{' --- |' * len(heads)}", True
    for images in IMAGES:
        sizes = [enumerated(images, drop) for drop in BAD]
        cells = " | ".join(f"{size:.1%}" for size in sizes)
        blank = " |" * len(GOOD)
        yield f"| one point, at most, exactly | {images} | {cells} |{blank}", max(sizes) <= ALPHA
    for setup in SETUPS:
        for images in IMAGES:
            shares = [certified_in(setup, drop, images, seed=1) for drop in (*BAD, *GOOD)]
            cells = " | ".join(f"{share:.1%}" for share in shares)
            sure = max(wilson(p, p * (1 - p) / RUNS, 2.326)[0] for p in shares[: len(BAD)])
            yield f"| {setup.name} | {images} | {cells} |", sure <= ALPHA


def frames(
    rng: np.random.Generator, runs: int, clips: int, size: int, drop: float
) -> tuple[Integers, Integers]:
    """Return which frames are harmed and helped, 0 or 1: ``(runs, clips, frames)``.

    A frame's fate is where a normal variable lies that remembers `MEMORY` of the frame before.
    """
    latent = np.empty((runs, clips, size))
    latent[..., 0] = rng.standard_normal((runs, clips))
    for now in range(1, size):
        new = rng.standard_normal((runs, clips))
        latent[..., now] = MEMORY * latent[..., now - 1] + np.sqrt(1 - MEMORY**2) * new
    helped = HELPED[3]
    ends = NormalDist().inv_cdf(1 - helped - drop), NormalDist().inv_cdf(helped)
    return (latent > ends[0]).astype(np.int64), (latent < ends[1]).astype(np.int64)


def by_group(clips: int, size: int, drop: float, runs: int) -> tuple[float, float, float]:
    """Return the shares of runs that are certified frame by frame, and clip by clip.

    And first the share in which an interval for independent images (Wald's) holds the true drop.
    """
    rng = np.random.default_rng([1, clips])
    harmed, helped = frames(rng, runs, clips, size, drop)
    lost, won, images = harmed.sum((1, 2)), helped.sum((1, 2)), clips * size
    seen = (lost - won) / images
    error = np.sqrt(lost + won - images * seen**2) / images
    alone = _certified(images).contains(lost, won).mean()
    each = [betting.p_value(row, MAX_DROP, ALPHA) for row in harmed.mean(2) - helped.mean(2)]
    held = (np.abs(seen - drop) <= 1.96 * error).mean()
    return float(held), float(alone), float(np.mean(np.array(each) <= ALPHA))


def group_table() -> Iterator[tuple[str, bool]]:
    """Yield the lines of the table of clips, likewise."""
    yield "| clips x frames | true drop | interval holds | certified by image | by group |", True
    yield "| --- | --- | --- | --- | --- |", True
    runs = RUNS // 5
    for clips, size in CLIPS:
        for drop in (BAD[0], GOOD[0]):
            held, alone, grouped = by_group(clips, size, drop, runs)
            line = (
                f"| {clips} x {size} | {100 * drop:g} | {held:.0%} | {alone:.0%} | {grouped:.0%} |"
            )
            sure = wilson(grouped, grouped * (1 - grouped) / runs, 2.326)[0]
            yield line, drop < MAX_DROP or sure <= ALPHA


def main() -> int:
    """Print the tables; return 1 if a certificate is wrong too often."""
    kept = True
    for line, holds in together(tables(), [("", True)], group_table()):
        print(line if holds else f"{line} TOO OFTEN WRONG", flush=True)
        kept &= holds
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
