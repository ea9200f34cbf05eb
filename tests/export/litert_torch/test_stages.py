"""A captured network cut into torch modules, which together give what it gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import ExportError
from calexnet.export.litert_torch.stages import Stage, cut
from calexnet.training.backbones.frozen import FrozenBackbone


class Halves(nn.Module):
    """A map in two parts, of which the second skips a stage; a clamp in place; a table."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(2, 4, 3)
        self.linear = nn.Linear(6, 5)
        self.register_buffer("table", torch.arange(2.0)[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.first(x).split(2, 1)
        y = self.second(one * self.table).relu_()
        logits: Tensor = self.linear(torch.cat([y.mean((2, 3)), other.amax((2, 3))], 1))
        return logits


def run(stages: tuple[Stage, ...], image: Tensor) -> list[Tensor]:
    """Return each stage's goal, given by name what it reads and no more."""
    held, goals = {"image": image}, []
    for stage in stages:
        made = stage.module(*[held[name] for name in stage.reads])
        held |= {n: t for n, t in zip(stage.gives, made, strict=True) if n in stage.carried}
        goals.append(made[0])
    return goals


@pytest.mark.slow
def test_the_stages_give_what_the_network_gives() -> None:
    torch.manual_seed(0)
    backbone = FrozenBackbone(Halves(), ("first", "second"))
    image = torch.randn(1, 3, 8, 8)

    stages = cut(backbone, backbone.attach, torch.zeros(1, 3, 8, 8))

    assert 2 == len(stages[1].carried), "its own feature, and a part that skipped it"
    assert ["first", "second", "logits"] == [stage.gives[0] for stage in stages]
    for wanted, found in zip(backbone(image), run(stages, image), strict=True):
        torch.testing.assert_close(found, wanted)


def test_names_are_identifiers_and_nothing_crosses_that_nobody_reads() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Flatten(), nn.Linear(16, 2))

    first, last = cut(FrozenBackbone(network, ("0.0",)), ("0.0",), torch.zeros(1, 3, 2, 2))

    assert (("image",), ("0_0",), ("0_0",)) == (first.reads, first.gives, first.carried)
    assert (("0_0",), ("logits",), ()) == (last.reads, last.gives, last.carried)


def test_what_has_no_row_a_sample_cannot_cross() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.early, self.linear = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.early(x)
            total = y.sum()
            logits: Tensor = self.linear(torch.relu(y) * total) + total
            return logits

    backbone = FrozenBackbone(Outer(), ("early", "linear"))

    with pytest.raises(ExportError, match=r"^.* would have to cross a cut: got \(\); expected a t"):
        cut(backbone, backbone.attach, torch.zeros(1, 4))


def test_a_network_that_decides_by_its_data_is_refused() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.linear(x)
            return y if bool((y > 0).all()) else -y

    backbone = FrozenBackbone(Asking(), ("linear",))

    with pytest.raises(ExportError, match=r"^torch\.export cannot capture the backbone: got "):
        cut(backbone, backbone.attach, torch.zeros(1, 4))
