"""``calexnet distill``: a large network and images in, a small network that learnt from it out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calexnet import arguments as kinds
from calexnet import data
from calexnet.cli import onnx_backbone
from calexnet.cli.train import given, let_threads_rest, tell_chance, trained_network
from calexnet.data.split import divide, over_classes
from calexnet.errors import InputError
from calexnet.files.storage import file_sha256, is_file, staged_folder
from calexnet.training import record
from calexnet.training.backbones import BUILT_IN

if TYPE_CHECKING:
    from calexnet.data.dataset import Dataset
    from calexnet.data.split import Split
    from calexnet.registry import Allowed
    from calexnet.training.cascade import Cascade
    from calexnet.training.distill import DistillPlan, StudentBeforehand, Teacher

HELP = "Train a narrow network that costs a share of a large one, and learns from it."

#: Photos of things: their mirror images are as likely.
_MIRRORED = ("cifar10", "cifar100", "cifar100-coarse", "cinic10")
#: Real images that an ONNX teacher is tried on.
_TRIED = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--teacher",
        required=True,
        help=f"a run, an .onnx file, or with --weights {', '.join(BUILT_IN)} or your own as "
        "package.module:function",
    )
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser, download=True)
    kinds.reading(parser)
    parser.add_argument("--split", metavar="RULE", help="as for calexnet train; a run's own")
    kinds.group(parser)
    parser.add_argument(
        "--cost",
        required=True,
        type=kinds.share,
        metavar="SHARE",
        help="of the teacher's MACs that the student may have, such as 10%%; it has 5%% of that "
        "fewer at most",
    )
    parser.add_argument("--out", required=True, type=Path, help="folder for the small network")
    parser.add_argument("--weights", type=Path, help="of a teacher that is named by its builder")
    parser.add_argument("--stem", help="for resnet18 and resnet50: 3x3, 3x3+pool or 7x7+pool")
    parser.add_argument("--mean", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--std", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--epochs", type=int, help="passes over the training part, by default 20")
    parser.add_argument("--lr", type=float, help="highest learning rate, by default 0.1")
    parser.add_argument("--temperature", type=float, help="of the distillation, by default 4")
    parser.add_argument(
        "--label-share",
        type=float,
        help="share of the loss that is held against the data's labels, by default 0.1",
    )
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help=f"mirror every second image; by default of {', '.join(_MIRRORED)} alone, as mirrored "
        "writing, for one, is something else",
    )
    kinds.allow(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the split, weights and order")


def run(arguments: argparse.Namespace) -> int:
    """Let a student learn, and save it as a run of graphs."""
    let_threads_rest()
    from calexnet.export.graph.capture import as_graphs
    from calexnet.training import graph_run
    from calexnet.training.distill import distill

    samples, split, teacher = _ground(arguments, kinds.allowed(arguments, arguments.teacher))
    plan = _plan(arguments, samples.name)
    with staged_folder(arguments.out, marker=record.RECORD) as stage:
        cascade = distill(samples, split, teacher, plan, _tell)
        graph_run.save(as_graphs(cascade), stage)
        (stage / "backbone.json").write_bytes(_card(cascade))
    print(_summary(cascade))
    print(f"\nSmall network: {arguments.out}; as a file: {arguments.out / record.GRAPH}")
    return 0


def _plan(arguments: argparse.Namespace, name: str) -> DistillPlan:
    from calexnet.training.distill import DistillPlan
    from calexnet.training.spec import BackboneTraining

    training = {"epochs": arguments.epochs, "peak_lr": arguments.lr}
    flip = name in _MIRRORED if arguments.flip is None else arguments.flip
    options = {"temperature": arguments.temperature, "label_share": arguments.label_share}
    return DistillPlan(
        cost=arguments.cost,
        flip=flip,
        training=BackboneTraining(seed=arguments.seed, **given(training)),
        **given(options),
    )


def _ground(arguments: argparse.Namespace, allow: Allowed) -> tuple[Dataset, Split, Teacher]:
    """Return the images, their division and the teacher, of whichever kind it is."""
    if is_file(Path(arguments.teacher) / record.RECORD):
        return _of_run(arguments, allow)
    samples = data.load(
        arguments.data,
        arguments.data_root,
        download=arguments.download,
        resize=arguments.resize,
        skip_bad=arguments.skip_bad,
    )
    kinds.tell(samples)
    split = divide(samples, arguments.seed, arguments.split, arguments.group)
    if onnx_backbone.is_onnx(arguments.teacher):
        return samples, split, _of_file(arguments, samples)
    return samples, split, _of_builder(arguments, samples, split, allow)


def _of_run(arguments: argparse.Namespace, allow: Allowed) -> tuple[Dataset, Split, Teacher]:
    """Return all three for a run: its images are read and divided as they were for it."""
    from calexnet.training import runs
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.distill import Teacher
    from calexnet.training.graph_run import GraphCascade

    _refuse_options(
        arguments, "a run", "weights", "stem", "mean", "std", "resize", "split", "group"
    )
    cascade, identity = runs.load(Path(arguments.teacher), allow)
    spec = cascade.spec
    samples = data.load_alike(arguments.data, arguments.data_root, spec.preprocessing, spec.split)
    kinds.tell(samples)
    split = divide(samples, spec.split.seed, spec.split.rule, spec.split.group)
    if split.record != spec.split or samples.classes != spec.classes:
        raise InputError(
            f"{samples.name} is not what the teacher was trained from",
            got="another division into training, calibration and test part",
            expected=f"the images of {spec.split.data}",
            fix="Give the --data of its training: else it knows images that shall test the student",
        )
    backbone = (
        GraphBackbone(cascade.backbone) if isinstance(cascade, GraphCascade) else cascade.backbone
    )
    macs = cascade.macs().plain
    teacher = Teacher(spec.backbone.name, identity, backbone, spec.preprocessing, macs)
    return samples, split, teacher


def _of_file(arguments: argparse.Namespace, samples: Dataset) -> Teacher:
    from calexnet.export.intake.backbone import with_branches
    from calexnet.export.intake.taking import take
    from calexnet.training.backbones.graph import GraphBackbone
    from calexnet.training.distill import Teacher

    _refuse_options(arguments, "an ONNX file", "weights", "stem")
    path = Path(arguments.teacher)
    rows = over_classes(samples, np.arange(len(samples)), _TRIED, seed=0)
    taken = take(path, samples.images[rows], arguments.mean, arguments.std)
    file = with_branches(taken, ())
    backbone = GraphBackbone(file)
    image = (taken.form.channels, taken.form.height, taken.form.width)
    backbone.check(image, len(samples.classes))
    return Teacher(path.name, file_sha256(path), backbone, taken.preprocessing, file.costs.macs[-1])


def _of_builder(
    arguments: argparse.Namespace, samples: Dataset, split: Split, allow: Allowed
) -> Teacher:
    import torch

    from calexnet.training import flops
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.cascade import CascadePlan, preprocessing_of
    from calexnet.training.distill import Teacher

    if arguments.weights is None:
        raise InputError(
            "a teacher has to be trained already",
            got=f"{arguments.teacher} without --weights",
            expected="a run, an .onnx file, or a builder with its weights",
            fix=f"Train it first: calexnet train --backbone {arguments.teacher} --data "
            f"{arguments.data} --out runs/large",
        )
    arguments.backbone = arguments.teacher
    network = trained_network(arguments, len(samples.classes), allow)
    assert network is not None
    plan = CascadePlan(arguments.teacher, mean=arguments.mean, std=arguments.std)
    preprocessing = preprocessing_of(samples, split.indices["train"], plan)
    image = (preprocessing.channels, preprocessing.height, preprocessing.width)
    backbone = FrozenBackbone(network, ())
    backbone.check(image, len(samples.classes))
    macs = flops.reached(backbone, torch.zeros(1, *image))[-1]
    digest = file_sha256(arguments.weights)
    return Teacher(arguments.teacher, digest, backbone, preprocessing, macs)


def _refuse_options(arguments: argparse.Namespace, what: str, *names: str) -> None:
    for name in names:
        if getattr(arguments, name) is not None:
            raise InputError(
                f"--{name} is not for a teacher that is {what}",
                got=arguments.teacher,
                fix="Leave it out: the teacher brings its own",
            )


def _card(cascade: Cascade) -> bytes:
    """Return what stands beside the graph, for whoever takes the file alone."""
    ways = cascade.spec.preprocessing
    resize = {} if ways.resize is None else {"resize": ways.resize.words()}
    card = {"mean": ways.mean, "std": ways.std, "classes": cascade.spec.classes, **resize}
    return (json.dumps(card, indent=2) + "\n").encode()


def _tell(known: StudentBeforehand) -> None:
    right = f"{known.teacher.accuracy:.1%} of the {known.teacher.samples} calibration images"
    widths = ", ".join(map(str, known.shape.widths))
    plural = "" if known.shape.blocks == 1 else "s"
    is_resnet = known.shape.family == "resnet"
    blocks = f", {known.shape.blocks} block{plural} a stage" * is_resnet
    print(f"The teacher answers {right} rightly.")
    tell_chance(known.teacher)
    print(
        f"Student: a narrow {known.shape.family}, {widths} channels{blocks}: {known.macs:,} MACs, "
        f"{known.macs / known.teacher_macs:.1%} of the teacher's {known.teacher_macs:,}.\n",
        flush=True,
    )


def _summary(cascade: Cascade) -> str:
    spec = cascade.spec
    assert spec.distilled is not None
    assert spec.plain_accuracy is not None
    change = 100 * (spec.plain_accuracy - spec.distilled.teacher_accuracy)
    return (
        f"\nThe student answers {spec.plain_accuracy:.1%} of the calibration images rightly, "
        f"{change:+.2f} points beside its teacher; it has {cascade.parameters().network:,} "
        "parameters."
    )
