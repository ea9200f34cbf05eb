"""MACs by fvcore's per-operator count of convolutions and linear layers. Needs torch.

fvcore counts one fused multiply-add as one, so its "flops" are MACs; FLOPs are twice as many.
Normalisation, activation, pooling, softmax and gate are left out, as the field does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from calexnet.costs import Macs

if TYPE_CHECKING:
    from calexnet.backbones.frozen import FrozenBackbone
    from calexnet.branches import Branch
    from calexnet.preprocessing import Preprocessing

#: fvcore's names of the operators that count.
COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


def count(
    backbone: FrozenBackbone, branches: Sequence[Branch], preprocessing: Preprocessing
) -> Macs:
    """Return the MACs of one image, stage by stage, branch by branch, gate by gate."""
    image = torch.zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)
    reached = [
        macs_of(_Prefix(backbone, outputs), image) for outputs in range(1, len(branches) + 2)
    ]
    stages = [after - before for before, after in zip([0, *reached], reached, strict=False)]
    heads = [
        macs_of(
            branch,
            torch.zeros(1, *branch.head.feature_shape),
            *(torch.zeros(1, branches[k].state_width) for k in branch.reads),
        )
        for branch in branches
    ]
    classes = branches[0].classes
    gates = [macs_of(_Gate(classes), torch.zeros(1, classes)) for _ in branches]
    return Macs(tuple(stages), tuple(heads), tuple(gates))


def macs_of(module: nn.Module, *inputs: Tensor) -> int:
    """Return the MACs of `module` on `inputs`; work that no output needs is not counted."""
    from fvcore.nn import FlopCountAnalysis

    # fvcore lists every operator that it does not count; here that is meant.
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    analysis = FlopCountAnalysis(module.eval(), inputs)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    return int(sum(by_operator.get(name, 0) for name in COUNTED))


class _Prefix(nn.Module):
    """The backbone up to one of its outputs; tracing drops what lies behind it."""

    def __init__(self, backbone: FrozenBackbone, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.outputs = outputs

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.backbone(images)
        return outputs[: self.outputs]


class _Gate(nn.Module):
    """What a gate computes, for counting: softmax, maximum, look-up, comparison."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.zeros(classes))

    def forward(self, logits: Tensor) -> Tensor:
        score, label = torch.softmax(logits, 1).max(1)
        threshold: Tensor = self.get_buffer("threshold")
        return score >= threshold[label]
