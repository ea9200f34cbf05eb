"""A chain made into a bundle, whatever it is: a cascade, a network cut short, a network alone.

Branches were trained independently, so those of a chain are picked from the runs of their heads and
put on one network. Needs torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calexnet.calibration import OperatingPoint, cut_networks, operating_point
from calexnet.certify import Counts
from calexnet.choosing.costs import Cost, to_exit
from calexnet.choosing.making import Ground, Made
from calexnet.choosing.pool import Chain, Exit
from calexnet.choosing.search import Found, thresholds
from calexnet.files import schema
from calexnet.manifest import FULL
from calexnet.registry import Part
from calexnet.rules.price import PriceRule

if TYPE_CHECKING:
    from calexnet.export.precisions.samples import Calibration
    from calexnet.manifest import CutRecord
    from calexnet.models import Model, ModelCascade
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.cascade import Cascade
    from calexnet.training.runs import AnyCascade


def write(
    made: Made,
    rungs: Mapping[str, Found],
    cost: Cost,
    ground: Ground,
    precisions: Sequence[str],
    out: Path,
) -> None:
    """Write the bundle of one chain.

    Args:
        made: The trained networks.
        rungs: By name of the operating point, the strictest first; all of one chain.
        cost: By which its thresholds are found.
        ground: Gives a narrow precision its calibration images.
        precisions: Beside full precision, which is always there.
        out: The bundle's folder.

    Raises:
        ExportError: The network cannot be translated.
    """
    from calexnet.export.from_run import cut_after, cut_record, export_cascade

    chain = next(iter(rungs.values())).chain
    record: CutRecord | None = None
    cascade: AnyCascade | ModelCascade
    if len({one.network for one in chain}) > 1:
        cascade = _of_networks(made, rungs, cost, ground)
    elif len(chain) > 1:
        points = tuple(_point(made, name, one, cost) for name, one in rungs.items())
        costs = tuple(float(each) for each in to_exit(chain, cost))
        cascade = _cascade(made, chain[:-1], points, costs)
    elif chain[0].place is None:
        cascade = _alone(made.run(chain[0]))
    else:
        whole = _cascade(made, chain, (_never(made),), (1.0, 1.0))
        record = cut_record(whole, 1)
        cascade = cut_after(whole, 1)
    for precision in (FULL, *precisions):
        export_cascade(
            cascade,
            _source(made, chain, rungs),
            out,
            target="onnxruntime",
            input="uint8",
            precision=precision,
            samples=None if precision == FULL else _samples(ground),
            cut=record,
            allow=ground.allow,
        )


def _cascade(
    made: Made, left: Chain, points: tuple[OperatingPoint, ...], costs: tuple[float, ...]
) -> Cascade:
    """Return the branches at the exits `left` on their network, whose end is the last exit."""
    whole = (*left, Exit(left[0].network))
    runs = [made.run(one) for one in left]
    some, attach = runs[0], tuple(one.place or "" for one in left)
    at = [run.spec.attach.index(place) for run, place in zip(runs, attach, strict=True)]
    backbone = _heard_at(some.backbone, attach)
    spec = replace(
        some.spec,
        attach=attach,
        branches=tuple(
            replace(run.spec.branches[k], head=run.spec.recipe.head)
            for run, k in zip(runs, at, strict=True)
        ),
        recipe=replace(
            some.spec.recipe,
            rule=Part(PriceRule.kind, {"costs": list(costs)}),
            setting=points[-1].setting,
            settings=tuple(point.setting for point in points),
        ),
        operating_points=points,
        default_operating_point=points[-1].name,
        cuts=cut_networks(made.pool.table(whole), made.pool.truth),
        graph=backbone.costs,
    )
    branches = tuple(run.branches[k] for run, k in zip(runs, at, strict=True))
    return replace(some, spec=spec, backbone=backbone, branches=branches)


def _alone(cascade: Cascade) -> Cascade:
    """Return the network of a cascade without any branch."""
    known, network = cascade.spec, _heard_at(cascade.backbone, ())
    images = known.split.parts["calibration"].samples
    spec = known.without_branches(known.backbone.name, known.plain_accuracy or 0.0, images)
    return replace(cascade, spec=replace(spec, graph=network.costs), backbone=network, branches=())


def _of_networks(
    made: Made, rungs: Mapping[str, Found], cost: Cost, ground: Ground
) -> ModelCascade:
    """Return whole networks, small before large, and the last one with its own exits of a chain."""
    from calexnet.models import ModelPlan, cascade_of

    *before, last = next(iter(rungs.values())).chain
    own = tuple(one for one in before if one.network == last.network)
    whole = [one for one in before if one.network != last.network]
    networks = [_network(made, one.network, (), ground) for one in whole]
    networks.append(_network(made, last.network, own, ground))
    tables = {
        name: thresholds(made.pool, one.chain, cost, one.price or 0.0)
        for name, one in rungs.items()
    }
    plan = ModelPlan(Part(PriceRule.kind), thresholds=tables)
    return cascade_of(networks, ground.samples, ground.split, plan)


def _network(made: Made, name: str, own: Chain, ground: Ground) -> Model:
    """Return a network as a graph, with the branches at its exits `own`, or without any."""
    from calexnet.export.graph.capture import as_graphs
    from calexnet.export.models.of_run import of_run
    from calexnet.training import graph_run

    classes = ground.samples.classes
    if not own:
        run = ground.folder / name / next(iter(made.runs[name]))
        return of_run(run, name, classes, ground.allow, branches=False)
    costs = (1.0,) * (len(own) + 1)
    with tempfile.TemporaryDirectory() as folder:
        cascade = _cascade(made, own, (_never(made, len(own)),), costs)
        graph_run.save(as_graphs(cascade), Path(folder))
        return of_run(Path(folder), name, classes, ground.allow, branches=True)


def _heard_at(backbone: FrozenBackbone, attach: tuple[str, ...]) -> FrozenBackbone:
    """Return a backbone, PyTorch's or an ONNX graph, that is listened to at some places alone."""
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.backbones.graph_file import GraphFile

    if not isinstance(backbone, GraphBackbone):
        return FrozenBackbone(backbone.network, attach)
    assert backbone.costs is not None
    *upto, whole = backbone.costs.macs
    macs = (*(upto[backbone.attach.index(place)] for place in attach), whole)
    return GraphBackbone(GraphFile(backbone.data, attach, replace(backbone.costs, macs=macs)))


