"""What a branch's logits are held against. Needs torch."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor


def distillation(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return each sample's ``T^2 KL(softmax(teacher / T) || softmax(student / T))``: ``(n,)``.

    Reconstruction of the CalexNet paper's equation 10; the factor T^2 is the usual one and
    unconfirmed.

    Args:
        logits: float32 ``(n, classes)``, the branch's.
        teacher_logits: float32 ``(n, classes)``, the backbone's.
        temperature: T.
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    return temperature**2 * divergence


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return each sample's ``-log softmax(logits)[label]``: ``(n,)``.

    Args:
        logits: float32 ``(n, classes)``.
        labels: int64 ``(n,)``.
    """
    return functional.cross_entropy(logits, labels, reduction="none")
