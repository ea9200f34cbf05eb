"""A network cut after a stage as a bundle of its own: what it answers, costs and says of itself."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.calibration import CutNetwork
from calexnet.certify import counts
from calexnet.cli.export import main
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide, recorded_calibration_part
from calexnet.errors import BundleError, InputError
from calexnet.export import export_bundle, export_run
from calexnet.export.from_run import cut_record
from calexnet.registry import Part
from calexnet.training.backbones.cut import cut_after
from calexnet.training.cascade import Cascade, train_cascade
from calexnet.training.recipe import plan_recipe
from tests.support.small_cascade import PLAN


@pytest.fixture(scope="module")
def exported(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The small run cut after its second stage, and what the command said."""
    out = tmp_path_factory.mktemp("cut") / "bundle"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert 0 == main([str(small_run), "--cut", "2", "--out", str(out)])
    return out, said.getvalue()


@pytest.fixture(scope="module")
def cut_bundle(exported: tuple[Path, str]) -> Path:
    """The bundle alone. Not to be changed."""
    return exported[0]


def test_it_answers_as_that_exit_does_and_nobody_leaves_before(
    cut_bundle: Path, small_cascade: Cascade
) -> None:
    images = small_cascade.samples.images
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that nobody leaves early is what it is for
        runner = calexnet.load(cut_bundle)
    wanted = small_cascade.answer(images)

    found = runner(images, probabilities=True)

    assert np.array_equal(wanted.labels[1], found.labels)
    np.testing.assert_allclose(wanted.scores[1], found.scores, atol=1e-5)
    table = small_cascade.probabilities(images)[1]
    assert found.probabilities is not None
    np.testing.assert_allclose(table, found.probabilities, atol=1e-5)
    assert [1] == sorted({*found.exits.tolist()})
    assert np.array_equal(found.labels, runner.plain(images).labels)


def test_it_costs_its_stages_and_its_own_head_and_is_verified(
    cut_bundle: Path, small_cascade: Cascade
) -> None:
    content, whole = open_bundle(cut_bundle).manifest, small_cascade.macs()
    (build,) = content.compiled

    assert content.macs.plain == sum(whole.stages[:2]) + whole.branches[1]
    assert content.macs.plain == whole.cut(2, [b.reads for b in small_cascade.branches])
    assert content.macs.branches == ()
    assert build.parity is not None
    assert build.parity.samples == len(small_cascade.samples.labels)
    assert "resnet8 cut after layer2" == content.backbone


def test_it_says_what_it_lost_on_calibration_against_the_whole(
    cut_bundle: Path, small_bundle: Path, small_data: Dataset, small_cascade: Cascade
) -> None:
    content = open_bundle(cut_bundle).manifest
    part = recorded_calibration_part(small_data, content.split)
    images, truth = small_data.images[part], small_data.labels[part]
    plain = calexnet.load(small_bundle).plain(images).labels == truth
    right = calexnet.load(cut_bundle)(images).labels == truth

    assert content.cut is not None
    assert (2, "layer2", small_cascade.macs().plain) == (
        content.cut.number,
        content.cut.after.attach,
        content.cut.whole_macs,
    )
    assert CutNetwork(float(right.mean()), counts(plain, right)) == content.cut.calibration
    assert open_bundle(small_bundle).manifest.cuts[1] == content.cut.calibration


def test_heads_that_its_own_reads_stay_and_others_go(small_data: Dataset) -> None:
    split = divide(small_data, seed=0)
    quick = replace(PLAN.recipe.optimisation, epochs=1)
    recipe = plan_recipe(method=Part("ztw"), optimisation=quick)
    cascade = train_cascade(small_data, split, replace(PLAN, recipe=recipe))
    whole = cascade.macs()

    cut = cut_after(cascade, 2)

    assert cut.macs().plain == whole.cut(2, [b.reads for b in cascade.branches])
    # ZTW's second branch reads what the first one said.
    assert sum(whole.stages[:2]) + sum(whole.branches[:2]) == cut.macs().plain
    images = cascade.samples.images
    assert np.array_equal(cascade.answer(images).labels[1], cut.answer(images).labels[0])


def test_other_targets_and_precisions_are_made_of_it(
    cut_bundle: Path, small_data: Dataset, small_npz: Path, tmp_path: Path
) -> None:
    export_bundle(
        cut_bundle, tmp_path / "more", target="tflite", precision="int8", calib_data=str(small_npz)
    )
    images = small_data.images[:8]
    found = calexnet.load(tmp_path / "more", target="tflite", precision="int8")(images)
    assert (8,) == found.labels.shape


def test_a_run_from_before_counts_were_kept_can_be_cut(small_cascade: Cascade) -> None:
    old = replace(small_cascade, spec=replace(small_cascade.spec, cuts=()))
    accuracy = small_cascade.spec.branches[0].calibration_accuracy

    assert CutNetwork(accuracy, None) == cut_record(old, 1).calibration
    assert small_cascade.spec.cuts[0].accuracy == accuracy


@pytest.mark.parametrize("number", [0, 3])
def test_where_there_is_no_branch_nothing_can_be_cut(
    small_run: Path, tmp_path: Path, number: int
) -> None:
    expected = r"got --cut \d; expected 1 \(after layer1\), 2 \(after layer2\)"
    with pytest.raises(InputError, match=rf"^there is nothing to cut at: {expected}"):
        export_run(small_run, tmp_path / "out", cut=number)


def test_a_bundle_holds_one_network_alone(
    cut_bundle: Path, small_bundle: Path, small_run: Path
) -> None:
    with pytest.raises(BundleError, match="got the network cut after layer2; expected the cascade"):
        export_run(small_run, cut_bundle)
    with pytest.raises(BundleError, match="got the cascade; expected the network cut after layer1"):
        export_run(small_run, small_bundle, cut=1)


def test_the_command_says_what_was_cut(exported: tuple[Path, str]) -> None:
    assert "Cut after layer2, with the head prototype: " in exported[1]
    assert "the whole network alone is right on" in exported[1]
    assert "No image leaves early" not in exported[1]


def test_a_network_is_cut_out_of_a_run_and_has_no_gate(
    small_run: Path, small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, extra in ((small_bundle, ()), (small_run, ("--layout", "if"))):
        command = [str(source), "--cut", "1", "--out", str(tmp_path / "no"), *extra]
        assert 2 == main(command)
    told = capsys.readouterr().err
    assert f"--cut takes a run: got the bundle {small_bundle}" in told
    assert "--layout if is for a cascade: got --cut 1, which leaves no gate" in told
