"""``calexnet evaluate``: the test part alone, judged as the reference answers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calexnet.calibration import operating_point
from calexnet.certify import Candidate, certify, counts, upper_bound
from calexnet.certify.class_drops import worst_class
from calexnet.cli import main
from calexnet.cli.certificates import certificates, certificates_by_group
from calexnet.cli.head_costs import head_costs
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_calibration_part, recorded_test_part
from calexnet.gating import ExitTable, choose_exits, chosen_labels, exit_rates
from calexnet.training import checkpoint
from calexnet.training.cascade import Cascade


@pytest.mark.slow
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
        line = next(line for line in lines if line.split()[:1] == [point.name])
        exits = choose_exits(table, point.table())
        right = chosen_labels(table, exits) == truth
        macs = cascade.macs()
        rates = exit_rates(exits, table.branches + 1)
        saved = 1 - macs.expected(list(rates)) / macs.plain
        beside = [right.mean(), plain]
        assert [f"{one:.2%}" for one in beside] == line.split()[1:3]
        assert f"{100 * (right.mean() - plain):+.2f}" == line.split()[3]
        assert [f"{saved:.1%}", f"{1 - rates[-1]:.0%}"] == line.split()[4:6]
        left = exits == 1
        kept = f"{right[left].mean():.1%}" if left.any() else "-"
        assert kept == line.split("->")[1].split()[0]
        assert ("(default)" in line) == (point.name == cascade.spec.default_operating_point)
    costs = head_costs(cascade.spec.attach, cascade.macs(), cascade.parameters()).splitlines()
    assert costs == lines[-len(costs) :]


def test_the_network_cut_after_each_stage_stands_beside_the_operating_points(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data, tmp_path / "tints.npz")

    assert 0 == main(["evaluate", str(small_run), "--data", str(tmp_path / "tints.npz")])

    cascade, _ = checkpoint.load(small_run)
    rows = recorded_test_part(small_data, cascade.spec.split)
    table, truth = cascade.answer(small_data.images[rows]), small_data.labels[rows]
    lines, macs = capsys.readouterr().out.splitlines(), cascade.macs()
    for number, name in enumerate(cascade.spec.attach):
        (line,) = [one for one in lines if one.startswith(f"cut after {name} ") and "->" in one]
        # Nobody goes on, and of the heads its own alone is asked.
        costs = sum(macs.stages[: number + 1]) + macs.branches[number]
        accuracy, _, _, saved, leave = line.split()[3:8]
        assert f"{(table.labels[number] == truth).mean():.2%}" == accuracy
        assert (f"{1 - costs / macs.plain:.1%}", "100%") == (saved, leave)


def test_each_operating_point_has_its_certificate_from_one_chain(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data, tmp_path / "tints.npz")
    words = ["evaluate", str(small_run), "--data", str(tmp_path / "tints.npz")]

    assert 0 == main([*words, "--max-drop", "12"])

    cascade, _ = checkpoint.load(small_run)
    rows = recorded_test_part(small_data, cascade.spec.split)
    table, truth = cascade.answer(small_data.images[rows]), small_data.labels[rows]
    plain = table.labels[-1] == truth
    right = {
        point.name: chosen_labels(table, choose_exits(table, point.table())) == truth
        for point in cascade.spec.operating_points
    }
    known = {point.name: point.counts for point in cascade.spec.operating_points}
    for number, name in enumerate(cascade.spec.attach):
        right[f"cut after {name}"] = table.labels[number] == truth
        known[f"cut after {name}"] = cascade.spec.cuts[number].counts
    told = capsys.readouterr().out.split("\n\n")[2].splitlines()
    assert told[0].startswith("at most 12 points lost, 95 % sure")
    chain = certify(
        [Candidate(name, known[name], counts(plain, mine)) for name, mine in right.items()],
        0.12,
    ).own
    said = {"passed": "certified", "failed": "not certified", "not reached": "not reached"}
    for link in chain.links:
        (line,) = (line for line in told if line.startswith(f"{link.name} "))
        bound = 100 * upper_bound(link.test)
        start = f"{link.name} {said[link.outcome]} {bound:+.1f} points"
        assert " ".join(line.split()).startswith(start)
        worst = worst_class(plain, right[link.name], truth)
        name = cascade.spec.classes[worst.label]
        low, drop, high = (100 * x for x in (worst.low, worst.counts.drop, worst.high))
        assert f"{name} {drop:+.1f} ({low:+.1f} to {high:+.1f})" in line


def test_where_images_belong_together_groups_are_tested_and_not_images() -> None:
    """600 images of ten groups that are all answered alike: too few groups for one point."""
    table = ExitTable(np.zeros((2, 600), np.int32), np.ones((2, 600), np.float32))
    truth, nobody = np.zeros(600, np.int64), np.full((1, 2), 2.0, np.float32)
    points = [operating_point(name, 0.0, nobody, table, truth) for name in ("b", "a")]
    few, many = ([str(row % count) for row in range(600)] for count in (10, 600))

    told = certificates_by_group(points, table, truth, few, 0.01).splitlines()

    assert "over 10 groups" in told[0]
    assert [["a", "not", "certified"], ["b", "not", "reached"]] == [
        line.split()[:3] for line in told[2:]
    ]
    sure = certificates_by_group(points, table, truth, many, 0.02).splitlines()
    assert [["a", "certified"], ["b", "certified"]] == [line.split()[:2] for line in sure[2:]]


def test_how_many_images_would_do_is_said_of_the_point_that_failed() -> None:
    """60 images without a difference certify nothing at one point; 0.99^300 is under 5 %."""
    table = ExitTable(np.zeros((2, 60), np.int32), np.ones((2, 60), np.float32))
    truth = np.zeros(60, np.int64)
    point = operating_point("all", 0.0, np.full((1, 2), 0.5, np.float32), table, truth)

    told = certificates([point], ["cat", "dog"], table, truth, 0.01).splitlines()

    assert ["all", "not", "certified", "+4.9", "points"] == told[2].split()[:5]
    assert "(all: 300 such test images would certify it" in told[3]
    assert told[3].endswith("there are 60)")


def test_balanced_accuracy_stands_beside_where_classes_are_of_unequal_size() -> None:
    truth = np.array([0] * 30 + [1] * 10)
    table = ExitTable(np.zeros((2, 40), np.int32), np.ones((2, 40), np.float32))
    point = operating_point("all", 0.0, np.full((1, 2), 0.5, np.float32), table, truth)

    told = certificates([point], ["cat", "dog"], table, truth, 0.01)

    assert "balanced accuracy" in told.splitlines()[1]
    assert "(balanced accuracy of plain: 50.00%)" in told


@pytest.mark.parametrize("text", ["-1", "101", "much"])
def test_a_drop_that_cannot_be_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "run", "--data", "digits", "--max-drop", text])
    assert 2 == ended.value.code
    assert f"got {text!r}; expected 0 to 100 points" in capsys.readouterr().err


def test_each_class_has_its_promise_beside_what_was_kept(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data, tmp_path / "tints.npz")
    point_name = "margin-0.2"
    words = ["evaluate", str(small_run), "--data", str(tmp_path / "tints.npz"), "--classes"]

    assert 0 == main([*words, "--operating-point", point_name])

    cascade, _ = checkpoint.load(small_run)
    (point,) = (p for p in cascade.spec.operating_points if p.name == point_name)
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{point_name}, by the"))
    assert ["class", "layer1", "layer2"] == lines[start + 1].split()
    expected = [[name] for name in cascade.spec.classes]
    parts = (recorded_calibration_part, recorded_test_part)
    promised, kept = (part(small_data, cascade.spec.split) for part in parts)
    for branch, thresholds in enumerate(point.thresholds):
        for label, threshold in enumerate(thresholds):
            if threshold is None:
                expected[label].append("never")
                continue
            shares = []
            for rows in (promised, kept):
                table = cascade.answer(small_data.images[rows])
                left = choose_exits(table, point.table()) == branch + 1
                left &= table.labels[branch] == label
                right = small_data.labels[rows][left] == label
                shares.append(f"{right.mean():.1%}" if left.any() else "-")
            expected[label] += [shares[0], "->", shares[1], f"({left.sum()})"]
    assert expected == [line.split() for line in lines[start + 2 : start + 6]]
    assert any("->" in row for row in expected)

    assert 2 == main([*words, "--operating-point", "margin-9"])
    assert "no such operating point: got margin-9; expected margin-0, " in capsys.readouterr().err


def test_classes_need_the_calibration_part(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cascade, _ = checkpoint.load(small_run)
    rows = recorded_test_part(small_data, cascade.spec.split)
    npz.save(small_data.take(rows), tmp_path / "test.npz")
    words = ["evaluate", str(small_run), "--data", str(tmp_path / "test.npz")]

    assert 0 == main(words)
    assert 2 == main([*words, "--classes"])

    assert "got a calibration part of 0 images" in capsys.readouterr().err


def test_a_class_that_no_calibration_image_shows_is_told_of(
    small_cascade: Cascade,
    small_data: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    npz.save(small_data, tmp_path / "tints.npz")
    (tmp_path / "run").mkdir()
    spec = replace(small_cascade.spec, uncalibrated=("grey", "red"))
    checkpoint.save(replace(small_cascade, spec=spec), tmp_path / "run")

    assert 0 == main(["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "tints.npz")])

    told = "No calibration image of grey, red: these classes never exit early."
    assert told in capsys.readouterr().out.splitlines()


def test_another_data_set_is_refused(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.save(small_data.take(np.arange(100)), tmp_path / "fewer.npz")

    assert 2 == main(["evaluate", str(small_run), "--data", str(tmp_path / "fewer.npz")])

    assert "is not the data set that this cascade's split was recorded on" in (
        capsys.readouterr().err
    )
