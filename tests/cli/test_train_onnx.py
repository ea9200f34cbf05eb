"""From an ONNX file that nobody here wrote to a bundle that answers as the file does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

import calexnet
from calexnet.cli import main
from calexnet.cli.export import main as export
from calexnet.data.dataset import Dataset
from calexnet.gating import NEVER
from calexnet.training import checkpoint, graph_run, runs
from calexnet.training.cascade import Cascade, build_parts
from calexnet.training.graph_run import GraphCascade
from tests.support.onnx_models import classifier

#: Reads pixels as 0..255.
BYTES = ["--mean", "0,0,0", "--std", ",".join(["0.00392156862745098"] * 3)]
UNIT = ["--mean", "0,0,0", "--std", "1,1,1"]


class Branching(nn.Module):
    """A network that the project does not know: two paths side by side, gates, a view."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.one, self.two = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=2)
        self.gate, self.tail = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 24, 3, 2, 1)
        self.fc = nn.Linear(24 * 16, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.stem(images))
        x = torch.cat([torch.relu(self.one(x)), torch.relu(self.two(x))], 1)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = torch.relu(self.tail(x))
        return torch.softmax(self.fc(x.view(x.size(0), -1)), 1)


def by_torch(path: Path) -> Callable[[NDArray[np.uint8]], Any]:
    """Write `Branching` for one image at opset 13; return what it says."""
    torch.manual_seed(1)
    network = Branching().eval()
    example = (torch.zeros(1, 3, 8, 8),)
    torch.onnx.export(network, example, path, dynamo=False, opset_version=13)

    def said(images: NDArray[np.uint8]) -> Any:
        pixels = torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2)
        with torch.no_grad():
            return network(pixels.contiguous()).numpy()

    return said


def by_hand(path: Path) -> Callable[[NDArray[np.uint8]], Any]:
    """Write a classifier in Keras' style, channels last; return what ONNX defines it to say."""
    model = classifier(channels_last=True, end="Softmax")
    path.write_bytes(model.SerializeToString())

    def said(images: NDArray[np.uint8]) -> Any:
        return ReferenceEvaluator(model).run(None, {"pixels": images.astype(np.float32)})[0]  # type: ignore[index]

    return said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("write", "pixels", "head"), [(by_torch, UNIT, "linear"), (by_hand, BYTES, "separable")]
)
def test_a_classifier_becomes_a_cascade_on_every_target(
    write: Callable[[Path], Callable[[NDArray[np.uint8]], Any]],
    pixels: list[str],
    head: str,
    small_npz: Path,
    small_data: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said, data = write(tmp_path / "model.onnx"), str(small_npz)
    run, bundle = str(tmp_path / "run"), str(tmp_path / "bundle")
    words = ["--data", data, *pixels, "--epochs", "1", "--head", head, "--out", run]

    assert 0 == main(["train", str(tmp_path / "model.onnx"), *words])
    assert "softmax at its end is taken off" in capsys.readouterr().out
    (tmp_path / "model.onnx").unlink()
    assert 0 == export([run, "--out", bundle])
    for target in ("onnxruntime", "tflite"):
        if target != "onnxruntime":
            assert 0 == export([bundle, "--target", target])
        assert 0 == export(
            [bundle, "--target", target, "--precision", "int8", "--calib-data", data]
        )
    assert 0 == export([bundle, "--layout", "if"])
    assert 0 == main(["verify", bundle, "--data", data])
    assert 0 == main(["evaluate", run, "--data", data])

    expected = said(small_data.images[:40])
    for target in ("onnxruntime", "tflite"):
        cascade = calexnet.load(bundle, target=target, precision="fp32")
        never = np.full(cascade.thresholds.shape, NEVER, np.float32)
        last = cascade.with_thresholds(never)(small_data.images[:40], probabilities=True)
        assert last.probabilities is not None
        np.testing.assert_allclose(expected, last.probabilities, atol=1e-4)


def test_a_run_on_a_graph_is_read_back_as_it_was(
    small_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(tmp_path / "model.onnx")
    words = ["--data", str(small_npz), *BYTES, "--epochs", "1", "--attach", "node_first_relu"]

    assert 0 == main(["train", str(tmp_path / "model.onnx"), *words, "--out", str(tmp_path / "a")])

    cascade, _ = runs.load(tmp_path / "a")
    assert isinstance(cascade, GraphCascade)
    assert ("model.onnx", ("first_relu",)) == (cascade.spec.backbone.name, cascade.spec.attach)
    assert (2592, 4448 - 2592) == cascade.macs().stages
    before = (tmp_path / "a" / "backbone.onnx").read_bytes()
    again = tmp_path / "again"
    again.mkdir()
    graph_run.save(cascade, again)
    assert before == (again / "backbone.onnx").read_bytes()
    assert 0 == export([str(tmp_path / "a"), "--cut", "1", "--out", str(tmp_path / "b")])
    assert "Cut after first_relu, with the head prototype" in capsys.readouterr().out


def test_a_run_whose_branches_are_torchs_is_read_as_before(
    small_npz: Path, small_data: Dataset, tmp_path: Path
) -> None:
    """Runs on ONNX files were kept so once: the graph, and weights of the branches."""
    by_hand(tmp_path / "model.onnx")
    words = ["--data", str(small_npz), *BYTES, "--epochs", "1", "--attach", "node_first_relu"]
    assert 0 == main(["train", str(tmp_path / "model.onnx"), *words, "--out", str(tmp_path / "a")])
    new, _ = runs.load(tmp_path / "a")
    assert isinstance(new, GraphCascade)
    spec = replace(new.spec, heads=())
    parts = build_parts(
        spec.backbone, spec.attach, spec.recipe, spec.preprocessing, network=new.backbone
    )
    (tmp_path / "old").mkdir()
    checkpoint.save(Cascade(spec, *parts, new.samples), tmp_path / "old")

    old, _ = runs.load(tmp_path / "old")

    assert isinstance(old, Cascade)
    for cut in ((), ("--cut", "1")):
        out = tmp_path / f"bundle{len(cut)}"
        assert 0 == export([str(tmp_path / "old"), *cut, "--out", str(out)])
        said = calexnet.load(out).plain(small_data.images[:9]).labels
        assert np.array_equal(old.answer(small_data.images[:9]).labels[-1 - len(cut) // 2], said)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weights", "w.npz"], "--weights is not for an ONNX file"),
        (["--backbone-epochs", "2"], "--backbone-epochs is not for an ONNX file"),
        (["--backbone", "resnet8"], "the backbone has to be named once"),
        (["--attach", "layer9"], "got 'layer9'; expected a tensor or node"),
        (["--resize", "6"], "got 6x6; expected 8x8. Add --resize 8"),
    ],
)
def test_what_does_not_fit_a_graph_is_refused_in_one_line(
    words: list[str],
    message: str,
    small_npz: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_hand(tmp_path / "model.onnx")
    command = ["train", str(tmp_path / "model.onnx"), "--data", str(small_npz), *words]

    assert 2 == main([*command, "--out", str(tmp_path / "run")])

    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
