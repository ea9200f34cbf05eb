"""Layout `if`: one graph that decides as the segments do, in the bundle beside them."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import calexnet
from calexnet.bundle import open_bundle
from calexnet.cli import export as cli
from calexnet.errors import (
    BundleError,
    EngineError,
    InputError,
    ParityError,
    RuntimeUnavailableError,
)
from calexnet.export import export_bundle, export_if, export_run
from calexnet.export import one_file as layout
from calexnet.export.from_bundle import UNVERIFIED
from calexnet.gating import NEVER
from calexnet.manifest import IF, MANIFEST
from calexnet.parity import compare
from calexnet.runtimes import Runner
from tests.support.onnx_bundle import Wiring, random_images, write_bundle
from tests.support.small_cascade import files_of

FILE = "onnxruntime/if.onnx"


@pytest.fixture(scope="module", params=get_args(Wiring))
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Runner, Runner]:
    """The same cascade in both layouts, for every way in which tensors cross the cuts."""
    folder = tmp_path_factory.mktemp("nested") / "bundle"
    write_bundle(folder, wiring=request.param)
    export_if(folder)
    return calexnet.load(folder, threads=1), calexnet.load(folder, threads=1, layout="if")


@given(st.data())
def test_every_image_is_answered_as_by_the_segments(
    pair: tuple[Runner, Runner], data: st.DataObject
) -> None:
    images = random_images(data.draw(st.integers(0, 5)), seed=data.draw(st.integers(0, 99)))
    bar = st.sampled_from([-np.inf, NEVER, 0.0]) | st.floats(0.25, 1, width=32)
    bars = data.draw(st.lists(bar, min_size=8, max_size=8))
    parts, whole = (one.with_thresholds(np.reshape(bars, (2, 4))) for one in pair)

    found = whole(images, probabilities=True)

    alone = [parts(images[i : i + 1], probabilities=True) for i in range(len(images))]
    assert [int(one.exits[0]) for one in alone] == found.exits.tolist()
    assert [int(one.labels[0]) for one in alone] == found.labels.tolist()
    assert found.probabilities is not None
    for i, one in enumerate(alone):
        assert one.probabilities is not None
        np.testing.assert_allclose(found.scores[i], one.scores[0], atol=1e-6)
        np.testing.assert_allclose(found.probabilities[i], one.probabilities[0], atol=1e-6)
    assert [np.int32, np.float32, np.int32] == [array.dtype for array in found[:3]]


def test_every_exit_can_be_asked_and_plain(pair: tuple[Runner, Runner]) -> None:
    parts, whole = pair
    images = random_images(5)

    table, wanted = whole.ask_every_exit(images), parts.ask_every_exit(images)

    assert np.array_equal(wanted.labels, table.labels)
    np.testing.assert_allclose(table.scores, wanted.scores, atol=1e-6)
    plain = whole.plain(images)
    assert np.array_equal(parts.plain(images).labels, plain.labels)
    assert [3] * 5 == plain.exits.tolist()
    answers = whole.answers(images)
    assert (3, 5, 4) == answers.probabilities.shape


def test_a_result_is_not_what_the_next_call_writes_to(pair: tuple[Runner, Runner]) -> None:
    results = [pair[1](random_images(1, seed), probabilities=True) for seed in (0, 1)]
    again = pair[1](random_images(1, 0), probabilities=True)

    for mine, same in zip(results[0], again, strict=True):
        assert mine is not None
        assert same is not None
        assert np.array_equal(mine, same)


def test_there_are_no_segments_to_trace(pair: tuple[Runner, Runner]) -> None:
    message = "there are no segments to trace: got a cascade in layout if. Load the bundle in layou"
    with pytest.raises(InputError, match=message):
        pair[1].trace(random_images(1))


def test_the_graph_is_plain_standard_onnx(bundle: Path) -> None:
    export_if(bundle)

    model = onnx.load(bundle / FILE)
    onnx.checker.check_model(model, full_check=True)
    assert {""} == {opset.domain for opset in model.opset_import}
    assert (20, 10) == (model.opset_import[0].version, model.ir_version)
    assert ["image", "thresholds"] == [value.name for value in model.graph.input]
    answers = ["label", "score", "exit", "probabilities"]
    assert answers == [value.name for value in model.graph.output]
    nodes = [node.op_type for node in model.graph.node]
    assert 1 == nodes.count("If")
    stay = next(a.g for a in model.graph.node[-1].attribute if a.name == "else_branch")
    assert 1 == [node.op_type for node in stay.node].count("If"), "the next one lies inside"


def test_the_same_bundle_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    export_if(bundle, one)
    export_if(bundle, other)

    assert files_of(one) == files_of(other)
    assert FILE not in files_of(bundle)


def test_segments_stay_the_default_and_the_bundle_gains_one_file(bundle: Path) -> None:
    before = files_of(bundle)

    content = export_if(bundle)

    after = files_of(bundle)
    assert {FILE} == after.keys() - before.keys()
    assert before == {name: after[name] for name in before} | {MANIFEST: before[MANIFEST]}
    assert ["onnxruntime fp32", "onnxruntime fp32 if"] == [one.name for one in content.compiled]
    build = content.compiled[1]
    assert (None, UNVERIFIED) == (build.parity, build.parity_reason)
    assert content.compiled[0].plain == build.plain
    assert [(1,)] == [graph.buckets for graph in build.segments]
    assert "segments" == calexnet.load(bundle).compiled.layout
    assert IF == calexnet.load(bundle, "onnxruntime", layout="if").compiled.layout


def test_a_bundle_without_it_says_how_to_add_it(bundle: Path) -> None:
    for target in (None, "onnxruntime"):
        with pytest.raises(
            BundleError,
            match=r"holds no onnxruntime in layout if: got onnxruntime fp32\. Add it with: "
            rf"calexnet-export {bundle} --target onnxruntime --layout if\.$",
        ):
            calexnet.load(bundle, target, layout="if")


def test_a_precision_that_is_not_there_is_refused(bundle: Path) -> None:
    before = files_of(bundle)
    with pytest.raises(BundleError, match="holds no graphs at int8: got onnxruntime fp32"):
        export_if(bundle, precision="int8")
    assert before == files_of(bundle)


def test_other_targets_can_be_added_beside_it(bundle: Path) -> None:
    export_if(bundle)

    content = export_bundle(bundle, target="tflite")

    names = ["onnxruntime fp32", "tflite fp32", "onnxruntime fp32 if"]
    assert names == [one.name for one in content.compiled]
    calexnet.load(bundle, layout="if")(random_images(2))


@pytest.mark.slow
@pytest.mark.usefixtures("translated")
def test_new_segments_take_away_what_was_made_of_the_old_ones(
    small_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    export_run(small_run, out)
    export_if(out)

    content = export_run(small_run, out)

    assert ["onnxruntime fp32"] == [one.name for one in content.compiled]
    assert FILE not in files_of(out)


@pytest.mark.usefixtures("translated")
def test_a_run_is_exported_in_both_layouts_and_compared_on_its_samples(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"

    assert 0 == cli.main([str(small_run), "--layout", "if", "--out", str(out)])

    build = open_bundle(out).manifest.compiled[1]
    assert IF == build.layout
    assert build.parity is not None
    assert build.parity.is_rounding
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("if "))
    assert f"{build.segments[0].file.size / 1e3:.1f}" == row.split()[1]

    export_if(out)  # the same graph again, compared with nothing

    assert build == open_bundle(out).manifest.compiled[1]
    assert any("0 of 64 differ from onnxruntime fp32's" in line for line in lines)


def test_a_graph_that_decides_otherwise_is_refused(
    small_run: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(reference: object, found: object, *rest: object) -> object:
        side = found
        exits = side.answers.exits  # type: ignore[attr-defined]
        exits.labels[:] = (exits.labels + 1) % 4
        return compare(reference, found, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(layout, "compare", spoilt)
    with pytest.raises(ParityError, match="layout if decides otherwise than the segments"):
        export_if(small_bundle, tmp_path / "out", run=small_run)
    assert not (tmp_path / "out").exists()


def test_without_onnx_it_says_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(bundle)
    monkeypatch.setitem(sys.modules, "calexnet.export.graph.nested", None)

    with pytest.raises(RuntimeUnavailableError, match=r"cannot be written here: got .*pip install"):
        export_if(bundle)

    assert before == files_of(bundle)


def test_the_other_targets_have_no_such_layout(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main([str(bundle), "--layout", "if", "--target", "tflite"])
    assert "--layout if is for target onnxruntime: got --target tflite" in capsys.readouterr().err


def test_no_converter_writes_the_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "run"), "--out", str(tmp_path / "bundle")]

    assert 2 == cli.main([*words, "--layout", "if", "--converter", "litert-torch"])
    assert (
        "--layout if is ONNX, which no converter writes: got --converter litert-torch. "
        "Leave out one of them."
    ) in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_an_unknown_layout_in_a_manifest_is_refused(bundle: Path) -> None:
    content = open_bundle(bundle).manifest
    (build,) = content.compiled
    for changed, message in (
        (
            dataclasses.replace(build, layout="tree"),
            "unknown layout of onnxruntime fp32: got 'tree",
        ),
        (dataclasses.replace(build, layout=IF), "got 3 segments; expected 1 in layout if"),
    ):
        with pytest.raises(BundleError, match=re.escape(message)):
            dataclasses.replace(content, compiled=(changed,))


def test_a_failing_graph_is_told_and_the_runner_goes_on(
    pair: tuple[Runner, Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pair[1].with_thresholds(pair[1].thresholds)
    wanted = whole(random_images(3))
    lane = whole._cascade.lanes._idle[-1]

    def fail() -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(lane, "_call", fail)
    with pytest.raises(EngineError, match=r"failed in if: got no memory left for image \(1, 8, 8"):
        whole(random_images(3))

    assert np.array_equal(wanted.exits, whole(random_images(3)).exits)
