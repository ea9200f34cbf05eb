"""What the rivals' branches hand on travels as carried tensors, compacted like features."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from calexnet import checkpoint, runtimes
from calexnet.bundle import open_bundle
from calexnet.data.dataset import Dataset
from calexnet.export import export_run
from calexnet.gating import choose_exits, chosen_labels
from calexnet.methods.fitting import Optimisation
from calexnet.recipe import plan_recipe
from calexnet.registry import Part
from tests.small_cascade import PLAN, train

#: method, score -> states that each of the four segments takes.
STATES = {
    ("ztw", "softmax"): [[], ["branch1.state"], ["branch1.state", "branch2.state"], []],
    ("boostnet", "gap"): [[], ["branch1.state"], ["branch2.state"], []],
    ("pteenet", "softmax"): [[], [], [], []],
}


@pytest.mark.parametrize(("method", "score"), STATES)
def test_a_cascade_with_state_answers_as_in_pytorch(
    method: str, score: str, small_data: Dataset, tmp_path: Path
) -> None:
    recipe = plan_recipe(
        Part(method), score=score, setting=1.0, optimisation=Optimisation(epochs=2)
    )
    plan = dataclasses.replace(PLAN, recipe=recipe, attach=("conv1", "layer1", "layer2"))
    cascade = train(small_data, plan)
    (tmp_path / "run").mkdir()
    checkpoint.save(cascade, tmp_path / "run")

    export_run(tmp_path / "run", tmp_path / "bundle")  # verifies every exit and operating point

    (build,) = open_bundle(tmp_path / "bundle").manifest.compiled
    taken = [[t.name for t in s.inputs if t.name.endswith(".state")] for s in build.segments]
    assert STATES[method, score] == taken
    # Read-only states are kept by the runner, not passed through; the last one is nobody's.
    made = [[t.name for t in s.outputs if t.name.endswith(".state")] for s in build.segments]
    assert {name for names in taken for name in names} == {n for names in made for n in names}
    table = cascade.answer(small_data.images[:40])
    thresholds = np.median(table.scores[:3], axis=1, keepdims=True).repeat(4, 1) + 1e-3
    wanted = choose_exits(table, thresholds.astype(np.float32))
    doubtful = (np.abs(table.scores[:3] - thresholds[:, :1]) < 1e-5).any(0)
    runner = runtimes.load(tmp_path / "bundle", threads=1, thresholds=thresholds)
    for batch in (1, 3, 8, 40):
        parts = [runner(small_data.images[i : i + batch]) for i in range(0, 40, batch)]
        exits = np.concatenate([part.exits for part in parts])[:40]
        labels = np.concatenate([part.labels for part in parts])[:40]
        assert np.array_equal(wanted[~doubtful], exits[~doubtful])
        assert np.array_equal(chosen_labels(table, wanted)[~doubtful], labels[~doubtful])
    assert len(set(wanted.tolist())) > 1
