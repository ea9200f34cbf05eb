"""``calexnet evaluate``: the test part alone, judged as the reference answers it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calexnet import checkpoint
from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_test_part
from calexnet.gating import choose_exits, chosen_labels, exit_rates


def test_each_operating_point_is_judged_on_the_test_part(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data, tmp_path / "tints.npz")

    assert 0 == main(["evaluate", str(small_run), "--data", str(tmp_path / "tints.npz")])

    cascade, _ = checkpoint.load(small_run)
    rows = recorded_test_part(small_data, cascade.spec.split)
    table, truth = cascade.answer(small_data.images[rows]), small_data.labels[rows]
    plain = (table.labels[-1] == truth).mean()
    lines = capsys.readouterr().out.splitlines()
    assert f"{len(rows)} test images, plain {plain:.2%}" == lines[0]
    for point in cascade.spec.operating_points:
        (line,) = (line for line in lines if line.split()[:1] == [point.name])
        exits = choose_exits(table, point.table())
        right = chosen_labels(table, exits) == truth
        macs = cascade.macs()
        rates = exit_rates(exits, table.branches + 1)
        saved = 1 - macs.expected(list(rates)) / macs.plain
        assert [f"{right.mean():.2%}", f"{100 * (right.mean() - plain):+.2f}"] == line.split()[1:3]
        assert [f"{saved:.1%}", f"{1 - rates[-1]:.0%}"] == line.split()[3:5]
        left = exits == 1
        kept = f"{right[left].mean():.1%}" if left.any() else "-"
        assert kept == line.split("->")[1].split()[0]
        assert ("(default)" in line) == (point.name == cascade.spec.default_operating_point)


def test_another_data_set_is_refused(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data.take(np.arange(100)), tmp_path / "fewer.npz")

    assert 2 == main(["evaluate", str(small_run), "--data", str(tmp_path / "fewer.npz")])

    assert "is not the data set that this cascade's split was recorded on" in (
        capsys.readouterr().err
    )
