"""The network cut after a stage, with the head there and no gate: a cascade without branches."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.branches import Branch, answers
from calexnet.training.cascade import Cascade


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
    upto = FrozenBackbone(cascade.backbone.network, cascade.spec.attach[:number])
    network = CutNetwork(upto, cascade.branches[:number])
    return Cascade(
        spec=cascade.spec.cut_after(number),
        backbone=FrozenBackbone(network, ()),
        branches=(),
        samples=cascade.samples,
    )
