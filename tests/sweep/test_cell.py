"""A cell is a pure function of its spec and the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calexnet import rules
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.files.storage import sha256
from calexnet.registry import Allowed
from calexnet.sweep import cell, results
from calexnet.sweep.grid import Grid, specs
from calexnet.sweep.spec import CellSpec, Source, hash_of
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.cascade import CascadePlan
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import Optimisation
from tests.support.small_cascade import save_npz, tensors

PLAN = CascadePlan("resnet8", recipe=plan_recipe(optimisation=Optimisation(epochs=1)))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """An untrained backbone in a file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.npz"
    save_npz(path, tensors(build(BackboneSpec("resnet8", 4))))
    return Source(str(path), sha256(path.read_bytes()))


def spec_of(data: Dataset, weights: Source, method: str = "calexnet", seed: int = 0) -> CellSpec:
    grid = Grid((method,), heads=("linear",), seeds=(seed,))
    source = Source("tints.npz", hash_of(data))
    (spec,) = specs(grid, PLAN, source, divide(data, 0).record, weights)
    return spec


def test_the_same_spec_and_data_give_the_same_answers(
    small_data: Dataset, weights: Source, tmp_path: Path
) -> None:
    spec = spec_of(small_data, weights)

    first, answers = cell.train(spec, small_data, tmp_path / "one")
    second, again = cell.train(spec, small_data, tmp_path / "other")
    third, others = cell.train(spec_of(small_data, weights, seed=1), small_data, tmp_path / "one")

    assert answers == again != others
    assert first.fingerprint == second.fingerprint != third.fingerprint
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


def test_a_cell_records_what_it_was_judged_on(
    small_data: Dataset, weights: Source, tmp_path: Path
) -> None:
    result, packed = cell.train(spec_of(small_data, weights), small_data, tmp_path)

    answers, split = results.unpack(packed, tmp_path), divide(small_data, 0)
    for name in ("calibration", "test"):
        part = getattr(answers, name)
        np.testing.assert_array_equal(split.indices[name], part.positions)
        np.testing.assert_array_equal(small_data.labels[split.indices[name]], part.truth)
        assert (3, len(part)) == part.table.labels.shape == part.table.scores.shape
    assert ("layer1", "layer2") == tuple(report["attach"] for report in result.branches)
    assert 3 == len(result.macs.stages)
    assert all(macs > 0 for macs in (*result.macs.stages, *result.macs.branches))
    assert split.record == result.spec.split


def test_a_class_without_a_calibration_sample_is_recorded_and_never_leaves(
    small_data: Dataset, weights: Source, tmp_path: Path
) -> None:
    labels = small_data.labels.copy()
    rows = divide(small_data, 0).indices["calibration"]
    labels[rows] %= 3
    data = replace(small_data, labels=labels)

    result, packed = cell.train(spec_of(data, weights), data, tmp_path)

    assert ("grey",) == result.uncalibrated
    part = results.unpack(packed, tmp_path).calibration
    table = rules.build(result.rule).calibrate(part.table, part.truth, 4, 0.5)
    assert np.isposinf(table[:, 3]).all()
    complete, _ = cell.train(spec_of(small_data, weights), small_data, tmp_path)
    assert () == complete.uncalibrated


@pytest.mark.parametrize("method", ["calexnet", "ztw"])
def test_the_test_labels_reach_no_weight_and_no_threshold(
    small_data: Dataset, weights: Source, tmp_path: Path, method: str
) -> None:
    labels = small_data.labels.copy()
    test = divide(small_data, 0).indices["test"]
    labels[test] = np.random.default_rng(0).permutation(labels[test])
    shuffled = replace(small_data, labels=labels)

    _, packed = cell.train(spec_of(small_data, weights, method), small_data, tmp_path)
    _, others = cell.train(spec_of(shuffled, weights, method), shuffled, tmp_path)

    one, other = (results.unpack(found, tmp_path) for found in (packed, others))
    for name in ("calibration", "test"):
        mine, theirs = getattr(one, name).table, getattr(other, name).table
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        np.testing.assert_array_equal(mine.scores, theirs.scores)
    assert not np.array_equal(one.test.truth, other.test.truth)


def test_features_that_were_prepared_are_not_computed_again(
    small_data: Dataset, weights: Source, tmp_path: Path
) -> None:
    spec = spec_of(small_data, weights)
    cell.prepare(spec, small_data, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    cell.train(spec, small_data, tmp_path)

    assert 9 == len(before)  # two branches and the logits, of three parts
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_other_data_weights_or_divisions_than_the_specs_are_refused(
    small_data: Dataset, weights: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = spec_of(small_data, weights)
    npz.save(replace(small_data, images=255 - small_data.images), Path("tints.npz"))
    with pytest.raises(InputError, match=r"tints\.npz is not the data set of this cell's spec: "):
        cell.run(spec, tmp_path, data_root=None, cache=tmp_path)

    other = replace(spec, weights=Source(weights.name, "0" * 64))
    with pytest.raises(InputError, match=r"w\.npz does not hold the weights of this cell's spec"):
        cell.train(other, small_data, tmp_path)
    with pytest.raises(InputError, match=r"none\.npz does not hold .* got SHA-256 none: no such"):
        cell.train(replace(spec, weights=Source("none.npz", "0" * 64)), small_data, tmp_path)

    edited = replace(spec, code={"pkg.heads:Mine": "0" * 64})
    with pytest.raises(InputError, match=r"the code of pkg\.heads:Mine is not that of this cell's"):
        cell.train(edited, small_data, tmp_path, Allowed(("pkg",)))

    elsewhere = replace(spec, split=replace(spec.split, seed=1))
    with pytest.raises(InputError, match=r"tints divides otherwise than this cell's spec says"):
        cell.train(elsewhere, small_data, tmp_path)
    assert not list(tmp_path.glob("*.json"))
