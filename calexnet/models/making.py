"""From networks and real images to a model cascade: nothing is trained, thresholds are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from calexnet import rules
from calexnet.calibration import (
    OperatingPoint,
    cut_networks,
    operating_point,
    operating_points,
    point_name,
)
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, over_classes
from calexnet.errors import InputError
from calexnet.gating import ExitTable
from calexnet.images.preprocessing import Preprocessing
from calexnet.models.asking import Asked, Said
from calexnet.models.averaging import average_of
from calexnet.models.model import Model, ModelCascade, ModelCascadeSpec, macs_of, refuse_unfit
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part
from calexnet.training.spec import Plain, Samples

#: Real calibration images kept with the cascade, to verify every export on.
_KEPT = 128
#: Images that another reading of pixels is tried on.
_TRIED = 512


@dataclass(frozen=True)
class ModelPlan:
    """How the exits of a model cascade decide.

    Attributes:
        rule: Of the thresholds: one of `calexnet.rules.RULES`, or one's own.
        setting: The rule's, of the default operating point; the rule's default by default.
        settings: Those of all operating points, likewise.
        average: The last gate answers for the average of all networks, not for the last alone.
        thresholds: Tables float32 ``(early exits, classes)`` by the names of operating points, in
            the place of those that the rule finds; the first is the default one.
    """

    rule: Part = field(default_factory=lambda: Part("price"))
    setting: float | None = None
    settings: tuple[float, ...] | None = None
    average: bool = False
    thresholds: Mapping[str, NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class Reading:
    """A way to read pixels: what they are normalised with, and how often that is right."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    accuracy: float


@dataclass(frozen=True)
class Alone:
    """What one network does by itself on calibration samples.

    Attributes:
        name: Its name.
        macs: Of one image, the resizing apart.
        parameters: Numbers in its weights.
        plain: How often it is right.
        readings: Other ways to read its pixels, if it is at chance: 0..1, and 0..255.
    """

    name: str
    macs: int
    parameters: int
    plain: Plain
    readings: tuple[Reading, ...] = ()


#: Is told what each network does by itself, before thresholds are found.
Teller = Callable[[Alone], None]


def cascade_of(
    models: Sequence[Model],
    data: Dataset,
    split: Split,
    plan: ModelPlan | None = None,
    *,
    said: Said | None = None,
    tell: Teller = lambda known: None,
    allow: Allowed = BUILT_IN_ONLY,
) -> ModelCascade:
    """Return the cascade of `models`, its thresholds found on the calibration part of `data`.

    The test part is not read.

    Args:
        models: The cheapest first; the last is the one that the others save.
        data: The whole set; its images are the size that travels.
        split: Its division.
        plan: How exits decide.
        said: What `calexnet.models.asking.Asked` was told for the calibration part, if it has
            been asked already.
        tell: Is told what each network does by itself.
        allow: Whose own threshold rule may be imported.

    Raises:
        InputError: The networks do not fit each other or the data, or thresholds do not fit them.
        RuntimeUnavailableError: ONNX Runtime is not installed.
    """
    plan = plan or ModelPlan()
    specs = tuple(model.spec for model in models)
    refuse_unfit(specs)
    images = _travelling(models, data)
    macs = macs_of(specs, images)
    _refuse_order(models)
    rows = split.indices["calibration"]
    truth = data.labels[rows]
    said = said or Asked(models)(data.images[rows])
    for model, logits in zip(models, said.of_networks(), strict=True):
        tell(_alone(model, logits, data, rows))
    average = average_of(said.of_networks(), truth) if plan.average else None
    exits = said.exits(average)
    right = said.logits[-1].argmax(1) == truth
    rule = rules.with_costs(plan.rule, macs.to_exit() / macs.plain, allow)
    classes = len(data.classes)
    if plan.thresholds is None:
        found = rules.build(rule, allow)
        default = found.default if plan.setting is None else plan.setting
        settings = {default, *(found.settings if plan.settings is None else plan.settings)}
        points = operating_points(
            exits, truth, sorted(settings), classes=classes, rule=found, reference=right
        )
        default_name = point_name(found, default)
    else:
        points = _given(plan.thresholds, (exits.branches, classes), exits, truth, right)
        default_name = points[0].name
    kept = over_classes(data, rows, _KEPT, split.record.seed)
    spec = ModelCascadeSpec(
        models=specs,
        classes=data.classes,
        preprocessing=images,
        rule=rule,
        operating_points=points,
        default_operating_point=default_name,
        split=split.record,
        uncalibrated=data.absent(rows),
        plain_accuracy=float(right.mean()),
        cuts=cut_networks(exits, truth, right),
        average=average,
    )
    return ModelCascade(spec, tuple(models), Samples(data.images[kept], data.labels[kept]))


def _travelling(models: Sequence[Model], data: Dataset) -> Preprocessing:
    """Return what the images that travel are like."""
    last = models[-1].spec.preprocessing
    height, width, channels = data.images.shape[1:]
    if channels != last.channels:
        raise InputError(
            "the images do not fit the networks",
            got=f"{channels} channels",
            expected=f"{last.channels}",
        )
    return Preprocessing(height, width, last.mean, last.std, resize=data.resize)


def _refuse_order(models: Sequence[Model]) -> None:
    """Do nothing if each network costs more than the one before."""
    alone = {model.spec.name: model.spec.macs[-1] for model in models}
    if list(alone.values()) != sorted(set(alone.values())):
        cheapest = sorted(alone, key=lambda name: alone[name])
        raise InputError(
            "the networks do not come in the order of their cost",
            got=", ".join(f"{name}: {macs:,} MACs" for name, macs in alone.items()),
            expected="the cheapest first, each cheaper than the next",
            fix=f"Give them as {' '.join(cheapest)}",
        )


def _alone(
    model: Model, logits: NDArray[np.float32], data: Dataset, rows: NDArray[np.intp]
) -> Alone:
    spec, plain = model.spec, Plain.of(logits.argmax(1), data.labels[rows])
    readings = tuple(_readings(model, data, rows)) if plain.is_at_chance else ()
    return Alone(spec.name, spec.macs[-1], spec.parameters, plain, readings)


def _readings(model: Model, data: Dataset, rows: NDArray[np.intp]) -> Sequence[Reading]:
    """Return how often a network is right that is given pixels of 0..1, and of 0..255."""
    some = rows[np.linspace(0, len(rows) - 1, min(_TRIED, len(rows))).astype(np.intp)]
    channels = model.spec.preprocessing.channels
    found = []
    for most in (1.0, 255.0):
        mean, std = (0.0,) * channels, (1 / most,) * channels
        own = replace(model.spec.preprocessing, mean=mean, std=std)
        other = replace(model, spec=replace(model.spec, preprocessing=own))
        labels = Asked([other])(data.images[some]).logits[-1].argmax(1)
        found.append(Reading(mean, std, float((labels == data.labels[some]).mean())))
    return found


def _given(
    tables: Mapping[str, NDArray[np.float32]],
    shape: tuple[int, int],
    exits: ExitTable,
    truth: NDArray[np.int64],
    right: NDArray[np.bool_],
) -> tuple[OperatingPoint, ...]:
    points = []
    for name, table in tables.items():
        if np.shape(table) != shape or np.isnan(table).any():
            raise InputError(
                f"the thresholds of {name} do not fit",
                got=f"{np.shape(table)}",
                expected=f"{shape}, early exits x classes, without NaN",
            )
        table = np.asarray(table, np.float32)
        points.append(operating_point(name, 0.0, table, exits, truth, right))
    if not points:
        raise InputError("there are no thresholds", expected="at least one table")
    return tuple(points)
