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
    """Multiply-accumulates of one image: convolutions and matrix products (x 2 = FLOPs).

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

    def cut(self, number: int, reads: Sequence[Sequence[int]]) -> int:
        """Return the MACs of one image in the network cut after stage `number`, from 1.

        Its own head counts, and those whose state that one reads.

        Args:
            number: Of the stage.
            reads: For each branch, indices (from 0) of those whose state it reads.
        """
        heads, asked = {number - 1}, [number - 1]
        while asked:
            read = set(reads[asked.pop()]) - heads
            heads |= read
            asked += read
        return sum(self.stages[:number]) + sum(self.branches[k] for k in heads)


@dataclass(frozen=True)
class Parameters:
    """Numbers learnt: weights and biases.

    Attributes:
        network: Those of the plain network.
        branches: Those of each branch, with all that its method adds to the head.
    """

    network: int
    branches: tuple[int, ...]


@dataclass(frozen=True)
class SegmentTimes:
    """Measured time of every segment over a grid of batch sizes.

    Attributes:
        batches: Rising batch sizes, the first is 1.
        call_ms: ms for one call, ``[segment][batch]``; not per image.
    """

    batches: tuple[int, ...]
    call_ms: tuple[tuple[float, ...], ...]


def binomial(count: int, share: float) -> Floats:
    """Return the probabilities of 0..`count` successes: float64 ``(count + 1,)``."""
    if share <= 0.0 or share >= 1.0:
        sure = np.zeros(count + 1)
        sure[count if share >= 1.0 else 0] = 1.0
        return sure
    k = np.arange(count + 1)
    log_ways = lgamma(count + 1) - np.array([lgamma(i + 1) + lgamma(count - i + 1) for i in k])
    return np.asarray(np.exp(log_ways + k * np.log(share) + (count - k) * np.log1p(-share)))


def expected_calls(
    batches: Sequence[int], batch: int, exit_rates: Sequence[float], *, compacted: bool = True
) -> Floats:
    """Return how often each segment is called at each grid point, for one batch: ``(exits, grid)``.

    The number of samples that reach segment `k` is binomial with the share that no earlier branch
    let out; an empty segment is not called. Between grid points a call counts for both neighbours,
    so that any cost that is known on the grid is linear in between::

        cost(B) = sum_k sum_n P(n | B, 1 - sum_{j<k} rate_j) c_k(n),    c_k(0) = 0

    Args:
        batches: The grid, rising.
        batch: Samples a call; on the grid if not `compacted`.
        exit_rates: Share of samples at each exit.
        compacted: Survivors are gathered; else the whole batch goes on while one survives.

    Raises:
        MeasurementError: `batch` lies beyond the grid, where nothing was measured.
    """
    if batch > batches[-1]:
        raise MeasurementError(
            "no segment times for this batch",
            got=f"{batch} samples",
            expected=f"at most {batches[-1]}, the largest measured",
            fix="Measure a larger batch too",
        )
    counts = np.arange(1, batch + 1) if compacted else np.full(batch, batch)
    places = np.interp(counts, batches, np.arange(len(batches)))
    lower = np.minimum(places.astype(int), len(batches) - 1)
    upper = np.minimum(lower + 1, len(batches) - 1)
    calls = np.zeros((len(exit_rates), len(batches)))
    for segment, left in enumerate(np.cumsum([0.0, *exit_rates[:-1]])):
        chances = binomial(batch, 1.0 - left)[1:]
        np.add.at(calls[segment], lower, chances * (1 - (places - lower)))
        np.add.at(calls[segment], upper, chances * (places - lower))
    return calls


def expected_gathers(batch: int, exit_rates: Sequence[float]) -> Floats:
    """Return how many samples are gathered before each segment, for one batch: ``(exits,)``.

    All that reach a segment are gathered if any that reached the one before has left. With the
    share ``a`` that reaches segment `k` and ``b`` the one before it::

        E[n_k, n_k < n_(k-1)] = B a (1 - (1 - b + a)^(B - 1))

    as ``E[n t^n] = B b t (1 - b + b t)^(B - 1)`` for n of binomial (B, b), with ``t = a / b``.
    """
    reach = 1.0 - np.cumsum([0.0, *exit_rates[:-1]])
    left = np.clip(np.diff(reach), -1.0, 0.0)  # minus the share that leaves in between
    gathered = batch * np.clip(reach[1:], 0.0, 1.0) * (1 - (1 + left) ** (batch - 1))
    return np.append(0.0, gathered)


def expected_call_ms(
    times: SegmentTimes,
    batch: int,
    exit_rates: Sequence[float],
    *,
    compacted: bool = True,
    gather_ms: Sequence[float] | None = None,
) -> float:
    """Return the expected ms of one batch through the cascade.

    Args:
        times: Of the segments.
        batch: See `expected_calls`.
        exit_rates: Likewise.
        compacted: Likewise.
        gather_ms: To gather one sample before each segment, 0 for the first; nothing if not given.
    """
    calls = expected_calls(times.batches, batch, exit_rates, compacted=compacted)
    total = float((calls * np.array(times.call_ms)).sum())
    if compacted and gather_ms is not None:
        total += float(expected_gathers(batch, exit_rates) @ np.array(gather_ms))
    return total


def exit_profile(early: float, mix: Sequence[float]) -> tuple[float, ...]:
    """Return exit rates with a share `early` leaving before the tail, split as `mix` says.

    A mix without any early exit is split evenly: nothing was observed to keep.
    """
    total = sum(mix)
    shares = [m / total for m in mix] if total > 0 else [1 / len(mix)] * len(mix)
    return (*(early * share for share in shares), 1.0 - early)


@dataclass(frozen=True)
class Profiles:
    """Exit profiles from nobody leaving early to everyone, the observed mix kept, at one batch.

    Attributes:
        early: Share that leaves before the tail, rising; the observed one is among them.
        calls: What each profile calls: float64 ``(profiles, exits, grid)``, see `expected_calls`.
        gathers: What each gathers: float64 ``(profiles, exits)``, see `expected_gathers`.
        observed: Place of the observed share.
    """

    early: Floats
    calls: Floats
    gathers: Floats
    observed: int

    def expected_ms(self, call_ms: Floats, gather_ms: Floats | None = None) -> Floats:
        """Return the expected ms of one call for each profile.

        Args:
            call_ms: Of each segment: float64 ``(exits, grid)``, and further axes.
            gather_ms: One sample's before each: float64 ``(exits,)``, and the same further axes.
        """
        expected = np.tensordot(self.calls, call_ms, 2)
        if gather_ms is not None:
            expected = expected + np.tensordot(self.gathers, gather_ms, 1)
        return np.asarray(expected)


def profiles(
    batches: Sequence[int], batch: int, exit_rates: Sequence[float], steps: int = 200
) -> Profiles:
    """Return profiles in `steps` equal steps of the early share, and the observed one."""
    mix = exit_rates[:-1]
    observed = min(float(sum(mix)), 1.0)
    early = np.unique(np.append(np.linspace(0.0, 1.0, steps + 1), observed))
    rates = [
        tuple(exit_rates) if share == observed else exit_profile(float(share), mix)
        for share in early
    ]
    return Profiles(
        early,
        np.array([expected_calls(batches, batch, one) for one in rates]),
        np.array([expected_gathers(batch, one) for one in rates]),
        int(np.searchsorted(early, observed)),
    )


def break_even_exit_rate(found: Profiles, losses: Floats) -> float | None:
    """Return the early-exit share at which cascade and plain cost the same, None if none does.

    Args:
        found: The exit profiles.
        losses: What the cascade costs more than plain at each of them: float64 ``(profiles,)``.
    """
    if losses[found.observed] < 0:
        # It pays at the observed rate, so the question is since when; beyond, uneven segment times
        # may make more exits cost more again.
        losses = losses.copy()
        losses[found.observed + 1 :] = np.minimum(losses[found.observed + 1 :], 0.0)
    losing = np.flatnonzero(losses > 0)
    if len(losing) == 0:
        return 0.0
    last = int(losing[-1])
    return None if last == len(losses) - 1 else _crossing(found.early, losses, last)


def break_even_band(
    found: Profiles, rate: float | None, low: Floats, high: Floats
) -> tuple[float | None, float | None]:
    """Return the shares around the break-even rate at which neither surely costs less.

    Args:
        found: The exit profiles.
        rate: The break-even rate; ``None`` = beyond 1.
        low: Lower end of the interval of each loss: float64 ``(profiles,)``.
        high: Upper end.

    Returns:
        The band; an end is ``None`` where no share is enough.
    """
    place = len(low) - 1 if rate is None else int(np.searchsorted(found.early, rate))
    before = np.flatnonzero(low[: place + 1] > 0)  # surely losing: the band begins after these
    after = np.flatnonzero(high[place:] < 0) + place  # surely winning: it ends before these
    first: float | None = 0.0
    if len(before) > 0:
        last = int(before[-1])
        first = None if last == len(low) - 1 else _crossing(found.early, low, last)
    until = None if len(after) == 0 else 0.0
    if len(after) > 0 and after[0] > 0:
        until = _crossing(found.early, high, int(after[0]) - 1)
    if rate is not None:  # a rate between two profiles may lie beyond both crossings by rounding
        first = rate if first is None else min(first, rate)
        until = None if until is None else max(until, rate)
    return first, until


def _crossing(early: Floats, losses: Floats, last: int) -> float:
    """Return where losses cross 0 after place `last`, linear between two."""
    here, there = float(losses[last]), float(losses[last + 1])
    part = here / (here - there) if here != there else 0.0
    return float(early[last] + part * (early[last + 1] - early[last]))
