"""The pool made: networks taken in, every head trained at every place. Needs torch.

Each kind of head is one training of independent branches at all places of a network, kept as a run
in the pool's folder. What is there and still fits is not trained again, so that a command that was
interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calexnet.choosing.pool import Exit, ExitPool, Network, Said
from calexnet.errors import CheckpointError
from calexnet.files import schema
from calexnet.files.storage import staged_folder
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part

if TYPE_CHECKING:
    from torch import nn

    from calexnet.data.dataset import Dataset
    from calexnet.data.split import Split
    from calexnet.training.backbones.graph_file import GraphFile
    from calexnet.training.cascade import Cascade, CascadePlan
    from calexnet.training.spec import Recipe

#: A head whose exit costs more of plain than this saves next to nothing.
LATEST = 0.9


@dataclass(frozen=True)
class Model:
    """A trained network as it is handed on.

    Attributes:
        name: Unique.
        plan: How it is built and what its images are like; its recipe does not matter.
        network: With its weights.
    """

    name: str
    plan: CascadePlan
    network: nn.Module | GraphFile


@dataclass(frozen=True)
class Ground:
    """What everything is trained and judged on.

    Attributes:
        samples: The data set.
        split: Its division.
        folder: Of the pool.
        allow: Whose own parts may be imported.
    """

    samples: Dataset
    split: Split
    folder: Path
    allow: Allowed = BUILT_IN_ONLY


@dataclass(frozen=True)
class Made:
    """A pool, and the trained networks behind it.

    Attributes:
        pool: What can be combined.
        runs: By network, then by head: a cascade with that head at every place.
        weights: By network, a hash of it.
    """

    pool: ExitPool
    runs: Mapping[str, Mapping[str, Cascade]]
    weights: Mapping[str, str]

    @property
    def identity(self) -> str:
        """A hash of the networks, and of all that their branches were trained by."""
        return schema.fingerprint(
            [
                dict(self.weights),
                [
                    [name, head, schema.encode(run.spec)]
                    for name, runs in self.runs.items()
                    for head, run in runs.items()
                ],
            ]
        )

    def run(self, one: Exit) -> Cascade:
        """Return a run that an exit is of; of a network's end any with that network."""
        mine = self.runs[one.network]
        return next(iter(mine.values())) if one.head is None else mine[one.head]


def recipe(head: str, seed: int = 0) -> Recipe:
    """Return how independent branches are trained: no sample counts by who leaves before it."""
    from calexnet.training.recipe import plan_recipe
    from calexnet.training.spec import Optimisation

    switches = {"soft_weights": False, "temperature": 1.0, "label_share": 0.5}
    return plan_recipe(
        Part("calexnet", switches),
        head=head,
        rule=Part("threshold"),
        optimisation=Optimisation(seed=seed),
    )


def made(models: Sequence[Model], heads: Sequence[str], ground: Ground) -> Made:
    """Return the pool of `models` with each of `heads` at every place, trained where need be.

    Args:
        models: The last one is the reference.
        heads: Kinds of branches.
        ground: What to train and judge on.

    Raises:
        InputError: A network does not fit the data, or cannot be a cascade.
        TrainingError: A loss is not finite.
    """
    runs = {one.name: {head: _run(one, head, ground) for head in heads} for one in models}
    networks = [_network(name, mine) for name, mine in runs.items()]
    said: dict[Exit, Said] = {}
    for name, mine in runs.items():
        for head, run in mine.items():
            said |= answered(name, head, run, ground, "calibration")
    indices = ground.split.indices
    pool = ExitPool(
        networks=tuple(sorted(networks, key=lambda one: one.macs)),
        reference=models[-1].name,
        classes=ground.samples.classes,
        truth=ground.samples.labels[indices["calibration"]],
        said=said,
        tested=len(indices["test"]),
    )
    weights = {one.name: _weights_of(one) for one in models}
    return Made(_without_the_dear(pool), runs, weights)


def _run(model: Model, head: str, ground: Ground) -> Cascade:
    """Return a model with one kind of head at every place, as it was trained now or before."""
    from calexnet.training import checkpoint, record
    from calexnet.training.cascade import train_cascade

    folder = ground.folder / model.name / head
    plan = replace(model.plan, recipe=recipe(head))
    if (earlier := _earlier(folder, model, plan, ground)) is not None:
        return earlier
    with staged_folder(folder, marker=record.RECORD) as stage:
        trained = train_cascade(
            ground.samples,
            ground.split,
            plan,
            network=model.network,
            cache=_cache(ground),
            allow=ground.allow,
        )
        checkpoint.save(trained, stage)
    return trained


def _earlier(folder: Path, model: Model, plan: CascadePlan, ground: Ground) -> Cascade | None:
    """Return what an earlier command trained in just this way, if it is there, whole."""
    from calexnet.training import checkpoint
    from calexnet.training.cascade import preprocessing_of

    try:
        found, _ = checkpoint.load(folder, ground.allow)
    except CheckpointError:
        return None
    spec, rows = found.spec, ground.split.indices["train"]
    same = (
        spec.split == ground.split.record
        and spec.recipe == plan.recipe
        and plan.attach in (None, spec.attach)
        and spec.preprocessing == preprocessing_of(ground.samples, rows, plan)
        and _weights(found.backbone.network) == _weights_of(model)
    )
    return found if same else None


def _weights_of(model: Model) -> str:
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.backbones.graph_file import GraphFile

    if isinstance(model.network, GraphFile):
        return _weights(GraphBackbone(model.network).network)
    return _weights(model.network)


def _weights(network: nn.Module) -> str:
    """Return a hash of a network: its weights, and what is said of its modules."""
    from calexnet.files.storage import sha256
    from calexnet.training.weights import pack

    return sha256(repr(network).encode() + pack(network))


def _cache(ground: Ground) -> Path:
    return ground.folder / ".features"


def _network(name: str, runs: Mapping[str, Cascade]) -> Network:
    counted = {head: run.macs() for head, run in runs.items()}
    some = next(iter(counted.values()))
    places = next(iter(runs.values())).spec.attach
    return Network(name, places, some.stages, {head: one.branches for head, one in counted.items()})


def answered(name: str, head: str, run: Cascade, ground: Ground, part: str) -> dict[Exit, Said]:
    """Return what every exit of a run, the network `name` with `head`s, answers for a part."""
    from calexnet.training import features
    from calexnet.training.methods.base import exit_table

    rows = ground.split.indices[part]
    found = features.compute(
        run.backbone,
        [branch.head for branch in run.branches],
        ground.samples,
        rows,
        run.spec.preprocessing,
        _cache(ground),
        part,
    )
    table = exit_table(run.branches, found)
    exits = [*(Exit(name, place, head) for place in run.spec.attach), Exit(name)]
    return {
        one: Said(labels, np.asarray(scores))
        for one, labels, scores in zip(exits, table.labels, table.scores, strict=True)
    }


def _without_the_dear(pool: ExitPool) -> ExitPool:
    """Return the pool without exits that cost nearly as much as their whole network."""
    from calexnet.choosing.costs import counted, to_exit

    cost = counted(pool)
    dear = {
        one
        for one in pool.exits()
        if one.place is not None
        and to_exit((one,), cost)[0] > LATEST * pool.network(one.network).macs
    }
    return replace(pool, said={one: said for one, said in pool.said.items() if one not in dear})
