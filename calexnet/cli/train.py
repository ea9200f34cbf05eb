"""``calexnet train``: data and a backbone in, a trained cascade out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet import backbones, data, heads
from calexnet.cli import arguments as kinds
from calexnet.data.split import divide

if TYPE_CHECKING:
    from torch import nn

    from calexnet.cascade import Cascade, CascadePlan

HELP = "Train branches on a frozen backbone; one without weights is trained first."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser, download=True)
    parser.add_argument(
        "--split",
        metavar="RULE",
        help="for example 'train=train[:45000] calibration=train[45000:] test=test'",
    )
    parser.add_argument(
        "--backbone",
        required=True,
        help=f"{', '.join(backbones.BUILT_IN)}, or your own as package.module:function",
    )
    parser.add_argument("--out", required=True, type=Path, help="folder for the trained cascade")
    parser.add_argument("--weights", type=Path, help="trained backbone: .safetensors or .npz")
    parser.add_argument("--stem", help="for resnet18 and resnet50: 3x3, 3x3+pool or 7x7+pool")
    parser.add_argument(
        "--attach", type=kinds.names, help="modules after which branches go: layer1,layer2"
    )
    parser.add_argument("--head", default="prototype", help=f"{', '.join(heads.HEADS)}")
    parser.add_argument(
        "--margin", type=float, help="train margin, and that of the default operating point"
    )
    parser.add_argument("--margins", type=kinds.floats, help="margins of all operating points")
    parser.add_argument("--epochs", type=int, help="for each branch")
    parser.add_argument("--backbone-epochs", type=int, help="for a backbone without weights")
    parser.add_argument("--mean", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--std", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--seed", type=int, default=0, help="of the split, weights and order")


def run(arguments: argparse.Namespace) -> int:
    """Train, save and say what came of it."""
    from calexnet import checkpoint
    from calexnet.cascade import train_cascade
    from calexnet.storage import staged_folder

    samples = data.load(arguments.data, arguments.data_root, download=arguments.download)
    split = divide(samples, arguments.seed, arguments.split)
    with staged_folder(arguments.out, marker=checkpoint.RECORD) as stage:
        cascade = train_cascade(
            samples,
            split,
            _plan(arguments),
            network=_network(arguments, len(samples.classes)),
            scratch=stage.parent,
        )
        checkpoint.save(cascade, stage)
    print(_summary(cascade))
    print(f"\nTrained cascade: {arguments.out}")
    return 0


def _plan(arguments: argparse.Namespace) -> CascadePlan:
    from calexnet.cascade import CascadePlan
    from calexnet.recipe import Recipe
    from calexnet.training import BackboneTraining

    recipe = {"train_margin": arguments.margin, "epochs": arguments.epochs}
    plan = {
        "attach": arguments.attach,
        "margins": arguments.margins,
        "mean": arguments.mean,
        "std": arguments.std,
    }
    return CascadePlan(
        backbone=arguments.backbone,
        stem=arguments.stem,
        head=arguments.head,
        recipe=Recipe(seed=arguments.seed, **_given(recipe)),
        backbone_training=BackboneTraining(
            seed=arguments.seed, **_given({"epochs": arguments.backbone_epochs})
        ),
        **_given(plan),
    )


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; the others keep the defaults of what they configure."""
    return {name: value for name, value in options.items() if value is not None}


def _network(arguments: argparse.Namespace, classes: int) -> nn.Module | None:
    """Return the backbone with its trained weights, None to have it trained first."""
    from calexnet import checkpoint

    if arguments.weights is None:
        return None
    spec = backbones.BackboneSpec(arguments.backbone, classes, arguments.stem)
    network = backbones.build(spec)
    checkpoint.load_weights(network, arguments.weights)
    return network


def _summary(cascade: Cascade) -> str:
    lines = ["", "branch            accuracy  effective samples  reached it  left there"]
    lines += [
        f"{report.attach:<16}  {report.calibration_accuracy:8.1%}  {report.effective_samples:17.0f}"
        f"  {report.reached:10}  {report.left:10}"
        for report in cascade.spec.branches
    ]
    lines += ["", "operating point   accuracy  share leaving at each exit"]
    for point in cascade.spec.operating_points:
        rates = "  ".join(f"{rate:6.1%}" for rate in point.exit_rates)
        default = "  (default)" * (point.name == cascade.spec.default_operating_point)
        lines.append(f"{point.name:<16}  {point.accuracy:8.1%}  {rates}{default}")
    lines.append("(all on the calibration part; calexnet-bench measures on the test part)")
    return "\n".join(lines)
