"""Whether a network can be a cascade, asked on a few real images before training. Needs torch.

Images come alone, and survivors of a batch are gathered, so an answer may depend on its own image
only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from calexnet.errors import InputError, first_line, raised, root_cause
from calexnet.training.backbone import first_output
from calexnet.training.backbones.frozen import FrozenBackbone

#: How many are enough.
IMAGES = 16

#: How far two answers to one image may be apart, as a share of the largest number: far more than
#: rounding in another order, far less than dropout or another image does.
TOLERANCE = 1e-4

#: Images that a fault is traced on: outputs of all modules are kept for these.
_TRACED = 4


def check(backbone: FrozenBackbone, images: Tensor) -> None:
    """Do nothing if the network answers each image for itself, always alike, with logits.

    Args:
        backbone: Whose `FrozenBackbone.check` has passed.
        images: float32 ``(n, C, H, W)``, normalised, of several classes.

    Raises:
        InputError: It does not; the message says what to change.
    """
    _refuse_order(backbone, images)
    answers = backbone.answer(images)
    refuse_no_numbers(answers[-1])
    _refuse_probabilities(backbone, images, answers[-1])
    if (far := _apart(answers, backbone.answer(images))) is not None:
        raise InputError(
            "the network answers the same images differently each time",
            got=f"{far}{_first_apart(backbone.network, images[:_TRACED], images[:_TRACED])}",
            expected="one answer in evaluation mode",
            fix="Leave chance to training: nn.Dropout, or dropout(x, training=self.training)",
        )
    _refuse_company(backbone, images, answers)


def auxiliary_outputs(network: nn.Module, images: Tensor, classes: int) -> int:
    """Return how many outputs the network gives beside its logits while it trains.

    It is trained by the first output. Nothing in it is changed.

    Args:
        network: In evaluation mode.
        images: See `check`.
        classes: How many logits are expected.

    Raises:
        InputError: It raises in training mode, or its first output there is not its answer.
    """
    with torch.no_grad():
        answer = network(images)
    said = _training_form(network, images, network.train)
    logits = first_output(said)
    if not isinstance(logits, Tensor) or logits.shape != answer.shape:
        raise InputError(
            "the network cannot be trained",
            got=f"{_shape(logits)} from forward in training mode",
            expected=f"logits (n, {classes}), or a tuple that they are first in",
            fix="Return them first, or train the network yourself and give --weights",
        )
    if isinstance(said, Tensor) or len(said) == 1:
        return 0
    # With dropout and batch statistics at rest, the answer is found among the outputs again.
    still = _training_form(network, images, lambda: _train_inner(network))
    outputs = list(still.values() if isinstance(still, dict) else still)
    places = [k for k, one in enumerate(outputs) if _is_same(one, answer)]
    if places and 0 not in places:
        raise InputError(
            "the network's first output in training mode is not its answer",
            got=f"its answer as output {places[0] + 1} of {len(outputs)}",
            expected="the answer first, auxiliary outputs after it",
            fix="Return them in that order while self.training",
        )
    return len(said) - 1


def check_capture(backbone: FrozenBackbone, images: Tensor) -> None:
    """Do nothing if torch.export captures the network for any batch size: every export needs it.

    Raises:
        InputError: It does not; the message has the reason and the line.
    """
    shapes = ({0: torch.export.Dim("n")},)
    problems = []
    for strict in (False, True):  # as torch.onnx.export tries them
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.export.export(backbone, (images[:2],), dynamic_shapes=shapes, strict=strict)
            return
        except Exception as problem:  # many kinds; all mean the same to the user
            problems.append(problem)
    raise InputError(
        "torch.export cannot capture the network, so it could never be exported",
        got=capture_reason(problems[0]),
        expected="a forward without choices, sizes or numbers read off the images of a batch",
    ) from problems[0]


def capture_reason(problem: BaseException) -> str:
    """Return why torch.export failed, without what it says of itself."""
    cause = root_cause(problem)
    said = [line.strip(" -") for line in str(cause).splitlines() if line.strip()]
    if said and said[0].startswith("Constraints violated"):
        return said[1].partition(". If you")[0] if len(said) > 1 else first_line(cause)
    return raised(cause)


def _training_form(network: nn.Module, images: Tensor, mode: Callable[[], Any]) -> Any:
    """Return what the network gives in a training mode, and leave it as it was."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    mode()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return network(images)
    except Exception as problem:  # somebody's own code: it may raise anything
        raise InputError(
            "the network cannot be trained",
            got=raised(problem),
            expected="a forward that works in training mode too",
            fix="Change that, or train the network yourself and give --weights",
        ) from problem
    finally:
        network.eval()
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(before[name])


def _train_inner(network: nn.Module) -> None:
    """Set training mode on what has modules inside; what works on tensors stays at rest."""
    for module in network.modules():
        module.training = any(True for _ in module.children())


