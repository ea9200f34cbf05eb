"""A cascade as ONNX graphs: it answers as torch's modules do, and needs no torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import calexnet
from calexnet.errors import CheckpointError, InputError
from calexnet.export.graph import given
from calexnet.export.graph.capture import as_graphs
from calexnet.gating import ExitTable
from calexnet.registry import Part
from calexnet.training import graph_run, runs
from calexnet.training.cascade import Cascade, build_parts
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import BranchReport
from tests.support.small_cascade import files_of, untrained

IMAGES = np.random.default_rng(5).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)


def made(method: str) -> Cascade:
    """Return an untrained cascade of three branches, as a method links them."""
    base = untrained("resnet8", ("conv1", "layer1", "layer2"), head="linear")
    recipe = plan_recipe(Part(method), head="linear")
    torch.manual_seed(1)
    backbone, branches = build_parts(
        base.spec.backbone, base.spec.attach, recipe, base.spec.preprocessing, base.backbone.network
    )
    reports = tuple(BranchReport(name, None, 0.5, None, 7, 0) for name in base.spec.attach)
    spec = replace(base.spec, recipe=recipe, branches=reports)
    return replace(base, spec=spec, backbone=backbone, branches=branches)


def assert_alike(wanted: ExitTable, found: ExitTable) -> None:
    assert np.array_equal(wanted.labels, found.labels)
    np.testing.assert_allclose(wanted.scores, found.scores, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["calexnet", "pteenet", "ztw", "boostnet"])
def test_every_method_answers_counts_and_is_cut_as_its_modules_are(method: str) -> None:
    """Own scores (pteenet) and states that later branches read (ztw, boostnet) included."""
    cascade = made(method)

    graphs = as_graphs(cascade)

    wanted, probabilities = cascade.answers(IMAGES)
    found, others = graphs.answers(IMAGES)
    assert_alike(wanted, found)
    np.testing.assert_allclose(probabilities, others, atol=1e-5)
    assert (cascade.macs(), cascade.parameters()) == (graphs.macs(), graphs.parameters())
    assert_alike(wanted, graphs.as_written().answer(IMAGES))
    cut = given.cut_after(graphs, 2)
    assert np.array_equal(wanted.labels[1], cut.answer(IMAGES).labels[0])
    assert (1, cut.macs().plain) == (
        len(cut.answer(IMAGES).labels),
        cascade.macs().cut(2, [branch.reads for branch in cascade.branches]),
    )


@pytest.fixture(scope="module")
def graphs(small_cascade: Cascade) -> graph_run.GraphCascade:
    return as_graphs(small_cascade)


@pytest.fixture
def run(graphs: graph_run.GraphCascade, tmp_path: Path) -> Path:
    """The run of `graphs`."""
    folder = tmp_path / "run"
    folder.mkdir()
    graph_run.save(graphs, folder)
    return folder


def test_it_comes_back_from_disk_as_it_was(graphs: graph_run.GraphCascade, run: Path) -> None:
    loaded, _ = runs.load(run)

    assert isinstance(loaded, graph_run.GraphCascade)
    assert (graphs.spec, graphs.backbone, graphs.branches) == (
        loaded.spec,
        loaded.backbone,
        loaded.branches,
    )
    assert np.array_equal(graphs.samples.images, loaded.samples.images)
    assert {"backbone.onnx", "branch1.onnx", "branch2.onnx", "cascade.json", "samples.npz"} == {
        *files_of(run)
    }


def test_one_cascade_gives_the_same_files(run: Path, small_cascade: Cascade) -> None:
    again = run.parent / "again"
    again.mkdir()

    graph_run.save(as_graphs(small_cascade), again)

    assert files_of(run) == files_of(again)


@pytest.mark.parametrize("name", ["backbone.onnx", "branch2.onnx", "samples.npz"])
def test_a_file_that_was_changed_or_is_not_there_is_told(run: Path, name: str) -> None:
    data = (run / name).read_bytes()
    (run / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    with pytest.raises(CheckpointError, match=rf"{name} was changed: got SHA-256"):
        runs.load(run)
    (run / name).unlink()
    with pytest.raises(CheckpointError, match=rf"^cannot read .*{name}: got No such file"):
        runs.load(run)


def test_a_graph_that_is_none_is_told(graphs: graph_run.GraphCascade) -> None:
    broken = replace(graphs, branches=(replace(graphs.branches[0], data=b"\xff"),) * 2)

    with pytest.raises(InputError, match=r"^the branch's graph cannot be used: got "):
        broken.answer(IMAGES)


_WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("torch", "safetensors", "sklearn")))
from calexnet.cli import main
from calexnet.cli.export import main as export
run, data, out = sys.argv[1:]
assert 0 == export([run, "--out", f"{out}/whole"])
assert 0 == export([run, "--cut", "2", "--out", f"{out}/cut"])
assert 0 == export([run, "--layout", "if", "--out", f"{out}/whole"])
assert 0 == main(["verify", f"{out}/whole", "--data", data])
assert 0 == main(["evaluate", run, "--data", data, "--classes"])
"""


def test_it_is_exported_cut_verified_and_judged_without_torch(
    run: Path, small_run: Path, small_npz: Path, tmp_path: Path, small_cascade: Cascade
) -> None:
    """The same bytes as from the run of torch's modules, whose seam is passed once before."""
    out = tmp_path / "bundles"

    words = [str(run), str(small_npz), str(out)]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, *words], capture_output=True, text=True, timeout=300
    )

    assert 0 == done.returncode, done.stderr
    assert "the run on" in done.stdout
    plain = calexnet.load(out / "cut")
    wanted = small_cascade.answer(IMAGES)
    found = plain(IMAGES)
    assert np.array_equal(wanted.labels[1], found.labels)
    np.testing.assert_allclose(wanted.scores[1], found.scores, atol=1e-5)


def test_a_run_of_torchs_modules_says_that_it_needs_torch(small_run: Path) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'safetensors')))\n"
        "from calexnet.cli import main; sys.exit(main(['evaluate', sys.argv[1], '--data', 'x']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(small_run)], capture_output=True, text=True
    )

    assert 4 == done.returncode
    assert "cannot be used here: got" in done.stderr
    assert "expected torch, which its network or branches are written in. Run: pip" in done.stderr
