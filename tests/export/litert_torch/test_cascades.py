"""A cascade by Google's converter, end to end.

Needs litert-torch, 1.2 GB beside torch; skips without.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

import calexnet
from calexnet.bundle import open_bundle
from calexnet.export.from_run import export_cascade
from calexnet.training.cascade import Cascade
from tests.export.tflite.test_cascades import compare, mixed, photographs

os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "0")
pytest.importorskip("litert_torch", reason="needs pip install 'calexnet[litert-torch]'")

pytestmark = pytest.mark.slow

SIDE = 16
#: No `gap`: the converter writes its sort as an operator that no runtime has.
LINES = (
    ("calexnet", "softmax", ("prototype",)),
    ("pteenet", "softmax", ("pteenet",)),
    ("ztw", "softmax", ("ztw", "ztw")),
    ("boostnet", "entropy", ("boostnet", "boostnet")),
)


class Gelu(nn.Module):
    """A network of its own with six attach points."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, 1, 1) for _ in range(6))
        self.linear = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + nn.functional.gelu(block(x))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    attach = tuple(f"blocks.{block}" for block in range(6))
    name = "tests.export.litert_torch.test_cascades:Gelu"
    return mixed(name, SIDE, attach, LINES, network=Gelu(), classes=10)


@pytest.mark.parametrize("form", ["uint8", "float"])
def test_its_files_decide_as_onnx_runtime_does(cascade: Cascade, tmp_path: Path, form: str) -> None:
    out = tmp_path / "bundle"

    content = export_cascade(
        cascade,
        "random",
        out,
        target="tflite",
        input=form,  # type: ignore[arg-type]
        converter="litert-torch",
    )

    build = open_bundle(out).compiled("tflite", "fp32")
    assert build.parity is not None
    assert build.parity.is_rounding
    assert {(1,)} == {graph.buckets for graph in (*build.segments, build.plain)}
    assert metadata.version("litert-torch") == content.provenance.versions["litert-torch"]
    if form == "uint8":
        compare(out, photographs(64, SIDE))
    else:
        images = np.random.default_rng(0).normal(0, 1, (9, 3, SIDE, SIDE)).astype(np.float32)
        one, other = (calexnet.load(out, target=t)(images) for t in ("tflite", "onnxruntime"))
        assert one.labels.tolist() == other.labels.tolist()
