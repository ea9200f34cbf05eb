"""Fitting light modules to cached features, whatever the loss. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.progress import Progress
from calexnet.training.backbone import check_loss
from calexnet.training.spec import Optimisation

Rows = NDArray[np.intp]


def fit(
    modules: Iterable[nn.Module],
    loss_of: Callable[[Rows], Tensor],
    count: int,
    plan: Optimisation,
    label: str,
    *,
    chances: NDArray[np.float32] | None = None,
) -> float:
    """Train `modules` in place and return the last epoch's mean loss.

    Args:
        modules: What learns; all of their parameters.
        loss_of: Mean loss of the samples at some rows.
        count: How many samples there are.
        plan: How.
        label: Shown as progress, and named if the loss is lost.
        chances: float32 ``(count,)``, how likely each sample is drawn; ``None`` = each once an
            epoch.

    Raises:
        TrainingError: A loss is not finite; the message says in which epoch and step.
    """
    trained = nn.ModuleList(modules)
    generator = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(trained.parameters(), plan.lr, weight_decay=plan.weight_decay)
    epochs, steps = plan.length(count)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    trained.train()
    with Progress(f"{label}, epochs", epochs) as progress:
        for epoch in range(epochs):
            total = 0.0
            order = _order(count, generator, chances)
            # In even parts: batch normalisation cannot take a last batch of one sample.
            for step, rows in enumerate(np.array_split(order, steps)):
                loss = loss_of(rows)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                where = f"{label}, epoch {epoch + 1}, step {step + 1}"
                total += check_loss(loss, where) * len(rows)
            schedule.step()
            progress.advance(note=f"loss {total / count:.3f}")
    trained.eval()
    return total / count


def _order(count: int, generator: torch.Generator, chances: NDArray[np.float32] | None) -> Rows:
    if chances is None:
        return torch.randperm(count, generator=generator).numpy()
    drawn = torch.multinomial(torch.from_numpy(chances), count, True, generator=generator)
    return drawn.numpy()
