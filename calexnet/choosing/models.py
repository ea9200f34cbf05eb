"""The models that were named: built-in or one's own with weights, ONNX files, runs. Needs torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calexnet.choosing.making import Ground, Model
from calexnet.errors import InputError
from calexnet.files.storage import is_file

if TYPE_CHECKING:
    from torch import Tensor, nn

    from calexnet.export.intake.taking import Taken
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.cascade import CascadePlan

#: Real images that an ONNX file is tried on, and labelled ones that tell how it reads pixels.
_TRIED, _ASKED = 16, 256


@dataclass(frozen=True)
class Named:
    """One model as it was asked for.

    Attributes:
        what: A built-in backbone or ``package.module:function``, an ``.onnx`` file, or a run.
        weights: Of a backbone; without them it is trained first.
        attach: Places for branches; ``None`` = found.
        stem: For the backbones that have a choice.
        mean: Of each channel, 0..1; ``None`` = the training part's own.
        std: Likewise.
        epochs: Of a backbone without weights; ``None`` = as many as usual.
        seed: Likewise.
    """

    what: str
    weights: Path | None = None
    attach: tuple[str, ...] | None = None
    stem: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    epochs: int | None = None
    seed: int = 0


def opened(named: Sequence[Named], ground: Ground) -> tuple[Model, ...]:
    """Return the models with their weights, each under a name of its own.

    Args:
        named: As they were asked for.
        ground: A backbone without weights is trained on its train part, and kept in its folder.

    Raises:
        InputError: A model is unknown, does not fit the images, or cannot be left early.
        CheckpointError: A run is damaged.
    """
    names = _names([one.what for one in named])
    return tuple(_opened(one, name, ground) for one, name in zip(named, names, strict=True))


def untrained(one: Named, ground: Ground) -> tuple[FrozenBackbone, Tensor, int]:
    """Return a model to be timed: its network, some images, and its epochs if it will be trained.

    A backbone's weights do not matter for that, so they are random ones.
    """
    from calexnet.training import backbones
    from calexnet.training.backbones.frozen import FrozenBackbone, handed
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.backbones.graph_file import GraphFile
    from calexnet.training.cascade import preprocessing_of

    plan, epochs = _plan(one), 0
    if is_path(one.what):
        model = _opened(one, one.what, ground)
        plan, network = model.plan, model.network
    else:
        classes = len(ground.samples.classes)
        network = backbones.build(backbones.BackboneSpec(one.what, classes, one.stem), ground.allow)
        epochs = plan.backbone_training.epochs if one.weights is None else 0
        if plan.attach is None:
            plan = replace(plan, attach=_places(network, plan, ground))
    rows = ground.split.indices["train"]
    pixels = ground.samples.images[rows[:_TRIED]]
    preprocessing = preprocessing_of(ground.samples, rows, plan)
    if isinstance(network, GraphFile):
        frozen: FrozenBackbone = GraphBackbone(network)
    else:
        frozen = FrozenBackbone(network, plan.attach or ())
    return frozen, handed(frozen.network, preprocessing.normalise(pixels)), epochs


def _names(whats: Sequence[str]) -> list[str]:
    """Return short names, each of them once: a file's without its folder and ending."""
    short = [Path(what).stem if is_path(what) else what.rpartition(":")[2] for what in whats]
    again = [name for name in short if short.count(name) > 1]
    if again:
        raise InputError(
            "two models have one name",
            got=again[0],
            expected="one name a model",
            fix="Rename one of the files, or give each model once",
        )
    return short


def is_path(what: str) -> bool:
    """Tell whether a model is named by where it lies: an ONNX file, or a run."""
    return what.lower().endswith(".onnx") or _is_run(Path(what))


def _is_run(path: Path) -> bool:
    from calexnet.training import record

    return is_file(path / record.RECORD)


def _opened(one: Named, name: str, ground: Ground) -> Model:
    if one.what.lower().endswith(".onnx"):
        return _of_file(one, name, ground)
    if _is_run(Path(one.what)):
        return _of_run(one, name, ground)
    return _of_builder(one, name, ground)


def _plan(one: Named) -> CascadePlan:
    from calexnet.training.cascade import CascadePlan
    from calexnet.training.spec import BackboneTraining

    length = {} if one.epochs is None else {"epochs": one.epochs}
    return CascadePlan(
        backbone=one.what,
        stem=one.stem,
        attach=one.attach,
        backbone_training=BackboneTraining(seed=one.seed, **length),
        mean=one.mean,
        std=one.std,
    )


def _of_builder(one: Named, name: str, ground: Ground) -> Model:
    from calexnet.sweep import backbone as trained
    from calexnet.sweep.spec import hash_of
    from calexnet.training import backbones
    from calexnet.training.weights import load_weights

    plan, weights = _plan(one), one.weights
    if weights is None:
        digest = hash_of(ground.samples)
        out = ground.folder / name
        source = trained.trained(plan, ground.samples, digest, ground.split, out, ground.allow)
        weights = Path(source.name)
    spec = backbones.BackboneSpec(one.what, len(ground.samples.classes), one.stem)
    network = backbones.build(spec, ground.allow)
    load_weights(network, weights)
    if plan.attach is None:
        plan = replace(plan, attach=_places(network, plan, ground))
    return Model(name, plan, network)