def _point(made: Made, name: str, rung: Found, cost: Cost) -> OperatingPoint:
    assert rung.price is not None, "a chain without gates has no thresholds"
    table = thresholds(made.pool, rung.chain, cost, rung.price)
    return operating_point(name, rung.price, table, made.pool.table(rung.chain), made.pool.truth)


def _never(made: Made, branches: int = 1) -> OperatingPoint:
    """Return the operating point at which nobody leaves early, of what gets other thresholds."""
    thresholds = ((None,) * len(made.pool.classes),) * branches
    images = len(made.pool.truth)
    return OperatingPoint(
        "never", 0.0, thresholds, (*(0.0,) * branches, 1.0), 0.0, (), Counts(images, 0, 0)
    )


def _source(made: Made, chain: Chain, rungs: Mapping[str, Found]) -> str:
    """Return a hash of what a bundle is made of."""
    spec = made.run(chain[0]).spec
    known = [spec.backbone, spec.split, spec.preprocessing, spec.recipe, dict(rungs)]
    weights = [made.weights[one.network] for one in chain]
    return schema.fingerprint([*weights, *map(schema.encode, known)])


def _samples(ground: Ground) -> Calibration:
    """Return the calibration images, mixed: ranges must see all classes."""
    from calexnet.export.precisions.samples import RANGED, Calibration
    from calexnet.manifest import CalibrationRecord

    record, rows = ground.split.record, ground.split.indices["calibration"]
    mixed = np.random.default_rng(record.seed).permutation(rows)
    known = CalibrationRecord(
        ground.samples.name,
        len(rows),
        min(RANGED, len(rows)),
        record.parts["calibration"].sha256,
    )
    return Calibration(ground.samples.images[mixed], ground.samples.labels[mixed], known)
