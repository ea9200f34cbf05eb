"""The 2^3 design: effects worked by hand, and from cells."""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from calexnet.analysis.study import ablation
from calexnet.errors import InputError
from calexnet.registry import Part
from tests.support.sample_cells import SKILL, answers, axes, save

DESIGN = list(product((True, False), repeat=3))


def test_effects_worked_by_hand() -> None:
    """Box, Hunter & Hunter's sums: main effects 3, 1 and 0, and 2 where the first two meet."""
    signs = {levels: [1 if on else -1 for on in levels] for levels in DESIGN}
    accuracies = {
        levels: np.array([70 + 1.5 * a + 0.5 * b + 0.0 * c + 1.0 * a * b])
        for levels, (a, b, c) in signs.items()
    }

    found = {
        some: float(ablation.contrast(accuracies, some)[0])
        for some in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    }

    assert {(0,): 3, (1,): 1, (2,): 0, (0, 1): 2, (0, 2): 0, (1, 2): 0, (0, 1, 2): 0} == found


def test_an_effect_is_the_mean_with_minus_the_mean_without() -> None:
    random = np.random.default_rng(0)
    accuracies = {levels: random.uniform(0, 1, 3) for levels in DESIGN}

    with_first = np.mean([a for levels, a in accuracies.items() if levels[0]], axis=0)
    without = np.mean([a for levels, a in accuracies.items() if not levels[0]], axis=0)

    np.testing.assert_allclose(with_first - without, ablation.contrast(accuracies, (0,)))


def fill(folder: Path, design: list[tuple[bool, ...]], gain: float) -> None:
    """Write cells in which distillation makes the first branch better by `gain`."""
    for seed, levels in product((0, 1), design):
        options = {
            factor.option: factor.on if on else factor.off
            for factor, on in zip(ablation.FACTORS, levels, strict=True)
        }
        skill = (SKILL[0] + gain * levels[0], *SKILL[1:])
        where = axes(seed=seed, options=options)
        save(where, answers(0, skill), folder, rule=Part("threshold"))


@pytest.mark.slow
def test_a_factor_that_helps_is_found_and_the_others_do_nothing(tmp_path: Path) -> None:
    fill(tmp_path, DESIGN, gain=0.2)

    artefact = ablation.analyse(
        argparse.Namespace(allow=(), results=[tmp_path], savings=(0.4,), seed=0)
    )

    found = {row.factors: row for row in artefact.tables[0].records}
    assert 7 == len(found)
    helping = found["distillation"]
    assert helping.effect_low > 0.01
    assert 2 == helping.seeds
    for name, row in found.items():
        if name != "distillation":
            assert pytest.approx(0.0, abs=1e-12) == row.effect
    cells = artefact.tables[1].records
    assert 8 == len(cells)
    with_it = np.mean([row.loss for row in cells if row.distillation])
    without = np.mean([row.loss for row in cells if not row.distillation])
    assert pytest.approx(without - with_it) == helping.effect


def test_a_design_that_is_not_whole_is_refused_with_the_command_that_makes_it(
    tmp_path: Path,
) -> None:
    fill(tmp_path, DESIGN[1:], gain=0.0)

    with pytest.raises(InputError, match=r"got 0 recipes with target=distillation, soft_w") as it:
        ablation.analyse(argparse.Namespace(allow=(), results=[tmp_path], savings=(0.4,), seed=0))

    assert "--option target=distillation,argmax --option soft_weights=true,false" in str(it.value)
