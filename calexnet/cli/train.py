"""``calexnet train``: data and a backbone in, a trained cascade out."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet import arguments as kinds
from calexnet import data, rules
from calexnet.cli import onnx_backbone, train_models
from calexnet.cli.head_costs import head_costs
from calexnet.data.split import divide
from calexnet.errors import InputError, StorageError, first_line
from calexnet.memory import amount
from calexnet.registry import Allowed, Part
from calexnet.training import backbones, heads, methods
from calexnet.training.record import RECORD

if TYPE_CHECKING:
    from torch import nn

    from calexnet.data.dataset import Dataset
    from calexnet.training.backbones.graph_file import GraphFile
    from calexnet.training.beforehand import Beforehand
    from calexnet.training.cascade import Cascade, CascadePlan
    from calexnet.training.spec import Plain, Recipe

HELP = "Train branches on a frozen backbone; one without weights is trained first."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="model",
        help="the backbone: an .onnx file, or what --backbone takes; or several whole networks, "
        "the cheapest first: .onnx files, runs, builders as name@weights",
    )
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser, download=True)
    kinds.reading(parser)
    parser.add_argument(
        "--split",
        metavar="RULE",
        help="for example 'train=train[:45000] calibration=train[45000:] test=test'",
    )
    kinds.group(parser)
    configure_backbone(parser, required=False)
    parser.add_argument("--out", required=True, type=Path, help="folder for the trained cascade")
    own = "or your own as package.module:Class"
    parser.add_argument("--method", default="calexnet", help=f"{', '.join(methods.METHODS)}, {own}")
    parser.add_argument(
        "--option",
        action="append",
        type=kinds.option,
        default=[],
        metavar="NAME=VALUE",
        help="a switch of the method, such as temperature=2",
    )
    parser.add_argument(
        "--head", default="prototype", help=f"{', '.join(heads.HEADS)}, native, {own}"
    )
    parser.add_argument(
        "--head-budget",
        type=kinds.share,
        metavar="SHARE",
        help="narrow the heads until all of them together cost this share of the network's MACs at "
        "most: 2%%",
    )
    parser.add_argument(
        "--exits",
        type=kinds.names,
        default=(),
        help="modules of the network that are trained exits already, with --method trained",
    )
    parser.add_argument(
        "--score", default="softmax", help=f"softmax, gap, entropy, {own}: logits to confidence"
    )
    parser.add_argument(
        "--rule",
        help=f"of the thresholds: {', '.join(rules.RULES)}, {own}; the method's by default",
    )
    parser.add_argument(
        "--rule-option",
        action="append",
        type=kinds.option,
        default=[],
        metavar="NAME=VALUE",
        help="a switch of the rule, such as margin_form=additive",
    )
    parser.add_argument(
        "--margin",
        type=float,
        help="margin (or the rule's slack, threshold, budget) while training, and of the default "
        "operating point",
    )
    parser.add_argument("--margins", type=kinds.floats, help="those of all operating points")
    parser.add_argument(
        "--answer",
        choices=("last", "average"),
        default="last",
        help="of several networks, what the last exit answers for: the last one alone, or the "
        "average of all that were asked",
    )
    parser.add_argument("--epochs", type=int, help="for each branch")
    parser.add_argument("--lr", type=float, help="learning rate of the branches")
    parser.add_argument("--cache", type=Path, help="folder to keep computed features in")
    kinds.allow(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the split, weights and order")


def configure_backbone(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare what `planned` reads: what the backbone is, and where branches go."""
    parser.add_argument(
        "--backbone",
        required=required,
        help=f"{', '.join(backbones.BUILT_IN)}, or your own as package.module:function",
    )
    parser.add_argument(
        "--weights", type=Path, help="trained backbone: .safetensors, .npz, .pt or .pth"
    )
    parser.add_argument("--backbone-epochs", type=int, help="for a backbone without weights")
    parser.add_argument("--stem", help="for resnet18 and resnet50: 3x3, 3x3+pool or 7x7+pool")
    parser.add_argument(
        "--attach",
        type=kinds.names,
        help="modules (of an ONNX file tensors or nodes) after which branches go: layer1,layer2",
    )
    parser.add_argument("--mean", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--std", type=kinds.floats, help="of each channel, 0..1")


def run(arguments: argparse.Namespace) -> int:
    """Train, save and say what came of it."""
    let_threads_rest()
    if len(arguments.models) > 1:
        return train_models.run(arguments)
    _name_backbone(arguments)
    from calexnet.files.storage import staged_folder
    from calexnet.training.backbones.check import IMAGES
    from calexnet.training.cascade import check_plan, train_cascade

    allow = allowed(arguments, arguments.method, arguments.head, arguments.score, arguments.rule)
    plan = planned(arguments, _recipe(arguments, allow), arguments.seed)
    plan = replace(plan, head_budget=arguments.head_budget)
    network: nn.Module | GraphFile | None = None
    few = data.few(arguments.data, IMAGES, arguments.resize)
    if few is not None:
        network, plan = _network(arguments, plan, few, allow)
        check_plan(few, plan, network=network, allow=allow)
    samples = data.load(
        arguments.data,
        arguments.data_root,
        download=arguments.download,
        resize=arguments.resize,
        skip_bad=arguments.skip_bad,
    )
    kinds.tell(samples)
    split = divide(samples, arguments.seed, arguments.split, arguments.group)
    if network is None:
        network, plan = _network(arguments, plan, samples, allow)
    with staged_folder(arguments.out, marker=RECORD) as stage:
        cascade = train_cascade(
            samples,
            split,
            plan,
            network=network,
            cache=arguments.cache,
            scratch=stage.parent,
            tell=_tell,
            allow=allow,
        )
        try:
            _save(cascade, stage)
        except Exception as problem:
            raise _rescued(cascade, arguments.out, problem) from problem
    print(_summary(cascade))
    tell_uncalibrated(cascade.spec.uncalibrated)
    print(f"\nTrained cascade: {arguments.out}")
    return 0


def _name_backbone(arguments: argparse.Namespace) -> None:
    """Let the backbone that was named without ``--backbone`` be that.

    Raises:
        InputError: It was named twice, or not at all.
    """
    model = next(iter(arguments.models), None)
    if (model is None) == (arguments.backbone is None):
        raise InputError(
            "the backbone has to be named once",
            got=f"{model} and --backbone {arguments.backbone}" if model else "no backbone",
            expected="calexnet train model.onnx, or --backbone with a name",
        )
    if arguments.answer != "last":
        raise InputError(
            "--answer is for several networks",
            got=f"{arguments.backbone} alone",
            fix="Leave it out",
        )
    arguments.backbone = arguments.backbone or model


def _network(
    arguments: argparse.Namespace, plan: CascadePlan, some: Dataset, allow: Allowed
) -> tuple[nn.Module | GraphFile | None, CascadePlan]:
    """Return the trained backbone, ``None`` to have it trained first, and the plan for it."""
    if onnx_backbone.is_onnx(arguments.backbone):
        return onnx_backbone.read(arguments, plan, some)
    return trained_network(arguments, len(some.classes), allow), plan


def let_threads_rest() -> None:
    """Have torch's threads sleep while they wait for each other, unless the user said otherwise.

    By default they spin, and where other work holds a core that eats the time of both. It is read
    when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _save(cascade: Cascade, folder: Path) -> None:
    """Write the run: on an ONNX backbone all of it as graphs, to be used without torch."""
    from calexnet.training import checkpoint, graph_run

    if cascade.spec.graph is None:
        checkpoint.save(cascade, folder)
        return
    from calexnet.export.graph.capture import as_graphs

    graph_run.save(as_graphs(cascade), folder)


def _rescued(cascade: Cascade, meant: Path, problem: Exception) -> StorageError:
    """Keep a cascade that could not be saved where it was meant to be; return what to say."""
    place = Path(tempfile.mkdtemp(prefix="calexnet-"))
    _save(cascade, place)
    return StorageError(
        f"the trained cascade could not be written to {meant}",
        got=first_line(problem),
        fix=f"It is kept in {place}: move it to where there is room",
    )


def allowed(arguments: argparse.Namespace, *typed: str | None) -> Allowed:
    """Return whose own parts may be imported: those of the backbone and all that were `typed`."""
    return kinds.allowed(arguments, arguments.backbone, *(name for name in typed if name))


def _tell(known: Beforehand | Plain) -> None:
    """Say what is known before the backbone, and before the branches, are trained."""
    from calexnet.training.spec import Plain

    if isinstance(known, Plain):
        right = f"{known.accuracy:.1%} of the {known.samples} calibration images"
        print(f"Plain answers {right} rightly.", flush=True)
        tell_chance(known)
    else:
        print(f"\n{_beforehand(known)}\n", flush=True)


def _beforehand(known: Beforehand) -> str:
    lines = [
        head_costs(known.attach, known.macs, known.parameters),
        f"Features for the branches: {amount(known.features_bytes)} on the disk while it trains.",
    ]
    if known.widths:
        widths = ", ".join(map(str, known.widths))
        lines.append(f"Narrowed to --head-budget: at most {widths} channels inside these heads.")
    if known.auxiliary:
        outputs = known.auxiliary + 1
        lines.append(
            f"In training mode the backbone gives {outputs} outputs; the first is trained."
        )
    for name, spent in zip(known.attach, known.macs.to_exit(), strict=False):
        if spent >= known.macs.plain:
            lines.append(
                f"WARNING: leaving at {name} costs {spent / known.macs.plain:.0%} of plain, so "
                "nothing is saved there.\nAttach earlier, choose --head linear or separable, or "
                "set a --head-budget."
            )
    return "\n".join(lines)


def tell_chance(known: Plain) -> None:
    """Warn if the backbone alone is no better than chance."""
    if known.is_at_chance:
        print(
            f"\nWARNING: plain answers {known.accuracy:.1%} rightly, no better than chance: "
            f"{known.commonest:.1%} have the commonest class.\n--mean and --std are those of the "
            "backbone's training, in 0..1; its classes are in the order of the data's;\nweights "
            "are given with --weights, or trained long enough with --backbone-epochs.",
            flush=True,
        )


def tell_uncalibrated(classes: Sequence[str] | None) -> None:
    """Say which classes have no calibration sample, if there are such."""
    if classes:
        print(f"\nNo calibration image of {', '.join(classes)}: these classes never exit early.")


def planned(arguments: argparse.Namespace, recipe: Recipe, seed: int) -> CascadePlan:
    """Return what to train, from the arguments that `configure_backbone` declares.

    Args:
        arguments: As they were parsed.
        recipe: Of the branches.
        seed: Of the backbone, if it is to be trained.
    """
    from calexnet.training.cascade import CascadePlan
    from calexnet.training.spec import BackboneTraining

    epochs = given({"epochs": arguments.backbone_epochs})
    return CascadePlan(
        backbone=arguments.backbone,
        stem=arguments.stem,
        attach=arguments.attach,
        recipe=recipe,
        backbone_training=BackboneTraining(seed=seed, **epochs),
        mean=arguments.mean,
        std=arguments.std,
    )


def _recipe(arguments: argparse.Namespace, allow: Allowed) -> Recipe:
    from calexnet.training.recipe import plan_recipe
    from calexnet.training.spec import Optimisation

    rule = methods.build(Part(arguments.method), allow).default_rule
    if arguments.rule is not None:
        rule = Part(arguments.rule)
    if arguments.rule_option:
        rule = Part(rule.name, {**rule.options, **dict(arguments.rule_option)})
    return plan_recipe(
        Part(arguments.method, dict(arguments.option)),
        head=arguments.head,
        exits=arguments.exits,
        score=arguments.score,
        rule=rule,
        setting=arguments.margin,
        settings=arguments.margins,
        optimisation=Optimisation(
            seed=arguments.seed, **given({"epochs": arguments.epochs, "lr": arguments.lr})
        ),
        allow=allow,
    )


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; the others keep the defaults of what they configure."""
    return {name: value for name, value in options.items() if value is not None}


def trained_network(
    arguments: argparse.Namespace, classes: int, allow: Allowed
) -> nn.Module | None:
    """Return the backbone with its trained weights, None to have it trained first.

    One's own network that already has trained exits needs no file: its builder gives the weights.
    """
    from calexnet.training.weights import load_weights

    if arguments.weights is None and not getattr(arguments, "exits", ()):
        return None
    spec = backbones.BackboneSpec(arguments.backbone, classes, arguments.stem)
    network = backbones.build(spec, allow)
    if arguments.weights is not None:
        stripped = load_weights(network, arguments.weights)
        if stripped:
            print(f"{arguments.weights}: took {''.join(stripped)} off the names of its tensors")
    return network


def _summary(cascade: Cascade) -> str:
    lines = ["", "branch            accuracy  effective samples  reached it  left there"]
    for report in cascade.spec.branches:
        effective = report.effective_samples
        worth = "-" if effective is None else f"{effective:.0f}"
        lines.append(
            f"{report.attach:<16}  {report.calibration_accuracy:8.1%}  {worth:>17}"
            f"  {report.reached:10}  {report.left:10}"
        )
    lines += ["", "operating point   accuracy     plain  share leaving at each exit"]
    alone = cascade.spec.plain_accuracy
    plain = f"{'-':>8}" if alone is None else f"{alone:8.1%}"
    for point in cascade.spec.operating_points:
        rates = "  ".join(f"{rate:6.1%}" for rate in point.exit_rates)
        default = "  (default)" * (point.name == cascade.spec.default_operating_point)
        lines.append(f"{point.name:<16}  {point.accuracy:8.1%}  {plain}  {rates}{default}")
    lines.append("(all on the calibration part; calexnet-bench measures on the test part)")
    if all(point.early == 0 for point in cascade.spec.operating_points):
        head = "" if cascade.spec.recipe.head == "strided" else "--head strided, "
        lines.append(
            "\nWARNING: no operating point lets an image leave early, so nothing is saved: try "
            f"{head}--rule price, more --epochs, or more calibration images."
        )
    return "\n".join(lines)
