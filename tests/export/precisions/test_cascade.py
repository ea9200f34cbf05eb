"""A narrower build: its entry in the manifest, its own thresholds, its parity, what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.certify import Counts, counts
from calexnet.cli import export as cli
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_calibration_part
from calexnet.errors import BundleError, InputError
from calexnet.export import export_bundle, export_run, onnxruntime, tflite
from calexnet.export.precisions import cascade as narrow
from calexnet.gating import choose_exits, chosen_labels, exit_rates
from calexnet.manifest import MANIFEST, Compiled, Manifest, with_build
from calexnet.rules.transfer import carried
from tests.support.sample_bundle import sample_manifest
from tests.support.small_cascade import files_of

FILES = {"onnxruntime": "onnx", "tflite": "tflite"}
BUILDS = [
    *(("onnxruntime", precision) for precision in onnxruntime.OnnxRuntime.precisions),
    *(("tflite", precision) for precision in tflite.Tflite.precisions),
]
every_build = pytest.mark.parametrize(("target", "precision"), BUILDS)


def content(bundle: Path) -> Manifest:
    return open_bundle(bundle).manifest


def build(bundle: Path, precision: str, target: str = "onnxruntime") -> Compiled:
    return open_bundle(bundle).compiled(target, precision)


def names(bundle: Path) -> list[tuple[str, str]]:
    return [(b.target, b.precision) for b in content(bundle).compiled]


def test_full_precision_stays_the_default(small_narrow_bundle: Path) -> None:
    assert [("onnxruntime", "fp32"), *BUILDS] == names(small_narrow_bundle)
    assert "fp32" == calexnet.load(small_narrow_bundle).compiled.precision
    assert "int8" == calexnet.load(small_narrow_bundle, precision="int8").compiled.precision


def test_full_precision_comes_first_whenever_it_is_written() -> None:
    held = sample_manifest()

    found = with_build(held, replace(held.compiled[0], target="tflite"))

    assert [
        ("onnxruntime", "fp32"),
        ("tflite", "fp32"),
        ("onnxruntime", "int8"),
        ("tensorrt", "fp16"),
    ] == [(b.target, b.precision) for b in found.compiled]


def test_the_full_precision_graphs_and_thresholds_stay_as_they_are(
    small_bundle: Path, small_narrow_bundle: Path
) -> None:
    before, after = files_of(small_bundle), files_of(small_narrow_bundle)

    assert {
        name: data for name, data in before.items() if name != MANIFEST
    }.items() <= after.items()
    assert content(small_bundle).operating_points == content(small_narrow_bundle).operating_points
    assert content(small_bundle).compiled[0] == content(small_narrow_bundle).compiled[0]
    graphs = ("segment1", "segment2", "segment3", "plain")
    for target, precision in BUILDS:
        folder = small_narrow_bundle / target / precision
        files = {f"{graph}.{FILES[target]}" for graph in graphs}
        assert files == {path.name for path in folder.iterdir()}


@every_build
def test_each_operating_point_lets_out_what_the_cascades_own_does(
    small_narrow_bundle: Path, small_data: Dataset, target: str, precision: str
) -> None:
    held = content(small_narrow_bundle)
    found = build(small_narrow_bundle, precision, target)
    part = recorded_calibration_part(small_data, held.split)
    runner = calexnet.load(small_narrow_bundle, target=target, precision=precision)
    full = calexnet.load(small_narrow_bundle, precision="fp32")
    exits, truth = runner.answers(small_data.images[part]).exits, small_data.labels[part]
    reference = full.answers(small_data.images[part]).exits

    assert found.operating_points is not None
    assert [p.name for p in held.operating_points] == [p.name for p in found.operating_points]
    for own, point in zip(held.operating_points, found.operating_points, strict=True):
        table = carried(own.table(), reference, exits)
        np.testing.assert_allclose(table, point.table(), atol=2e-3)
        assert pytest.approx(own.exit_rates, abs=0.1) == point.exit_rates
        taken = choose_exits(exits, point.table())
        assert pytest.approx(exit_rates(taken, 3).tolist(), abs=0.05) == list(point.exit_rates)
        right = (chosen_labels(exits, taken) == truth).mean()
        assert pytest.approx(right, abs=0.05) == point.accuracy
    assert np.array_equal(
        held.operating_point(None, found).table(), runner.thresholds, equal_nan=True
    )


@every_build
def test_every_network_is_counted_against_plain_at_full_precision(
    small_narrow_bundle: Path, small_data: Dataset, target: str, precision: str
) -> None:
    held, found = content(small_narrow_bundle), build(small_narrow_bundle, precision, target)
    part = recorded_calibration_part(small_data, held.split)
    images, truth = small_data.images[part], small_data.labels[part]
    plain = calexnet.load(small_narrow_bundle, precision="fp32").plain(images).labels == truth
    runner = calexnet.load(small_narrow_bundle, target=target, precision=precision)

    assert held.plain_counts_of(found) == counts(plain, runner.plain(images).labels == truth)
    assert held.plain_counts_of(held.compiled[0]) == Counts(len(part), 0, 0)
    for point in held.points_of(found):
        chosen = runner.with_thresholds(point.table())
        assert point.counts == counts(plain, chosen(images).labels == truth)
    for exits, cuts in (
        (runner.ask_every_exit(images), held.cuts_of(found)),
        (calexnet.load(small_narrow_bundle).ask_every_exit(images), held.cuts),
    ):
        rights = [labels == truth for labels in exits.labels[:-1]]
        assert [counts(plain, right) for right in rights] == [cut.counts for cut in cuts if cut]
    for point in held.operating_points:
        chosen = calexnet.load(small_narrow_bundle, operating_point=point.name)
        assert point.counts == counts(plain, chosen(images).labels == truth)


def test_int8_has_other_thresholds_than_the_cascade(small_narrow_bundle: Path) -> None:
    held, found = content(small_narrow_bundle), build(small_narrow_bundle, "int8")

    assert held.operating_points != found.operating_points
    for name in (point.name for point in held.operating_points):
        runner = calexnet.load(small_narrow_bundle, precision="int8", operating_point=name)
        assert np.array_equal(held.operating_point(name, found).table(), runner.thresholds)


@every_build
def test_the_manifest_says_on_what_it_was_calibrated_and_how_it_compares(
    small_narrow_bundle: Path, target: str, precision: str
) -> None:
    held, found = content(small_narrow_bundle), build(small_narrow_bundle, precision, target)

    assert found.calibration is not None
    part = held.split.parts["calibration"]
    assert ("tints", part.samples, 32, part.sha256) == (
        found.calibration.data,
        found.calibration.samples,
        found.calibration.ranged,
        found.calibration.sha256,
    )
    assert found.parity is not None
    assert ("onnxruntime fp32", part.samples) == (found.parity.reference, found.parity.samples)
    assert 3 == len(found.parity.exits)
    assert 0 < found.parity.score_difference < 0.2
    assert pytest.approx(found.parity.reference_accuracy, abs=0.1) == found.parity.accuracy


@every_build
@pytest.mark.parametrize("batch", [1, 3, 8, 64])
def test_a_batch_of_any_size_gets_the_answers_of_its_own_segments(
    small_narrow_bundle: Path, small_data: Dataset, target: str, precision: str, batch: int
) -> None:
    runner = calexnet.load(small_narrow_bundle, target=target, precision=precision, threads=1)
    images = small_data.images[:batch]
    exits = runner.answers(images, batch).exits

    result = runner(images)

    wanted = choose_exits(exits, runner.thresholds)
    assert (wanted == result.exits).mean() >= 0.98 or batch < 64
    same = wanted == result.exits
    labels = chosen_labels(exits, result.exits)
    assert np.array_equal(labels[same], result.labels[same])


@pytest.mark.slow
@pytest.mark.usefixtures("translated")
def test_a_run_gives_the_full_graphs_too(
    small_run: Path, small_npz: Path, small_narrow_bundle: Path, tmp_path: Path
) -> None:
    export_run(
        small_run,
        tmp_path / "bundle",
        precision="int8",
        calib_data=str(small_npz),
        calib_samples=32,
    )

    held = content(tmp_path / "bundle")
    assert ["fp32", "int8"] == [b.precision for b in held.compiled]
    assert build(small_narrow_bundle, "int8") == held.compiled[1]


@pytest.mark.slow
def test_exporting_again_renews_the_entry(
    small_narrow_bundle: Path, small_npz: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_narrow_bundle, tmp_path / "bundle"))

    held = export_bundle(folder, target="onnxruntime", precision="int8", calib_data=str(small_npz))

    assert [("onnxruntime", "fp32"), *BUILDS] == [(b.target, b.precision) for b in held.compiled]
    record = build(folder, "int8").calibration
    assert record is not None
    assert record.ranged > 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--precision", "int4"],
            "target onnxruntime does not come at this precision: got 'int4'; expected one of fp32, "
            "fp16, int8, int8-symmetric",
        ),
        (["--precision", "int8"], "a narrow precision needs real calibration samples: got no"),
        (
            ["--precision", "int8", "--calib-data", "noise"],
            "unknown data set: got 'noise'",
        ),
        (
            ["--precision", "int8", "--calib-data", "digits"],
            "the images of digits do not fit this cascade: got (32, 32, 3); expected (8, 8, 3)",
        ),
        (
            ["--precision", "int8", "--calib-data", "NPZ", "--calib-samples", "5000"],
            "tints cannot give that many calibration samples: got 5000 asked for",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["run", "bundle"])
def test_bad_input_is_told_before_anything_is_written(
    small_run: Path,
    small_bundle: Path,
    small_npz: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    kind: str,
) -> None:
    source = small_run if kind == "run" else small_bundle
    given = [str(small_npz) if word == "NPZ" else word for word in arguments]

    code = cli.main([str(source), "--out", str(tmp_path / "bundle"), *given])

    assert 2 == code
    assert f"calexnet-export: error: {message}" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_failure_leaves_the_bundle_as_it_was(
    small_narrow_bundle: Path,
    small_npz: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(shutil.copytree(small_narrow_bundle, tmp_path / "bundle"))
    before = files_of(folder)

    def stop(*_: object) -> None:
        raise InputError("no thresholds")

    monkeypatch.setattr(narrow, "_points", stop)

    with pytest.raises(InputError, match=r"^no thresholds$"):
        export_bundle(folder, target="onnxruntime", precision="int8", calib_data=str(small_npz))

    assert before == files_of(folder)
    assert [folder] == list(tmp_path.iterdir())


def test_a_precision_that_the_bundle_lacks_is_refused_with_how_to_add_it(
    small_bundle: Path,
) -> None:
    with pytest.raises(
        BundleError,
        match=r"holds no onnxruntime int8: got onnxruntime fp32\. Add it with: calexnet-export "
        rf"{small_bundle} --target onnxruntime --precision int8\.$",
    ):
        calexnet.load(small_bundle, target="onnxruntime", precision="int8")


def test_thresholds_of_another_shape_are_refused(small_narrow_bundle: Path) -> None:
    held = content(small_narrow_bundle)
    found = build(small_narrow_bundle, "int8")
    assert found.operating_points is not None
    wrong = tuple(replace(p, thresholds=p.thresholds[:1]) for p in found.operating_points)

    with pytest.raises(BundleError, match=r"^the thresholds of margin-0 do not fit: got \(1, 4\)"):
        with_build(held, replace(found, operating_points=wrong))


def test_a_build_without_the_default_operating_point_is_refused(small_narrow_bundle: Path) -> None:
    held = content(small_narrow_bundle)
    found = build(small_narrow_bundle, "int8")
    assert found.operating_points is not None
    others = tuple(p for p in found.operating_points if p.name != held.default_operating_point)

    with pytest.raises(BundleError, match=r"^unknown operating point: got '"):
        with_build(held, replace(found, operating_points=others))


def test_the_command_ends_with_calibration_and_parity(
    small_bundle: Path, small_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"

    words = ["--precision", "int8", "--calib-data", str(small_npz), "--calib-samples", "16"]
    code = cli.main([str(small_bundle), "--out", str(out), *words])

    assert 0 == code
    text = capsys.readouterr().out
    part = content(out).split.parts["calibration"].samples
    assert (
        "Ranges from 16 images of tints; thresholds carried over to this build's own scores, "
        f"on {part}." in text
    )
    assert "So few images hardly show the ranges: on 32 or more a narrow build is" in text
    assert f" of {part} differ from onnxruntime fp32's; right on " in text
    size = build(out, "int8").plain.file.size
    assert f"plain      {size / 1e3:7.1f} kB" in text
