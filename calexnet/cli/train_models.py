"""``calexnet train small.onnx large.onnx``: whole networks as one cascade; nothing is trained."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from calexnet import arguments as kinds
from calexnet import data
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, divide, over_classes
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.files.storage import staged_folder
from calexnet.images.preprocessing import channel_statistics
from calexnet.models import Alone, Model, ModelCascade, ModelPlan, cascade_of, save
from calexnet.registry import Allowed, Part
from calexnet.training.record import RECORD

#: Real images that a conversion is tried on.
_TRIED = 16
#: Options about a network that is trained, or branches that are.
_NOT_FOR_NETWORKS = (
    *("backbone", "weights", "stem", "backbone_epochs", "attach", "exits", "option", "epochs"),
    *("lr", "cache", "head_budget"),
)


def run(arguments: argparse.Namespace) -> int:
    """Take the networks in, find thresholds, save, and say what came of it."""
    _refuse_options(arguments)
    names = [one.partition("@")[0] for one in arguments.models]
    allow = kinds.allowed(arguments, *names, arguments.rule or "")
    samples = _samples(arguments)
    split = divide(samples, arguments.seed, arguments.split, arguments.group)
    networks = _networks(arguments, samples, split, allow)
    cascade = cascade_of(networks, samples, split, _plan(arguments), tell=_tell, allow=allow)
    with staged_folder(arguments.out, marker=RECORD) as stage:
        save(cascade, stage)
    print(summary(cascade))
    print(f"\nCascade of whole networks: {arguments.out}")
    return 0


def _refuse_options(arguments: argparse.Namespace) -> None:
    for name in _NOT_FOR_NETWORKS:
        if getattr(arguments, name, None):
            raise InputError(
                f"--{name.replace('_', '-')} is not for several whole networks",
                got=", ".join(arguments.models),
                expected="one network, on which branches are trained",
                fix="Leave it out: nothing is trained; weights stand with a builder, name@weights",
            )


def _samples(arguments: argparse.Namespace) -> Dataset:
    """Return the data, their images at the size that travels: the last network's, unless told."""
    resize = arguments.resize
    sizes = [_taking().size_of(source) for source in arguments.models]
    known = [size for size in sizes if size is not None]
    if resize is None and len(known) == len(sizes):  # else images stay as they are
        resize = max(known, key=lambda size: size.height * size.width, default=None)
    samples = data.load(
        arguments.data,
        arguments.data_root,
        download=arguments.download,
        resize=resize,
        skip_bad=arguments.skip_bad,
    )
    kinds.tell(samples)
    return samples


def _networks(
    arguments: argparse.Namespace, samples: Dataset, split: Split, allow: Allowed
) -> tuple[Model, ...]:
    taking, rows = _taking(), over_classes(samples, np.arange(len(samples)), _TRIED, seed=0)
    mean, std = channel_statistics(samples.images, split.indices["train"])
    wanted = taking.Wanted(
        samples.images[rows], samples.classes, arguments.mean or mean, arguments.std or std
    )
    found: tuple[Model, ...] = taking.take_models(arguments.models, wanted, allow)
    return found


def _taking() -> Any:
    """Return what takes networks in, which needs onnx."""
    try:
        from calexnet.export.models import taking
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "networks cannot be taken in here", got=missing, fix="Run: pip install onnx onnx-ir"
        ) from missing
    return taking


def _plan(arguments: argparse.Namespace) -> ModelPlan:
    rule = Part(arguments.rule or "price", dict(arguments.rule_option))
    return ModelPlan(
        rule, arguments.margin, arguments.margins, average=arguments.answer == "average"
    )


def _tell(known: Alone) -> None:
    """Say what a network does by itself; if that is no better than chance, how others read it."""
    plain = known.plain
    print(
        f"{known.name} alone answers {plain.accuracy:.1%} of the {plain.samples} calibration "
        f"images rightly, for {known.macs:,} MACs."
    )
    if not plain.is_at_chance:
        return
    print(
        f"WARNING: that is no better than chance: {plain.commonest:.1%} have the commonest class. "
        "Its pixels read otherwise:"
    )
    for reading in known.readings:
        mean, std = (",".join(f"{one:.6g}" for one in each) for each in (reading.mean, reading.std))
        most = f"{1 / reading.std[0]:.0f}"
        print(f"  as 0..{most}: {reading.accuracy:.1%} right; --mean {mean} --std {std}")
    print(
        f"Say so with these options, or for this network alone in {known.name}.json beside it; "
        "and its classes are in the order of the data's, unless that file says otherwise."
    )


def summary(cascade: ModelCascade) -> str:
    """Return what the thresholds came to on the calibration part, as a table."""
    spec, macs = cascade.spec, cascade.macs()
    lines = ["", "operating point   accuracy     plain  MACs saved  share leaving at each exit"]
    for point in spec.operating_points:
        rates = "  ".join(f"{rate:6.1%}" for rate in point.exit_rates)
        saved = 1 - macs.expected(point.exit_rates) / macs.plain
        default = "  (default)" * (point.name == spec.default_operating_point)
        lines.append(
            f"{point.name:<16}  {point.accuracy:8.1%}  {spec.plain_accuracy:8.1%}  {saved:10.1%}"
            f"  {rates}{default}"
        )
    lines.append("(all on the calibration part; calexnet evaluate judges on the test part)")
    return "\n".join([*lines, *_average(cascade)])


def _average(cascade: ModelCascade) -> Sequence[str]:
    average = cascade.spec.average
    if average is None:
        return ()
    parts = zip(cascade.spec.models, average.weights, average.temperatures, strict=True)
    told = ", ".join(f"{w:.0%} {one.name} at temperature {t:.2g}" for one, w, t in parts)
    return (f"The last exit answers for the average: {told}.",)
