"""Training a backbone from scratch, for data that comes without trained weights. Needs torch.

Nothing here is the paper's: it only gives a backbone worth freezing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.errors import TrainingError
from calexnet.images.preprocessing import Preprocessing
from calexnet.progress import Progress
from calexnet.training.backbones.frozen import handed
from calexnet.training.spec import BackboneTraining

Rows = NDArray[np.intp]

#: Far above any loss of a training that can still recover.
_EXPLODED = 1e6


def train_backbone(
    network: nn.Module,
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    preprocessing: Preprocessing,
    plan: BackboneTraining,
) -> None:
    """Train `network` in place.

    Args:
        network: From float32 ``(n, C, H, W)`` to logits, or to a tuple that they are first in.
        images: uint8 ``(n, H, W, C)``.
        truth: int64 ``(n,)``.
        preprocessing: From bytes to the network's input.
        plan: How.

    Raises:
        TrainingError: The loss is not finite.
    """

    def loss_of(answers: Tensor, rows: Rows, mirrored: Tensor | None) -> Tensor:
        return functional.cross_entropy(answers, torch.from_numpy(truth[rows]))

    fit_network(network, images, preprocessing, plan, loss_of, "the backbone")


#: Mean loss of the answers for the images at some rows, from which of them were mirrored.
LossOf = Callable[[Tensor, Rows, "Tensor | None"], Tensor]


def fit_network(
    network: nn.Module,
    images: NDArray[np.uint8],
    preprocessing: Preprocessing,
    plan: BackboneTraining,
    loss_of: LossOf,
    what: str,
    *,
    flip: bool = False,
) -> None:
    """Train `network` in place, whatever the loss.

    Args:
        network: See `train_backbone`.
        images: Likewise.
        preprocessing: Likewise.
        plan: Likewise.
        loss_of: Mean loss of a batch.
        what: It is, for progress and messages.
        flip: Mirror every second image, drawn anew each time.

    Raises:
        TrainingError: The loss is not finite.
    """
    generator = torch.Generator().manual_seed(plan.seed)
    steps = math.ceil(len(images) / plan.batch)
    optimiser = torch.optim.SGD(
        network.parameters(), plan.peak_lr, 0.9, weight_decay=plan.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.peak_lr, total_steps=plan.epochs * steps
    )
    network.train()
    with Progress(f"training {what}, epochs", plan.epochs) as progress:
        for epoch in range(plan.epochs):
            order = torch.randperm(len(images), generator=generator).numpy()
            total = 0.0
            # In even parts: batch normalisation cannot take a last batch of one image.
            for rows in np.array_split(order, steps):
                inputs = handed(network, preprocessing.normalise(images[rows]))
                mirrored = torch.rand(len(rows), generator=generator) < 0.5 if flip else None
                if mirrored is not None:
                    inputs[mirrored] = inputs[mirrored].flip(3)
                answers = first_output(network(_shifted(inputs, plan.shift, generator)))
                loss = loss_of(answers, rows, mirrored)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                total += check_loss(loss, f"{what}'s, epoch {epoch + 1}") * len(rows)
            progress.advance(note=f"loss {total / len(order):.3f}")
    network.eval()


def first_output(said: Any) -> Any:
    """Return the logits, if a network says more while it trains: auxiliary heads come after."""
    while isinstance(said, (tuple, list, dict)) and said:
        said = next(iter(said.values() if isinstance(said, dict) else said))
    return said


def check_loss(loss: Tensor, whose: str) -> float:
    """Return the loss as a number.

    Raises:
        TrainingError: It is not finite, or beyond all reason; the message says `whose` it is.
    """
    value = float(loss.detach())
    if not math.isfinite(value) or value > _EXPLODED:
        what = "explodes" if math.isfinite(value) else "is not finite"
        raise TrainingError(
            f"the loss {what} ({whose})",
            got=value,
            expected=f"at most {_EXPLODED:g}" if math.isfinite(value) else "a number",
            fix="Lower the learning rate, or look for NaN in the weights and images",
        )
    return value


def _shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return `images` moved by up to `most` pixels each way, the same for the whole batch."""
    if most == 0:
        return images
    dy, dx = torch.randint(0, 2 * most + 1, (2,), generator=generator).tolist()
    padded = functional.pad(images, (most, most, most, most), mode="replicate")
    return padded[:, :, dy : dy + images.shape[2], dx : dx + images.shape[3]]
