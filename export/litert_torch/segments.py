"""A cascade as torch modules: one a segment with its gate inside, and plain. Needs torch.

The counterpart of `calexnet.export.graph.segments` for converters that take torch modules. Maps
cross the cuts channels last, as in every file for TFLite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calexnet.export.graph.dialect import state_name
from calexnet.export.litert_torch.stages import Stage, cut, identifier
from calexnet.gating import leaves
from calexnet.training.branches import Branch
from calexnet.training.cascade import Cascade


@dataclass(frozen=True)
class Part:
    """One segment, or the plain backbone.

    Attributes:
        name: ``segment1`` ... ``segmentN`` or ``plain``.
        module: Takes tensors by name, gives a dict of them.
        example: What it takes, for one sample.
    """

    name: str
    module: nn.Module
    example: dict[str, Tensor]


def parts(cascade: Cascade, *, raw_input: bool) -> Iterator[Part]:
    """Yield the segments of `cascade` in running order, then the plain backbone.

    Args:
        cascade: A trained one.
        raw_input: Take uint8 ``(n, H, W, C)`` and normalise inside; else normalised float32.

    Raises:
        ExportError: torch cannot capture the backbone, or it cannot be cut.
    """
    spec = cascade.spec
    looks = spec.preprocessing
    front = Front(*map(torch.from_numpy, looks.scale_and_shift())) if raw_input else None
    image = torch.zeros(1, looks.channels, looks.height, looks.width)
    raw = torch.zeros(1, looks.height, looks.width, looks.channels, dtype=torch.uint8)
    held = {"image": raw if raw_input else image}
    held["threshold"] = torch.zeros(len(spec.classes))
    read = {k for branch in cascade.branches for k in branch.reads}
    stages = cut(cascade.backbone, spec.attach, image)
    branches = [*cascade.branches, None]
    for index, (stage, branch) in enumerate(zip(stages, branches, strict=True)):
        module = Segment(stage, branch, front, _state(index) if index in read else None)
        reads = [*stage.reads, *(["threshold"] if branch else []), *module.states]
        example = {name: held[name] for name in reads}
        with torch.no_grad():
            held |= module(**example)
        yield Part(f"segment{index + 1}", module.eval(), example)
    (whole,) = cut(Logits(cascade.backbone), (), image)
    plain = Segment(whole, None, front, None)
    yield Part("plain", plain.eval(), {"image": held["image"]})


class Front(nn.Module):
    """Bytes to normalised numbers: float32 ``(n, C, H, W)`` of uint8 ``(n, H, W, C)``."""

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, image: Tensor) -> Tensor:
        """Return the image as the backbone takes it."""
        return image.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift


class Logits(nn.Module):
    """The backbone without its features, which in a tuple of one the cut takes for its goal."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Return the logits alone."""
        return (self.backbone(image)[-1],)


class Segment(nn.Module):
    """A stage, its branch and its gate; the tail and plain have neither.

    Args:
        stage: Of the backbone.
        branch: At its feature; ``None`` = the stage gives logits.
        front: For raw images.
        state: Name of what the branch hands to later ones, if they read it.

    Attributes:
        states: Names of the earlier branches' states that it reads.
    """

    def __init__(
        self, stage: Stage, branch: Branch | None, front: Front | None, state: str | None
    ) -> None:
        super().__init__()
        self.stage, self.branch, self.front = stage.module, branch, front
        self.reads, self.gives, self.carried = stage.reads, stage.gives, stage.carried
        self.states = tuple(map(_state, branch.reads)) if branch else ()
        self._state = state

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        """Return what a segment gives, by name."""
        taken = [self._taken(name, given[name]) for name in self.reads]
        made = dict(zip(self.gives, self.stage(*taken), strict=True))
        goal = made[self.gives[0]]
        found = {name: _turned(made[name]) for name in self.carried}
        own_score = None
        if self.branch is None:
            logits = goal
        else:
            earlier = [given[name] for name in self.states]
            logits, own_score, state = self.branch.answer(self.branch.head.reduce(goal), earlier)
            if self._state is not None and state is not None:
                found[self._state] = state
        probabilities = torch.softmax(logits, 1)
        label = logits.argmax(1)
        score = probabilities.amax(1) if own_score is None else own_score
        found |= {"label": label.to(torch.int32), "score": score, "probabilities": probabilities}
        if "threshold" in given:
            found["exit"] = leaves(score, _bar(given["threshold"], label))
        return found

    def _taken(self, name: str, tensor: Tensor) -> Tensor:
        if name == "image":
            return tensor if self.front is None else self.front(tensor)
        return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _state(index: int) -> str:
    return identifier(state_name(index))


def _turned(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor


def _bar(threshold: Tensor, label: Tensor) -> Tensor:
    """Return each label's threshold ``(n,)``; infinite ones stay so."""
    chosen = torch.arange(len(threshold))[None] == label[:, None]
    return torch.where(chosen, threshold[None], -torch.inf).amax(1)