def _places(network: nn.Module, plan: CascadePlan, ground: Ground) -> tuple[str, ...]:
    """Return a built-in backbone's places; of one's own those that are found on a few images."""
    from calexnet.training import backbones
    from calexnet.training.backbones import attaching
    from calexnet.training.backbones.frozen import handed
    from calexnet.training.cascade import preprocessing_of

    if plan.backbone in backbones.BUILT_IN:
        return backbones.default_attach(plan.backbone)
    rows = ground.split.indices["train"]
    preprocessing = preprocessing_of(ground.samples, rows, plan)
    images = handed(network, preprocessing.normalise(ground.samples.images[rows[:2]]))
    places = attaching.propose(network.eval().requires_grad_(False), images)
    if not places:
        raise InputError(
            f"no attach points for {plan.backbone}",
            expected="the names of its modules after which branches go",
            fix="Add for example --attach layer1,layer2,layer3",
        )
    return tuple(place.name for place in places)


def _of_file(one: Named, name: str, ground: Ground) -> Model:
    from calexnet.data.split import over_classes
    from calexnet.export.intake.backbone import with_branches
    from calexnet.export.intake.taking import take

    if one.weights is not None:
        raise InputError(
            "an ONNX file brings its weights", got=one.weights, fix="Leave out --weights for it"
        )
    samples = ground.samples
    rows = over_classes(samples, np.arange(len(samples)), _TRIED, seed=0)
    path = Path(one.what)
    mean, std = one.mean, one.std
    if mean is None and std is None:
        mean, std = _card(path)
    taken = take(path, samples.images[rows], mean, std)
    if taken.form.dtype == "uint8":  # bytes as they are, whatever the data's statistics
        mean, std = taken.preprocessing.mean, taken.preprocessing.std
    elif mean is None and std is None:
        mean, std = _read(taken, path, ground)
    file = with_branches(taken, one.attach)
    plan = replace(_plan(one), backbone=path.name, attach=file.attach, mean=mean, std=std)
    return Model(name, plan, file)


def _card(path: Path) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return the mean and std that a file's card names; ``None`` each if it has none."""
    from calexnet.export.models.of_file import card_of

    card = card_of(path)
    return card.mean, card.std


def _read(
    taken: Taken, path: Path, ground: Ground
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return the mean and std by which a network answers most training images rightly; say so.

    Accuracy is held against this network: one that is fed wrongly would promise nothing.
    """
    from calexnet.data.split import over_classes
    from calexnet.export.intake import readings
    from calexnet.training.cascade import preprocessing_of

    samples = ground.samples
    train = ground.split.indices["train"]
    own = preprocessing_of(samples, train, _plan(Named(path.name)))
    rows = over_classes(samples, train, _ASKED, seed=0)
    ways = readings.usual((own.mean, own.std))
    found = readings.right(taken, samples.images[rows], samples.labels[rows], ways)
    best = max(found, key=lambda way: found[way])
    others = ", ".join(f"as {way} {count}" for way, count in found.items() if way != best)
    print(
        f"{path.name}: a pixel is read as {best}, by which {found[best]} of {len(rows)} training "
        f"images are answered rightly ({others}); --mean and --std say it otherwise",
        file=sys.stderr,
    )
    return ways[best]


def _of_run(one: Named, name: str, ground: Ground) -> Model:
    from calexnet.training import record, runs
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.backbones.graph_file import GraphFile

    found, _ = runs.load(Path(one.what), ground.allow)
    spec, backbone = found.spec, found.backbone
    if spec.split != ground.split.record:
        raise InputError(
            f"{one.what} divides the images otherwise",
            got=f"--split '{spec.split.rule}' with seed {spec.split.seed}",
            expected="one division: else images that it was trained on would test it",
            fix="Give that --split and --seed, and the data that it was trained from",
        )
    ways = spec.preprocessing
    if not spec.attach:  # a distilled network alone: places for branches are found
        file = replace(one, what=str(Path(one.what) / record.GRAPH), mean=ways.mean, std=ways.std)
        return _of_file(file, name, ground)
    plan = replace(
        _plan(one),
        backbone=spec.backbone.name,
        stem=spec.backbone.stem,
        attach=spec.attach,
        mean=ways.mean,
        std=ways.std,
    )
    if isinstance(backbone, GraphFile):
        return Model(name, plan, backbone)
    if isinstance(backbone, GraphBackbone):
        assert backbone.costs is not None
        return Model(name, plan, GraphFile(backbone.data, backbone.attach, backbone.costs))
    return Model(name, plan, backbone.network)
