"""``calexnet distill``: from a teacher of any kind to a network alone, exported as any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.cli import main
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.training import runs
from calexnet.training.cascade import Cascade
from calexnet.training.graph_run import GraphCascade
from tests.support.small_cascade import files_of, save_npz, tensors

SHORT = ["--cost", "30%", "--epochs", "1"]


def distill(*arguments: str) -> int:
    return main(["distill", *arguments])


@pytest.fixture(scope="module")
def student(small_run: Path, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was learnt from `small_run`. Not to be changed."""
    out = tmp_path_factory.mktemp("students") / "small"
    words = ["--teacher", str(small_run), "--data", str(small_npz), *SHORT, "--out", str(out)]
    assert 0 == distill(*words)
    return out


def test_a_run_teaches_and_the_same_seed_gives_the_same_files(
    student: Path, small_run: Path, small_npz: Path, tmp_path: Path, small_cascade: Cascade
) -> None:
    out = tmp_path / "again"
    words = ["--teacher", str(small_run), "--data", str(small_npz), *SHORT, "--out", str(out)]

    assert 0 == distill(*words)

    assert files_of(student) == files_of(out)
    made, _ = runs.load(out)
    assert isinstance(made, GraphCascade)
    assert made.spec.split == small_cascade.spec.split
    assert made.spec.distilled is not None
    assert runs.load(small_run)[1] == made.spec.distilled.teacher_sha256


def test_it_is_a_network_alone_that_is_exported_judged_and_verified(
    student: Path,
    small_npz: Path,
    small_data: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, bundle = str(small_npz), str(tmp_path / "bundle")

    assert 0 == main(["evaluate", str(student), "--data", data])
    assert 0 == main(["export", str(student), "--out", bundle])
    assert 0 == main(["export", bundle, "--target", "tflite"])
    assert 0 == main(["verify", bundle, "--data", data])

    said = capsys.readouterr().out
    assert "It learnt from resnet8 at " in said
    assert "certified" not in said
    assert "No image leaves early" not in said
    images = small_data.images[:20]
    wanted = runs.load(student)[0].answer(images)
    for target in ("onnxruntime", "tflite"):
        found = calexnet.load(bundle, target=target)(images)
        assert np.array_equal(wanted.labels[0], found.labels)
        np.testing.assert_allclose(wanted.scores[0], found.scores, atol=1e-5)


def test_its_file_is_a_network_as_any_other_with_its_card_beside(
    student: Path, small_cascade: Cascade, capsys: pytest.CaptureFixture[str]
) -> None:
    card = json.loads((student / "backbone.json").read_text())

    assert 0 == main(["inspect", str(student / "backbone.onnx")])

    ways = small_cascade.spec.preprocessing
    assert {
        "mean": list(ways.mean),
        "std": list(ways.std),
        "classes": list(small_cascade.spec.classes),
    } == card
    assert "gives       logits" in capsys.readouterr().out


def test_an_onnx_file_and_a_builder_with_weights_teach_too(
    student: Path, small_npz: Path, small_cascade: Cascade, tmp_path: Path
) -> None:
    save_npz(tmp_path / "w.npz", tensors(small_cascade.backbone.network))
    common = ["--data", str(small_npz), "--epochs", "1", "--cost", "60%"]
    file = ["--teacher", str(student / "backbone.onnx"), "--mean", "0,0,0", "--std", "1,1,1"]
    built = ["--teacher", "resnet8", "--weights", str(tmp_path / "w.npz"), "--flip"]

    for words, name in ((file, "backbone.onnx"), (built, "resnet8")):
        out = tmp_path / f"of-{name}"
        assert 0 == distill(*words, *common, "--out", str(out))
        made, _ = runs.load(out)
        known = made.spec.distilled
        assert known is not None
        assert (name, name == "resnet8") == (known.teacher, known.flip)
        assert 0.57 * known.teacher_macs <= made.macs().plain <= 0.6 * known.teacher_macs


def test_it_can_be_chosen_from_with_branches_of_its_own(
    student: Path, small_data: Dataset, tmp_path: Path
) -> None:
    from calexnet.choosing.making import Ground
    from calexnet.choosing.models import Named, opened

    ground = Ground(small_data, divide(small_data, 0), tmp_path)

    (found,) = opened([Named(str(student))], ground)

    assert "small" == found.name
    assert found.plan.attach
    assert runs.load(student)[0].spec.preprocessing.mean == found.plan.mean


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--teacher", "resnet8"], "a teacher has to be trained already: got resnet8 without"),
        (["--teacher", "RUN", "--mean", "0,0,0"], "--mean is not for a teacher that is a run"),
        (["--teacher", "RUN", "--split", "x"], "--split is not for a teacher that is a run"),
        (["--teacher", "RUN", "--cost", "0.01%"], "no narrow network costs so much"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    words: list[str],
    message: str,
    small_run: Path,
    small_npz: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(small_run) if word == "RUN" else word for word in words]

    code = distill("--data", str(small_npz), *SHORT, *words, "--out", str(tmp_path / "out"))

    assert 2 == code
    assert message in capsys.readouterr().err
    assert [] == [*tmp_path.iterdir()]


def test_images_that_a_run_was_not_divided_from_are_refused(
    small_run: Path, small_data: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else its teacher would know images that are to test the student."""
    from calexnet.data import npz

    half = small_data.images[::2], small_data.labels[::2], small_data.keys[::2]
    npz.save(Dataset("half", *half[:2], small_data.classes, half[2]), tmp_path / "half.npz")
    words = ["--teacher", str(small_run), "--data", str(tmp_path / "half.npz"), *SHORT]

    assert 2 == distill(*words, "--out", str(tmp_path / "out"))

    assert "half is not what the teacher was trained from" in capsys.readouterr().err


def test_a_cost_is_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        distill("--teacher", "x", "--data", "digits", "--out", "y", "--cost", "10")

    assert "got '10'; expected a share, for example 2%" in capsys.readouterr().err
