"""The average of what several networks say: a temperature each, weights for all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError

#: Temperatures that are tried, from far surer to far less sure than the network is.
_TEMPERATURES = np.geomspace(0.25, 8.0, 121)
#: Steps of a weight: few, for thousands of images tell no more.
_STEPS = 20


@dataclass(frozen=True)
class Average:
    """How the last gate averages the probabilities of all networks that were asked.

    Attributes:
        temperatures: What each network's logits are divided by before their softmax.
        weights: Of each network; they sum to 1.
    """

    temperatures: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = np.array([*self.temperatures, *self.weights])
        fits = len(self.temperatures) == len(self.weights) > 0 and np.isfinite(numbers).all()
        if not fits or min(self.temperatures) <= 0 or min(self.weights) < 0:
            raise InputError(
                "networks cannot be averaged so",
                got=f"temperatures {self.temperatures}, weights {self.weights}",
                expected="a temperature over 0 and a weight a network",
            )
        if abs(sum(self.weights) - 1) > 1e-6:
            raise InputError("the weights of an average sum to 1", got=sum(self.weights))

    def of(self, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the average, float32 ``(n, classes)``, of logits ``(n, classes)`` each."""
        parts = zip(logits, self.temperatures, self.weights, strict=True)
        return np.asarray(sum(np.float32(w) * softmax(z, t) for z, t, w in parts), np.float32)


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax of ``logits / temperature`` over the last axis."""
    scaled = logits * np.float32(1 / temperature)
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)


def average_of(logits: Sequence[NDArray[np.float32]], truth: NDArray[np.integer]) -> Average:
    """Return the average that fits calibration samples best.

    Each temperature makes the network's own log-likelihood largest; the weights that of the
    average, which unlike its accuracy is smooth. Networks join one after the other, the last
    first, each with the share that is best beside those before it.

    Args:
        logits: Of each network, float32 ``(n, classes)``; the last is the large one.
        truth: Integer ``(n,)``, the right classes.
    """
    temperatures = tuple(_temperature(one, truth) for one in logits)
    tables = [softmax(z, t) for z, t in zip(logits, temperatures, strict=True)]
    weights, mixed = [1.0], tables[-1]
    for table in reversed(tables[:-1]):
        share = max(
            range(_STEPS + 1), key=lambda k: (_likelihood(_mix(mixed, table, k), truth), -k)
        )
        weights = [share / _STEPS, *(w * (1 - share / _STEPS) for w in weights)]
        mixed = _mix(mixed, table, share)
    return Average(temperatures, tuple(weights))


def _mix(one: NDArray[np.float32], other: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    share = np.float32(steps / _STEPS)
    return np.asarray((1 - share) * one + share * other)


def _temperature(logits: NDArray[np.float32], truth: NDArray[np.integer]) -> float:
    tried = [_likelihood(softmax(logits, float(t)), truth) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmax(tried))])


def _likelihood(table: NDArray[np.float32], truth: NDArray[np.integer]) -> float:
    """Return the mean log-likelihood of the right classes."""
    right = table[np.arange(len(truth)), truth].astype(np.float64)
    return float(np.log(np.maximum(right, 1e-12)).mean())
