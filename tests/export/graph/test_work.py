"""The MACs of whole cascades: the graphs' count beside the modules'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from calexnet.costs import Macs
from calexnet.export.from_run import export_cascade
from calexnet.export.graph import segments
from calexnet.export.graph.serialise import serialise
from calexnet.export.graph.work import Counted, counted
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import untrained


def assert_counts_agree(cascade: Cascade) -> Macs:
    """Return what both counts say."""
    built = segments.build(cascade)

    found = counted(serialise(built), built.branches, cascade.macs())

    assert cascade.macs() == found.graphs
    assert found.doubt() is None
    return found.macs


class Mixed(nn.Module):
    """What is easily missed: padding by name, windows in the batch, attention, ``torch.mm``."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, 2, 1)
        self.two = nn.Conv2d(8, 8, 3, padding="same")
        self.three = nn.MultiheadAttention(8, 2, batch_first=True)
        self.four = nn.Parameter(torch.ones(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        n, c, h, w = x.shape
        windows = x.reshape(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 1, 3, 5)
        x = self.two(windows.reshape(-1, c, h // 2, w // 2)).reshape(n, 4, c, -1)
        tokens = x.transpose(2, 3).reshape(n, -1, c)
        tokens = self.three(tokens, tokens, tokens, need_weights=False)[0]
        return torch.mm(tokens.mean(1), self.four)


@pytest.mark.slow
def test_every_kind_of_product_by_hand() -> None:
    cascade = untrained("own:mixed", ("one",), network=Mixed(), head="linear", side=16)

    one = 3 * 8 * 9 * 64
    attention = 64 * 8 * (3 * 8) + 2 * (64 * 64 * 8) + 64 * 8 * 8
    rest = 4 * (8 * 8 * 9 * 16) + attention + 8 * 4
    assert Macs((one, rest), (8 * 4,), (0,)) == assert_counts_agree(cascade)


@pytest.mark.slow
@pytest.mark.parametrize("attach", [("layer1", "layer2"), ("layer1.0.conv1", "layer2.0.conv2")])
def test_a_cascade_counts_alike_wherever_it_is_cut(attach: tuple[str, ...]) -> None:
    assert_counts_agree(untrained("resnet8", attach, classes=10, side=32, head="strided"))


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "side"), [("resnet18", 32), ("resnet50", 64)])
def test_a_large_cascade_counts_alike(backbone: str, side: int) -> None:
    attach = ("layer1", "layer2", "layer3")
    assert_counts_agree(untrained(backbone, attach, classes=100, side=side, head="linear"))


def test_two_counts_that_differ_are_told_and_the_graphs_stands() -> None:
    graphs, modules = Macs((1000, 20), (3,), (0,)), Macs((0, 20), (3,), (0,))

    found = Counted(graphs, None, modules)

    assert graphs == found.macs
    assert (
        "two counts of the MACs differ: the graphs have 1,000 + 20 in the stages and 3 in the "
        "heads, the torch modules 0 + 20 in the stages and 3 in the heads; the graphs' count is "
        "recorded"
    ) == found.doubt()


@pytest.mark.slow
def test_graphs_that_cannot_be_counted_leave_the_modules_count() -> None:
    modules = Macs((1000, 20), (3,), (0,))
    built = segments.build(untrained("resnet8", ("layer1",), head="linear"))

    found = counted(serialise(built), [b"nothing of the kind"], modules)

    assert modules == found.macs
    assert (
        "a file that is no ONNX graph cannot be counted; the MACs are those of the torch modules, "
        "1,000 + 20 in the stages and 3 in the heads"
    ) == found.doubt()


@pytest.mark.usefixtures("translated")
def test_an_export_says_where_the_counts_differ(
    small_cascade: Cascade,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = small_cascade.macs()
    monkeypatch.setattr(Cascade, "macs", lambda self: replace(right, branches=(0, 0)))

    content = export_cascade(
        small_cascade, "0" * 64, tmp_path / "bundle", target="onnxruntime", input="uint8"
    )

    assert right == content.macs
    assert "warning: two counts of the MACs differ: the graphs have " in capsys.readouterr().err
