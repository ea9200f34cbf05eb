"""How long a choice will take, said before it starts: from a short probe of networks and heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from calexnet.choosing.making import Ground, recipe
from calexnet.choosing.models import Named, untrained

if TYPE_CHECKING:
    from torch import Tensor

#: How often a probe is asked; the quickest call counts.
_TURNS = 3
#: A step of training is a pass forward and about two back.
_STEP = 3
#: What it takes to translate, compile and verify one bundle, beside its network's own passes.
_BUNDLE_S = 6.0


@dataclass(frozen=True)
class Outlook:
    """What the parts of a choice take, in seconds.

    Attributes:
        training: Of networks without weights, and of branches.
        building: Of bundles on trial.
        measuring: Of pieces and finalists.
    """

    training: float
    building: float
    measuring: float

    def words(self) -> str:
        """Return it for a terminal."""
        total = self.training + self.building + self.measuring
        parts = f"training {self.training:.0f} s, building {self.building:.0f} s, measuring"
        return f"about {ceil(total / 60)} min in all: {parts} {self.measuring:.0f} s"


def outlook(
    named: Sequence[Named], heads: Sequence[str], ground: Ground, bundles: int, measuring_s: float
) -> Outlook:
    """Return what a choice takes if nothing of it is there yet.

    Args:
        named: The models.
        heads: Kinds of branches at every place.
        ground: The images.
        bundles: That are built.
        measuring_s: That is timed.
    """
    parts = ground.split.record.parts
    train, calibration = (parts[name].samples for name in ("train", "calibration"))
    training = 0.0
    for one in named:
        backbone, images, epochs = untrained(one, ground)
        pass_s = _quickest(partial(backbone.answer, images)) / len(images)
        training += pass_s * (train * _STEP * epochs + len(heads) * (train + calibration))
        *features, _ = backbone.answer(images)
        for head in heads:
            steps = train * recipe(head).optimisation.length(train)[0]
            training += _STEP * steps * _head_s(features, head, ground) / len(images)
    return Outlook(training, bundles * _BUNDLE_S, measuring_s)


def _head_s(features: Sequence[Tensor], head: str, ground: Ground) -> float:
    """Return what one pass of all features through a kind of head takes."""
    from calexnet.training import heads

    total = 0.0
    for some in features:
        made = heads.build(head, tuple(some.shape[1:]), len(ground.samples.classes), ground.allow)
        total += _quickest(partial(made.classify, made.reduce(some)))
    return total


def _quickest(call: Callable[[], object]) -> float:
    """Return the seconds of the quickest of a few calls, after one that warms up."""
    call()
    times = []
    for _ in range(_TURNS):
        begun = perf_counter()
        call()
        times.append(perf_counter() - begun)
    return float(np.min(times))
