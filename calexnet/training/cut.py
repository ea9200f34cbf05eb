"""The network cut after a stage, with the head there and no gate: a cascade without branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from calexnet.calibration import OperatingPoint
from calexnet.certify import Counts
from calexnet.costs import Macs
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.branches import Branch, answers
from calexnet.training.cascade import Cascade

#: Name of its only operating point, at which nobody leaves early.
NO_GATE = "no-gate"


class CutNetwork(nn.Module):
    """A network that ends at its last branch.

    What lies behind runs in PyTorch all the same, and whoever exports or counts it leaves out what
    the logits do not need: earlier heads too, unless the last one reads their state.

    Args:
        backbone: With the branches' attach points, in running order.
        branches: As many.
    """

    def __init__(self, backbone: FrozenBackbone, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.any_strides = getattr(backbone.network, "any_strides", False)
        self.backbone = backbone
        self.branches = nn.ModuleList(branches)
        self._in_order = tuple(branches)

    def forward(self, images: Tensor) -> Tensor:
        """Return the last branch's logits ``(n, classes)`` for float32 images ``(n, C, H, W)``."""
        *maps, _ = self.backbone(images)
        reduced = [b.head.reduce(m) for b, m in zip(self._in_order, maps, strict=True)]
        return answers(self._in_order, reduced)[-1].logits


def cut_after(cascade: Cascade, number: int) -> Cascade:
    """Return `cascade` cut after stage `number`: its network answers as exit `number` does.

    Its score is the largest probability, as that of every plain network.

    Args:
        cascade: A trained one; it is not changed.
        number: Of one of its branches, from 1.
    """
    spec = cascade.spec
    upto = FrozenBackbone(cascade.backbone.network, spec.attach[:number])
    network = CutNetwork(upto, cascade.branches[:number])
    name = f"{spec.backbone.name} cut after {spec.attach[number - 1]}"
    point = _no_gate(cascade, number)
    return Cascade(
        spec=replace(
            spec,
            backbone=replace(spec.backbone, name=name),
            attach=(),
            branches=(),
            operating_points=(point,),
            default_operating_point=point.name,
            plain_accuracy=point.accuracy,
            cuts=(),
        ),
        backbone=FrozenBackbone(network, ()),
        branches=(),
        samples=cascade.samples,
    )


def cut_macs(cascade: Cascade, number: int, macs: Macs) -> int:
    """Return the MACs of one image in the network cut after stage `number`.

    Its own head counts, and those whose state that one reads.

    Args:
        cascade: A trained one.
        number: Of one of its branches, from 1.
        macs: Of the cascade.
    """
    heads, asked = {number - 1}, [number - 1]
    while asked:
        read = set(cascade.branches[asked.pop()].reads) - heads
        heads |= read
        asked += read
    return sum(macs.stages[:number]) + sum(macs.branches[k] for k in heads)


def _no_gate(cascade: Cascade, number: int) -> OperatingPoint:
    """Return the only operating point; its reference is the cut network itself."""
    known = cascade.spec.operating_points[0].counts
    return OperatingPoint(
        name=NO_GATE,
        setting=0.0,
        thresholds=(),
        exit_rates=(1.0,),
        accuracy=cascade.spec.branches[number - 1].calibration_accuracy,
        counts=None if known is None else Counts(known.images, 0, 0),
    )
