"""A trained cascade: frozen backbone, branches, thresholds, and their story. Needs torch."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calexnet import rules
from calexnet.calibration import cut_networks, point_name
from calexnet.costs import Macs, Parameters
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, over_classes
from calexnet.errors import CalexnetError, InputError, TrainingError, raised
from calexnet.files.scratch import scratch_folder
from calexnet.gating import ExitTable
from calexnet.images.preprocessing import Preprocessing, channel_statistics
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.training import (
    backbones,
    beforehand,
    features,
    flops,
    heads,
    methods,
    scores,
    weights,
)
from calexnet.training.backbone import train_backbone
from calexnet.training.backbones import BackboneSpec, check
from calexnet.training.backbones.frozen import FrozenBackbone, handed
from calexnet.training.backbones.graph import GraphBackbone
from calexnet.training.backbones.graph_file import GraphFile
from calexnet.training.beforehand import Beforehand, Teller
from calexnet.training.branches import Answer, Branch, answers
from calexnet.training.heads.base import Head
from calexnet.training.heads.budget import fitted
from calexnet.training.heads.trained import TrainedHead
from calexnet.training.methods.base import Task
from calexnet.training.recipe import plan_recipe, train_branches
from calexnet.training.spec import BackboneTraining, CascadeSpec, Plain, Recipe, Samples

#: Real calibration images kept with the cascade, to verify every export on.
SAMPLES = 128


@dataclass(frozen=True)
class Cascade:
    """A trained cascade.

    Attributes:
        spec: All but the weights.
        backbone: The frozen network with its attach points.
        branches: In running order.
        samples: Real images to verify exports on; from the calibration part.
    """

    spec: CascadeSpec
    backbone: FrozenBackbone
    branches: tuple[Branch, ...]
    samples: Samples

    def ask(self, images: NDArray[np.uint8], *, double: bool = False) -> list[Answer]:
        """Return what every exit says of uint8 images ``(n, H, W, C)``: the reference.

        No sample leaves early here; `calexnet.gating` decides from the answers.

        Args:
            images: As the files have them.
            double: Ask in float64, which the parts must have been converted to.
        """
        inputs = handed(self.backbone.network, self.spec.preprocessing.normalise(images))
        inputs = inputs.double() if double else inputs
        with torch.inference_mode():
            *maps, logits = self.backbone(inputs)
            reduced = [b.head.reduce(m) for b, m in zip(self.branches, maps, strict=True)]
            return [*answers(self.branches, reduced), Answer(logits, None, None)]

    def answers(self, images: NDArray[np.uint8]) -> tuple[ExitTable, NDArray[np.float32]]:
        """Return labels and scores, and the softmax, float32 ``(exits, n, classes)``, likewise."""
        said = self.ask(images)
        return exit_table(said), softmax(said)

    def answer(self, images: NDArray[np.uint8]) -> ExitTable:
        """Return every exit's labels and scores, likewise."""
        return exit_table(self.ask(images))

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return every exit's softmax, float32 ``(exits, n, classes)``, likewise."""
        return softmax(self.ask(images))

    def macs(self) -> Macs:
        """Return the MACs of one image, stage by stage, branch by branch, gate by gate."""
        return flops.count(self.backbone, self.branches, self.spec.preprocessing)

    def parameters(self) -> Parameters:
        """Return how many numbers the plain network and each branch have learnt."""
        return flops.parameters(self.backbone, self.branches)


def exit_table(said: Sequence[Answer]) -> ExitTable:
    """Return labels and scores of what every exit says."""
    found = [answer.labels_and_scores() for answer in said]
    labels = torch.stack([labels for labels, _ in found]).numpy().astype(np.int32)
    return ExitTable(labels, torch.stack([scores for _, scores in found]).numpy())


def softmax(said: Sequence[Answer]) -> NDArray[np.float32]:
    """Return the softmax of what every exit says, float32 ``(exits, n, classes)``."""
    probabilities: NDArray[np.float32]
    probabilities = torch.softmax(torch.stack([answer.logits for answer in said]), 2).numpy()
    return probabilities


@dataclass(frozen=True)
class CascadePlan:
    """What to train.

    Attributes:
        backbone: A name or ``package.module:function``.
        stem: For the backbones that have a choice.
        attach: Attach points, ``None`` = the backbone's own.
        recipe: How to make the branches.
        backbone_training: Used when no trained network is given.
        mean: Of each channel, in 0..1; ``None`` = the training part's own.
        std: Likewise.
        head_budget: Share of the network's MACs that all branches may cost together; ``None`` = as
            much as they want.
    """

    backbone: str
    stem: str | None = None
    attach: tuple[str, ...] | None = None
    recipe: Recipe = field(default_factory=plan_recipe)
    backbone_training: BackboneTraining = field(default_factory=BackboneTraining)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    head_budget: float | None = None


