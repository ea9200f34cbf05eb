"""What a model cascade is: networks in running order, what each takes and costs, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.calibration import CutNetwork, OperatingPoint
from calexnet.costs import Macs, Parameters
from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.images.resizing import resizing_macs
from calexnet.models.averaging import Average
from calexnet.registry import Part
from calexnet.training.spec import Samples


@dataclass(frozen=True)
class ModelBranch:
    """A branch that a network brings with it: of an early-exit cascade behind a small network.

    Attributes:
        attach: The tensor of the network's graph that it reads.
        head: Of what kind it is.
        macs: Of one image, its own.
        parameters: Numbers that it has learnt.
        reads: Which of the network's earlier branches (from 0) hand it their state.
        state_width: Length of one sample's state that it hands on; 0 = none.
    """

    attach: str
    head: str
    macs: int
    parameters: int
    reads: tuple[int, ...] = ()
    state_width: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """One network of a model cascade.

    Attributes:
        name: Unlike the others'.
        sha256: Of the file, or of the run, that it came from.
        preprocessing: From the bytes of an image of its own size to its input.
        macs: Of one image: up to each of its branches, then all.
        parameters: Numbers in its weights.
        licence: As given; ``None`` = nobody said.
        branches: Its own, in running order; of the last network only.
    """

    name: str
    sha256: str
    preprocessing: Preprocessing
    macs: tuple[int, ...]
    parameters: int
    licence: str | None = None
    branches: tuple[ModelBranch, ...] = ()

    @property
    def attach(self) -> tuple[str, ...]:
        """Where its own branches are."""
        return tuple(branch.attach for branch in self.branches)


@dataclass(frozen=True)
class Model:
    """A network with its graphs, as whoever took it in hands it on.

    Attributes:
        spec: All but the graphs.
        data: ONNX: ``image`` float32 ``(n, C, H, W)``, normalised, to ``logits`` ``(n, classes)``;
            features at its branches are outputs of their names.
        branches: ONNX of each branch: ``features`` and the states that it reads to ``logits``, then
            ``score`` and its state where it has them.
    """

    spec: ModelSpec
    data: bytes
    branches: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class ModelCascadeSpec:
    """Everything about a model cascade but its graphs.

    Attributes:
        models: In running order, the cheapest first; the last is what the others save.
        classes: Names in label order.
        preprocessing: Of the images that travel, with the last network's mean and std.
        rule: How thresholds are found.
        operating_points: Threshold tables, by rising setting.
        default_operating_point: Name of the one that is used unless told otherwise.
        split: Which samples calibrated and may test.
        uncalibrated: Classes without a calibration sample, which never exit early.
        plain_accuracy: Share of the calibration samples that the last network answers rightly.
        cuts: Each network before the last by itself, then the last cut after each of its branches.
        average: How the last gate answers; ``None`` = as the last network does.
    """

    models: tuple[ModelSpec, ...]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    rule: Part
    operating_points: tuple[OperatingPoint, ...]
    default_operating_point: str
    split: SplitRecord
    uncalibrated: tuple[str, ...]
    plain_accuracy: float
    cuts: tuple[CutNetwork, ...]
    average: Average | None = None

    def __post_init__(self) -> None:
        refuse_unfit(self.models)

    @property
    def small(self) -> tuple[ModelSpec, ...]:
        """The networks before the last."""
        return self.models[:-1]

    @property
    def attach(self) -> tuple[str, ...]:
        """Names of the early exits: networks, then the last network's own attach points."""
        return (*(one.name for one in self.small), *self.models[-1].attach)

    def known_cuts(self) -> tuple[CutNetwork, ...]:
        """Return `cuts`."""
        return self.cuts


@dataclass(frozen=True)
class _Reading:
    reads: tuple[int, ...]


@dataclass(frozen=True)
class ModelCascade:
    """A model cascade with its graphs, and real samples from its calibration part."""

    spec: ModelCascadeSpec
    models: tuple[Model, ...]
    samples: Samples

    def macs(self) -> Macs:
        """Return the MACs of one image; see `macs_of`."""
        return macs_of(self.spec.models, self.spec.preprocessing)

    @property
    def branches(self) -> tuple[_Reading, ...]:
        """Which early exits each one needs to answer by itself: a network needs no other."""
        *small, last = self.spec.models
        own = [_Reading(tuple(len(small) + k for k in one.reads)) for one in last.branches]
        return (*(_Reading(()) for _ in small), *own)

    def parameters(self) -> Parameters:
        """Return how many numbers the last network, and each early exit, has learnt."""
        *small, last = self.spec.models
        heads = (*(one.parameters for one in small), *(one.parameters for one in last.branches))
        return Parameters(last.parameters, heads)


def macs_of(models: Sequence[ModelSpec], images: Preprocessing) -> Macs:
    """Return the MACs of one image, a network before the last as a branch on the image.

    Bringing the image to a network's size is two matrix products, which count for that network.

    Args:
        models: In running order.
        images: Of those that travel.
    """
    *small, last = models
    fronts = [resizing_macs(images.image_shape, one.preprocessing.image_shape) for one in models]
    heads = [one.macs[-1] + front for one, front in zip(small, fronts, strict=False)]
    stages = np.diff([0, *last.macs])
    stages[0] += fronts[-1]
    return Macs(
        (*(0 for _ in small), *map(int, stages)),
        (*heads, *(branch.macs for branch in last.branches)),
        (0,) * (len(small) + len(last.branches)),
    )


def refuse_unfit(models: Sequence[ModelSpec]) -> None:
    """Do nothing if networks can stand one behind the other.

    Raises:
        InputError: There is but one exit, two have one name, or one before the last has branches.
    """
    names = [name for one in models for name in (one.name, *one.attach)]
    twice = [name for name in names if names.count(name) > 1]
    if len(models) < 2:
        raise InputError(
            "a model cascade has a small network and a large one",
            got=f"{len(models)} network",
            expected="two or more, the cheapest first",
        )
    if twice or not all(names):
        raise InputError(
            "two networks have one name", got=repr(twice[0] if twice else ""), fix="Rename a file"
        )
    if any(one.branches for one in models[:-1]):
        raise InputError(
            "only the last network can have branches of its own",
            got=", ".join(one.name for one in models[:-1] if one.branches),
        )
    channels = {one.preprocessing.channels for one in models}
    if len(channels) > 1:
        raise InputError(
            "the networks take images of unlike kinds",
            got=", ".join(f"{one.name}: {one.preprocessing.channels} channels" for one in models),
            expected="as many channels in all of them",
        )


def seen_by(spec: ModelSpec, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return travelling images uint8 ``(n, H, W, C)`` as a network takes them, the reference.

    float32 ``(n, C, h, w)``, at its own size.
    """
    own = spec.preprocessing
    if images.shape[1:] != own.image_shape:
        images = own.resized(images)
    return own.normalise(images)