def _refuse_order(backbone: FrozenBackbone, images: Tensor) -> None:
    """Refuse attach points that are reached several times, or in another order than given."""
    reached: list[str] = []
    with ExitStack() as hooks:
        for name in backbone.attach:
            module = backbone.network.get_submodule(name)
            handle = module.register_forward_hook(lambda *_, name=name: reached.append(name))
            hooks.callback(handle.remove)
        backbone.answer(images[:2])
    often = [name for name in backbone.attach if reached.count(name) > 1]
    if often:
        raise InputError(
            f"a branch cannot be attached at {often[0]}",
            got=f"a module that runs {reached.count(often[0])} times",
            expected="one that runs once",
            fix="Choose another attach point, or put an nn.Identity where the branch shall be",
        )
    if tuple(reached) != backbone.attach:
        raise InputError(
            "the attach points are out of order",
            got=", ".join(backbone.attach),
            expected=f"the order in which data reaches them: {','.join(reached)}",
            fix="Reorder --attach",
        )


def refuse_no_numbers(logits: Tensor) -> None:
    """Do nothing if all of `logits`, float32 ``(n, classes)``, are finite.

    Raises:
        InputError: They are not.
    """
    bad = int((~torch.isfinite(logits)).any(1).sum())
    if bad:
        raise InputError(
            "the network's answers are no numbers",
            got=f"NaN or infinity for {bad} of {len(logits)} images",
            expected="finite logits",
            fix="Look for NaN in its weights, and check --mean and --std",
        )


def _refuse_probabilities(backbone: FrozenBackbone, images: Tensor, logits: Tensor) -> None:
    sums = logits.sum(1)
    if (logits >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        raise InputError(
            "the network answers with probabilities",
            got=f"rows that are not negative and sum to 1, on {len(logits)} images",
            expected="logits: a second softmax would be taken of them",
            fix="Leave the softmax at the end of forward out; trained weights stay as they are",
        )
    with torch.enable_grad():
        said = backbone.network(images[:2].clone().requires_grad_(True))
    if "Sigmoid" in type(said.grad_fn).__name__ and "Log" not in type(said.grad_fn).__name__:
        raise InputError(
            "the network answers with a sigmoid for each class",
            got=f"{logits.shape[1]} numbers between 0 and 1 that do not sum to 1",
            expected="logits of classes of which one is right; several at once (multi-label) "
            "cannot leave early by one score",
            fix="If one class is right, leave the sigmoid at the end of forward out",
        )


def _refuse_company(backbone: FrozenBackbone, images: Tensor, answers: tuple[Tensor, ...]) -> None:
    """Refuse a network whose answer to an image depends on the others in its batch."""
    expected = "the same answer as in a batch: images come alone, and survivors are gathered"
    try:
        alone = [backbone.answer(image) for image in torch.split(images, 1)]
    except InputError as problem:
        raise InputError(
            "the network cannot answer one image alone", got=problem, expected=expected
        ) from problem
    for of_batch, *of_one in zip(answers, *alone, strict=True):
        if any(one.shape[1:] != of_batch.shape[1:] or len(one) != 1 for one in of_one):
            raise InputError(
                "the network cannot answer one image alone",
                got=f"an output of shape {tuple(of_one[0].shape)}",
                expected=str((1, *of_batch.shape[1:])),
                fix="Write x.flatten(1) for a squeeze() without a dimension",
            )
    joined = tuple(torch.cat(parts) for parts in zip(*alone, strict=True))
    if (far := _apart(answers, joined)) is None:
        return
    resting = [
        name
        for name, module in backbone.network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None
    ]
    labels = int((answers[-1].argmax(1) != joined[-1].argmax(1)).sum())
    raise InputError(
        "an image's answer depends on the others in its batch",
        got=f"{far}, and {labels} of {len(images)} other labels, for the same images alone"
        f"{_first_apart(backbone.network, images[:_TRACED], images[:1])}",
        expected=expected,
        fix=f"Give {resting[0]} running statistics: track_running_stats=True"
        if resting
        else "Take statistics of each image by itself: x.mean((1, 2, 3), keepdim=True)",
    )


def _is_same(output: object, answer: Tensor) -> bool:
    return isinstance(output, Tensor) and _apart((answer,), (output,)) is None


def _apart(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> str | None:
    """Return how far two runs' outputs are apart, ``None`` if no more than rounding explains."""
    worst = max(
        float((a - b).abs().max() / a.abs().max().clamp_min(1e-30))
        if a.shape == b.shape
        else float("inf")
        for a, b in zip(one, other, strict=True)
    )
    return f"numbers that differ by {worst:.2%} of the largest" if worst > TOLERANCE else None


def _first_apart(network: nn.Module, images: Tensor, again: Tensor) -> str:
    """Return after which module the first image's numbers first differ, if it can be told."""
    runs = [_outputs(network, some) for some in (images, again)]
    for (name, one), (_, other) in zip(*runs, strict=False):
        if one.shape == other.shape and _apart((one,), (other,)) is not None:
            return f", first after {name}"
    return ""


def _outputs(network: nn.Module, images: Tensor) -> list[tuple[str, Tensor]]:
    """Return what each innermost module gives for the first image, in running order."""
    found: list[tuple[str, Tensor]] = []

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim and output.is_floating_point():
                found.append((name, output[:1].clone()))

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if not any(True for _ in module.children()):
                hooks.callback(module.register_forward_hook(keep(name)).remove)
        network(images)
    return found


def _shape(said: object) -> str:
    return f"a tensor {tuple(said.shape)}" if isinstance(said, Tensor) else type(said).__name__