def build_parts(
    backbone: BackboneSpec,
    attach: Sequence[str],
    recipe: Recipe,
    preprocessing: Preprocessing,
    network: nn.Module | GraphFile | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> tuple[FrozenBackbone, tuple[Branch, ...]]:
    """Return a frozen backbone and fresh branches that fit each other.

    Args:
        backbone: What to build when no `network` is given.
        attach: Where branches go.
        recipe: Says of what kind they are.
        preprocessing: Gives the image's shape.
        network: A network to use as it is; an ONNX graph knows its own attach points.
        allow: Whose own parts may be imported.

    Raises:
        InputError: The parts do not fit; the message says which.
    """
    if not attach:
        raise InputError("a cascade has branches", got="no attach point", expected="at least one")
    if isinstance(network, GraphFile):
        frozen: FrozenBackbone = GraphBackbone(network)
    else:
        frozen = FrozenBackbone(network or backbones.build(backbone, allow), attach)
    image = (preprocessing.channels, preprocessing.height, preprocessing.width)
    shapes = frozen.check(image, backbone.classes)
    return frozen, _branches(recipe, frozen, shapes, backbone.classes, allow)


def _branches(
    recipe: Recipe,
    frozen: FrozenBackbone,
    shapes: Sequence[tuple[int, ...]],
    classes: int,
    allow: Allowed,
) -> tuple[Branch, ...]:
    """Return fresh branches for features of these shapes."""
    if recipe.exits:
        found: list[Head] = _trained_heads(frozen, recipe.exits, shapes, classes)
    else:
        widths = recipe.widths or (None,) * len(shapes)
        found = [
            heads.build(recipe.head, shape, classes, allow, most)
            for shape, most in zip(shapes, widths, strict=True)
        ]
    method = methods.build(recipe.method, allow)
    branches = method.branches(found, scores.build(recipe.score, allow))
    return tuple(branch.eval() for branch in branches)


def _trained_heads(
    frozen: FrozenBackbone, exits: Sequence[str], shapes: Sequence[tuple[int, ...]], classes: int
) -> list[Head]:
    modules = dict(frozen.network.named_modules())
    unknown = [name for name in exits if name not in modules]
    if unknown or len(exits) != len(shapes):
        raise InputError(
            "the exits cannot be used",
            got=f"no module {unknown[0]!r}" if unknown else f"{len(exits)} exits",
            expected=f"names of {len(shapes)} modules of the network, one an attach point",
            fix="Check --exits and --attach",
        )
    for name, shape in zip(exits, shapes, strict=True):
        _check_logits(name, modules[name], shape, classes)
    return [
        TrainedHead(modules[name], shape, classes)
        for name, shape in zip(exits, shapes, strict=True)
    ]


def _check_logits(name: str, module: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    try:
        with torch.no_grad():
            logits = module(torch.zeros(2, *shape))
        got = tuple(logits.shape[1:]) if isinstance(logits, torch.Tensor) else type(logits).__name__
    except Exception as problem:  # somebody's own code: it may raise anything
        got = raised(problem)
    if got != (classes,):
        raise InputError(
            f"the exit {name} cannot be used",
            got=got,
            expected=f"{(classes,)}, one logit a class, from features of shape {shape}",
            fix="Check --exits and --attach",
        )


def train_cascade(
    data: Dataset,
    split: Split,
    plan: CascadePlan,
    *,
    network: nn.Module | GraphFile | None = None,
    cache: Path | None = None,
    scratch: Path | None = None,
    tell: Teller = lambda known: None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Cascade:
    """Train a cascade on the train and calibration parts of `data`; the test part is not read.

    Args:
        data: The whole set.
        split: Its division.
        plan: What to train.
        network: A trained backbone; without one, the plan's is trained first.
        cache: Where computed features are kept and found again; by default nowhere.
        scratch: Where they go meanwhile; the system's temporary folder by default.
        tell: Is told what is known beforehand: costs before the backbone is trained, its accuracy
            before the branches are.
        allow: Whose own parts may be imported, if the plan names some.

    Raises:
        InputError: The plan does not fit the data, or the network cannot be a cascade; found on a
            few images before anything is trained.
        TrainingError: A loss is not finite.
    """
    parts = split.indices
    trained = network is not None
    some = over_classes(data, parts["train"], check.IMAGES, split.record.seed)
    preprocessing = preprocessing_of(data, parts["train"], plan)
    ready = _prepared(data, some, preprocessing, plan, network, allow)
    backbone, branches, recipe = ready.backbone, ready.branches, ready.recipe
    attach = backbone.attach
    macs = flops.count(backbone, branches, preprocessing)
    numbers = flops.parameters(backbone, branches)
    images_kept = len(parts["train"]) + len(parts["calibration"])
    place = cache or scratch or Path(tempfile.gettempdir())
    room = features.require_room(attach, [branch.head for branch in branches], images_kept, place)
    tell(Beforehand(attach, macs, numbers, ready.auxiliary, room, recipe.widths))
    if not trained:
        _train_and_refreeze(backbone, data, parts["train"], preprocessing, plan)

    costs = macs.to_exit(own_head_only=True) / macs.plain  # as shares of the backbone's
    recipe = replace(recipe, rule=rules.with_costs(recipe.rule, costs, allow))
    rule = rules.build(recipe.rule, allow)
    with (
        _kept(None if trained else backbone.network),
        scratch_folder(".features-", scratch) as passing,
    ):
        train, calibration = (
            features.compute(
                backbone,
                [branch.head for branch in branches],
                data,
                parts[part],
                preprocessing,
                cache or passing,
                part,
            )
            for part in ("train", "calibration")
        )
        plain = Plain.of(calibration.logits.argmax(1), calibration.truth)
        tell(plain)
        task = Task(
            attach=attach,
            train=train,
            calibration=calibration,
            rule=rule,
            setting=recipe.setting,
            optimisation=recipe.optimisation,
            costs=costs,
        )
        made = train_branches(branches, recipe, task, allow)

    kept = over_classes(data, parts["calibration"], SAMPLES, split.record.seed)
    return Cascade(
        spec=CascadeSpec(
            backbone=ready.spec,
            attach=attach,
            classes=data.classes,
            preprocessing=preprocessing,
            recipe=recipe,
            backbone_training=None if trained else plan.backbone_training,
            branches=made.reports,
            operating_points=made.points,
            default_operating_point=point_name(rule, recipe.setting),
            split=split.record,
            uncalibrated=data.absent(parts["calibration"]),
            plain_accuracy=plain.accuracy,
            graph=backbone.costs,
            cuts=cut_networks(made.exits, calibration.truth),
        ),
        backbone=backbone,
        branches=branches,
        samples=Samples(data.images[kept], data.labels[kept]),
    )


@dataclass(frozen=True)
class _Prepared:
    """What is trained, looked at and found fit.

    Attributes:
        spec: How to build the network again.
        backbone: The network, frozen.
        branches: Fresh ones.
        recipe: The plan's, its heads sized to the plan's budget.
        auxiliary: How many outputs the backbone gives beside its logits while it is trained.
    """

    spec: BackboneSpec
    backbone: FrozenBackbone
    branches: tuple[Branch, ...]
    recipe: Recipe
    auxiliary: int


def check_plan(
    few: Dataset,
    plan: CascadePlan,
    *,
    network: nn.Module | GraphFile | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> None:
    """Do nothing if the plan's network can be a cascade, as far as a few images tell.

    Args:
        few: Images of several classes.
        plan: What shall be trained.
        network: A trained backbone, if there is one.
        allow: Whose own parts may be imported, if the plan names some.

    Raises:
        InputError: The plan does not fit the images, or the network cannot be a cascade.
    """
    rows = np.arange(len(few))
    _prepared(few, rows, preprocessing_of(few, rows, plan), plan, network, allow)


def _prepared(
    data: Dataset,
    rows: NDArray[np.intp],
    preprocessing: Preprocessing,
    plan: CascadePlan,
    network: nn.Module | GraphFile | None,
    allow: Allowed,
) -> _Prepared:
    """Return what is to be trained; the images at `rows` tell whether it is fit.

    Raises:
        InputError: It is not.
    """
    torch.manual_seed(plan.recipe.optimisation.seed)
    spec = BackboneSpec(plan.backbone, len(data.classes), plan.stem)
    if isinstance(network, GraphFile):
        return _prepared_graph(spec, network, data.images[rows], preprocessing, plan, allow)
    to_train = network is None
    if network is None:
        network = backbones.build(spec, allow)
    images = handed(network, preprocessing.normalise(data.images[rows]))
    attach = tuple(plan.attach or beforehand.own_attach(plan.backbone, network, images))
    backbone, branches = build_parts(spec, attach, plan.recipe, preprocessing, network, allow)
    others = beforehand.refuse_unfit(backbone, images, spec, allow, to_train=to_train)
    recipe, branches = _within_budget(backbone, branches, plan, preprocessing, allow)
    return _Prepared(spec, backbone, branches, recipe, others)


def _within_budget(
    backbone: FrozenBackbone,
    branches: tuple[Branch, ...],
    plan: CascadePlan,
    preprocessing: Preprocessing,
    allow: Allowed,
) -> tuple[Recipe, tuple[Branch, ...]]:
    """Return the plan's recipe and branches, narrowed to the plan's budget if it has one.

    Raises:
        InputError: They cannot be made so small.
    """
    recipe = plan.recipe
    if plan.head_budget is None:
        return recipe, branches
    shapes = [branch.head.feature_shape for branch in branches]

    def narrowed(widths: tuple[int, ...]) -> tuple[Branch, ...]:
        torch.manual_seed(recipe.optimisation.seed)
        sized = replace(recipe, widths=widths)
        return _branches(sized, backbone, shapes, branches[0].classes, allow)

    image = torch.zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)
    own = [branch.head.own_width(branch.head.feature_shape) for branch in branches]
    widths = fitted(
        recipe.head,
        own,
        plan.head_budget,
        flops.reached(backbone, image)[-1],
        lambda widths: sum(flops.of_branches(narrowed(widths) if widths else branches)),
    )
    return replace(recipe, widths=widths), narrowed(widths) if widths else branches


def _prepared_graph(
    spec: BackboneSpec,
    file: GraphFile,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing,
    plan: CascadePlan,
    allow: Allowed,
) -> _Prepared:
    """Return the same for an ONNX graph, which was tried alone and in a batch as it was read."""
    backbone, branches = build_parts(spec, file.attach, plan.recipe, preprocessing, file, allow)
    inputs = handed(backbone.network, preprocessing.normalise(images))
    check.refuse_no_numbers(backbone.answer(inputs)[-1])
    recipe, branches = _within_budget(backbone, branches, plan, preprocessing, allow)
    return _Prepared(spec, backbone, branches, recipe, 0)


@contextlib.contextmanager
def _kept(trained: nn.Module | None) -> Iterator[None]:
    """Keep a backbone that was trained here if what comes after it fails.

    Raises:
        TrainingError: It failed; the message says why, and where the backbone is.
    """
    try:
        yield
    except Exception as problem:
        if trained is None:
            raise
        path = Path(tempfile.mkdtemp(prefix="calexnet-")) / "backbone.safetensors"
        path.write_bytes(weights.pack(trained))
        raise TrainingError(
            "the backbone is trained, the branches are not",
            got=problem if isinstance(problem, CalexnetError) else raised(problem),
            fix=f"The backbone is kept: go on with --weights {path}",
        ) from problem


def _train_and_refreeze(
    backbone: FrozenBackbone,
    data: Dataset,
    rows: NDArray[np.intp],
    preprocessing: Preprocessing,
    plan: CascadePlan,
) -> None:
    network = backbone.network.requires_grad_(True)
    train_backbone(
        network, data.images[rows], data.labels[rows], preprocessing, plan.backbone_training
    )
    network.requires_grad_(False)


def preprocessing_of(data: Dataset, train: NDArray[np.intp], plan: CascadePlan) -> Preprocessing:
    """Return the way from the images of `data` to the network's input.

    Args:
        data: Gives size and channels.
        train: Indices of the training samples, whose statistics count where `plan` has none.
        plan: Mean and standard deviation, if it has them.

    Raises:
        InputError: The plan's statistics do not fit the images.
    """
    height, width, channels = data.images.shape[1:]
    for name, given in (("mean", plan.mean), ("std", plan.std)):
        if given is not None and len(given) != channels:
            raise InputError(
                f"the {name} does not fit the data",
                got=f"{len(given)} numbers",
                expected=f"{channels}, one a channel",
            )
        if given is not None and max(given) > 1:
            raise InputError(
                f"the {name} does not fit the data",
                got=f"{max(given):g}",
                expected="numbers in 0..1, as pixels are divided by 255 first",
                fix=f"Divide by 255: --{name} {','.join(f'{each / 255:.5g}' for each in given)}",
            )
    mean, std = channel_statistics(data.images, train)
    flat = 1e-3  # of a channel without contrast, not to divide by nothing
    return Preprocessing(
        height,
        width,
        plan.mean or mean,
        plan.std or tuple(max(each, flat) for each in std),
        resize=data.resize,
    )
