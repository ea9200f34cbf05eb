"""What a cascade costs: expected MACs, expected time, and where it breaks even.

Plain numpy, so that a board predicts without torch. Formulas are derivations, not the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import MeasurementError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one image: convolutions and linear layers (x 2 = FLOPs).

    Attributes:
        stages: The backbone's stages, one more than branches; their sum is the plain network.
        branches: The branch heads.
        gates: The gates: a maximum, a look-up and a comparison hold no MACs, so zeros.
    """

    stages: tuple[int, ...]
    branches: tuple[int, ...]
    gates: tuple[int, ...]

    @property
    def plain(self) -> int:
        """MACs of the backbone alone."""
        return sum(self.stages)

    def to_exit(self, *, own_head_only: bool = False) -> Floats:
        """Return the MACs spent by a sample that leaves at each exit: float64 ``(exits,)``.

        Args:
            own_head_only: Count only the head that the sample leaves by (PTEENet's convention)
                instead of every head it visited.
        """
        heads = np.append(np.add(self.branches, self.gates), 0)
        visited = heads if own_head_only else np.cumsum(heads)
        return np.asarray(np.cumsum(self.stages) + visited, dtype=np.float64)

    def expected(self, exit_rates: Sequence[float], *, own_head_only: bool = False) -> float:
        """Return the mean MACs an image for the given share of samples at each exit."""
        return float(np.dot(exit_rates, self.to_exit(own_head_only=own_head_only)))


@dataclass(frozen=True)
class SegmentTimes:
    """Measured time of every segment over a grid of batch sizes.

    Attributes:
        batches: Rising batch sizes, the first is 1.
        call_ms: ms for one call, ``[segment][batch]``; not per image.
    """

    batches: tuple[int, ...]
    call_ms: tuple[tuple[float, ...], ...]

    def call(self, segment: int, samples: NDArray[np.integer]) -> Floats:
        """Return ms of one call of `segment` (from 0) at each count of samples; 0 at none.

        Between grid points the time is linear in the count.

        Raises:
            MeasurementError: A count lies beyond the grid, where nothing was measured.
        """
        if np.max(samples, initial=0) > self.batches[-1]:
            raise MeasurementError(
                "no segment times for this batch",
                got=f"{np.max(samples)} samples",
                expected=f"at most {self.batches[-1]}, the largest measured",
                fix="Measure a larger batch too",
            )
        inside = np.interp(samples, self.batches, self.call_ms[segment])
        return np.asarray(np.where(np.asarray(samples) == 0, 0.0, inside), dtype=np.float64)


def binomial(count: int, share: float) -> Floats:
    """Return the probabilities of 0..`count` successes: float64 ``(count + 1,)``."""
    if share <= 0.0 or share >= 1.0:
        sure = np.zeros(count + 1)
        sure[count if share >= 1.0 else 0] = 1.0
        return sure
    k = np.arange(count + 1)
    log_ways = lgamma(count + 1) - np.array([lgamma(i + 1) + lgamma(count - i + 1) for i in k])
    return np.asarray(np.exp(log_ways + k * np.log(share) + (count - k) * np.log1p(-share)))


def expected_call_ms(times: SegmentTimes, batch: int, exit_rates: Sequence[float]) -> float:
    """Return the expected ms of one batch through the cascade, the runner's own work left out.

    The number of samples that reach segment `k` is binomial with the share that no earlier branch
    let out; an empty segment costs nothing::

        T(B) = sum_k sum_n P(n | B, 1 - sum_{j<k} rate_j) t_k(n),    t_k(0) = 0
    """
    counts = np.arange(batch + 1)
    total = 0.0
    for segment, left in enumerate(np.cumsum([0.0, *exit_rates[:-1]])):
        total += float(binomial(batch, 1.0 - left) @ times.call(segment, counts))
    return total


def exit_profile(early: float, mix: Sequence[float]) -> tuple[float, ...]:
    """Return exit rates with a share `early` leaving before the tail, split as `mix` says.

    A mix without any early exit is split evenly: nothing was observed to keep.
    """
    total = sum(mix)
    shares = [m / total for m in mix] if total > 0 else [1 / len(mix)] * len(mix)
    return (*(early * share for share in shares), 1.0 - early)


def break_even_exit_rate(
    times: SegmentTimes,
    batch: int,
    exit_rates: Sequence[float],
    *,
    plain_call_ms: float,
    cascade_call_ms: float,
) -> float | None:
    """Return the early-exit share at which cascade and plain cost the same, None if none does.

    The prediction is moved by a constant so that it meets the measured cascade at the observed
    rates: what the runner adds between segments is in no segment's time. So the observed rate lies
    beyond the break-even rate exactly when the cascade measured faster.

    Args:
        times: Segment times on this device.
        batch: Samples a call.
        exit_rates: The observed shares, the tail's last; their mix among branches is kept.
        plain_call_ms: Measured ms of one plain call.
        cascade_call_ms: Measured ms of one cascade call at `exit_rates`.
    """
    handing_over_ms = cascade_call_ms - expected_call_ms(times, batch, exit_rates)
    mix = exit_rates[:-1]
    observed = float(sum(mix))

    def loss_ms(early: float) -> float:
        profile = exit_profile(early, mix) if early != observed else exit_rates
        return expected_call_ms(times, batch, profile) + handing_over_ms - plain_call_ms

    grid = np.unique(np.append(np.linspace(0.0, 1.0, 201), observed))
    losses = np.array([loss_ms(float(early)) for early in grid])
    if cascade_call_ms < plain_call_ms:
        # It pays at the observed rate, so the question is since when; beyond, uneven segment times
        # may make more exits cost more again.
        losses = np.where(grid > observed, np.minimum(losses, 0.0), losses)
    losing = np.flatnonzero(losses > 0)
    if len(losing) == 0:
        return 0.0
    last = int(losing[-1])
    if last == len(grid) - 1:
        return None
    # Linear between the last losing point and the first that wins from there on.
    part = losses[last] / (losses[last] - losses[last + 1])
    return float(grid[last] + part * (grid[last + 1] - grid[last]))
