"""Loading a bundle: which build is run, with which thresholds, and every refusal."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.gating import NEVER
from calexnet.images.preprocessing import InputForm
from calexnet.images.resizing import Resize
from calexnet.manifest import MANIFEST, Compiled
from calexnet.runtimes import load, loading
from calexnet.runtimes.onnxruntime import OnnxRuntime
from tests.support.onnx_bundle import LOOSE, POINTS, STRICT, USUAL, random_images, write_bundle

TABLES = {point.name: point.table() for point in POINTS}


@pytest.fixture
def folder(hand_made: Path, tmp_path: Path) -> Path:
    """A bundle that may be changed."""
    shutil.copytree(hand_made, tmp_path / "bundle")
    return tmp_path / "bundle"


def add_builds(folder: Path, *subjects: tuple[str, str]) -> None:
    """Sign a manifest in which `subjects` come before the build that is there; same files."""
    content = open_bundle(folder).manifest
    (build,) = content.compiled
    builds = [dataclasses.replace(build, target=t, precision=p) for t, p in subjects]
    changed = dataclasses.replace(content, compiled=(*builds, build))
    (folder / MANIFEST).write_bytes(manifest.dump(changed))


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a runtime that is known and not installed."""

    def require() -> None:
        raise RuntimeUnavailableError("absent cannot be used here", fix="Install it")

    kind = type("Absent", (), {"require": staticmethod(require), "at": lambda self, _: self})
    monkeypatch.setitem(loading.RUNTIMES, "absent", lambda: kind)
    return "absent"


def chosen(build: Compiled) -> tuple[str, str]:
    return build.target, build.precision


def test_a_bundle_is_loaded_from_a_path_or_its_text(folder: Path) -> None:
    images = random_images(8)

    one, other = load(folder), load(str(folder))

    assert np.array_equal(one(images).exits, other(images).exits)
    assert ("onnxruntime", "fp32") == chosen(one.compiled)


def test_the_default_is_the_first_build_that_works_here(folder: Path, absent: str) -> None:
    add_builds(folder, (absent, "fp16"), ("onnxruntime", "int8"))

    assert ("onnxruntime", "int8") == chosen(load(folder).compiled)
    assert ("onnxruntime", "fp32") == chosen(load(folder, precision="fp32").compiled)
    assert ("onnxruntime", "int8") == chosen(load(folder, target="onnxruntime").compiled)
    assert ("onnxruntime", "fp32") == chosen(load(folder, "onnxruntime", "fp32").compiled)


def test_a_build_for_a_runtime_of_a_later_version_does_not_stand_in_the_way(folder: Path) -> None:
    add_builds(folder, ("from-the-future", "fp32"))

    assert ("onnxruntime", "fp32") == chosen(load(folder).compiled)


def test_a_runtime_that_was_asked_for_and_is_missing_is_told(folder: Path, absent: str) -> None:
    add_builds(folder, (absent, "fp16"))

    with pytest.raises(RuntimeUnavailableError, match=r"^absent cannot be used here\. Install it"):
        load(folder, target=absent)
    with pytest.raises(RuntimeUnavailableError, match=r"^absent cannot be used here"):
        load(folder, precision="fp16")


def test_without_onnx_runtime_the_message_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "openvino"):  # either runs these graphs
        monkeypatch.setitem(sys.modules, name, None)

    for wanted in (None, "onnxruntime"):
        with pytest.raises(
            RuntimeUnavailableError, match=r"pip install 'calexnet\[onnxruntime\]'\.$"
        ):
            load(folder, target=wanted)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"target": "toaster"}, InputError, "^unknown target: got 'toaster'; expected one of onnx"),
        (
            {"target": "onnxruntime", "precision": "int4"},
            BundleError,
            r"holds no onnxruntime int4: got onnxruntime fp32\. Add it with: calexnet-export",
        ),
        ({"precision": "int4"}, InputError, "holds nothing at precision 'int4': expected fp32$"),
        ({"provider": "gpu"}, InputError, "^unknown provider: got 'gpu'; expected one of cpu, "),
        (
            {"operating_point": "margin-9"},
            BundleError,
            "^unknown operating point: got 'margin-9'; expected one of margin-0, margin-0.05, ",
        ),
        (
            {"threads": 0},
            InputError,
            "^threads cannot be used: got 0; expected a whole number from 1 to 1024, or None",
        ),
        ({"threads": -2}, InputError, "^threads cannot be used: got -2;"),
        ({"thresholds": [[0.5]]}, InputError, r"got shape \(1, 1\); expected numbers \(2, 4\)"),
        ({"thresholds": np.full((2, 4), np.nan)}, InputError, "got NaN in it; expected numbers"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    hand_made: Path, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        load(hand_made, **options)


@pytest.mark.parametrize(("name", "table"), [(None, USUAL), (STRICT, STRICT), (LOOSE, LOOSE)])
def test_an_operating_point_gives_the_thresholds(
    hand_made: Path, name: str | None, table: str
) -> None:
    assert np.array_equal(TABLES[table], load(hand_made, operating_point=name).thresholds)


def test_thresholds_of_ones_own_take_the_place_of_an_operating_point(hand_made: Path) -> None:
    mine = [[NEVER] * 4, [-np.inf] * 4]

    cascade = load(hand_made, operating_point=LOOSE, thresholds=mine)

    assert np.float32 == cascade.thresholds.dtype
    assert mine == cascade.thresholds.tolist()
    assert [2] * 5 == cascade(random_images(5)).exits.tolist()


def test_threads_and_provider_reach_every_engine(
    hand_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    genuine = OnnxRuntime.load

    def load_and_note(*args: Any, **options: Any) -> Any:
        seen.append(options)
        return genuine(*args, **options)

    monkeypatch.setattr(OnnxRuntime, "load", load_and_note)
    runner = load(hand_made, provider="cpu", threads=2)

    assert [{"provider": "cpu", "threads": 2}] * 3 == seen
    runner.with_thresholds(runner.thresholds).plain(random_images(1))
    runner.plain(random_images(2))
    assert [{"provider": "cpu", "threads": 2}] * 4 == seen, "plain is loaded once, when asked for"


@pytest.mark.parametrize("name", ["segment1", "segment3", "plain"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_bundle_is_refused_before_a_runtime_sees_any_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, cut: bool
) -> None:
    path = folder / f"onnxruntime/{name}.onnx"
    data = path.read_bytes()
    path.write_bytes(data[:-1] if cut else data[:-1] + bytes([data[-1] ^ 1]))

    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a runtime was given a file of a damaged bundle")

    monkeypatch.setattr(OnnxRuntime, "load", refuse)
    with pytest.raises(BundleError, match=rf"{name}\.onnx was {'cut or ' if cut else ''}changed"):
        load(folder)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere is not a bundle: got no such folder"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("input", ["uint8", "float"])
@pytest.mark.parametrize("way", [None, Resize(8, 8, shorter=10)])
def test_images_of_other_sizes_are_refused_with_the_call_that_takes_them(
    tmp_path: Path, input: InputForm, way: Resize | None
) -> None:
    content = write_bundle(tmp_path / "bundle", input=input)
    recorded = dataclasses.replace(content.preprocessing, resize=way)
    changed = dataclasses.replace(content, preprocessing=recorded)
    (tmp_path / "bundle" / MANIFEST).write_bytes(manifest.dump(changed))
    cascade = load(tmp_path / "bundle", "onnxruntime")
    random = np.random.default_rng(0)
    photos = [random.integers(0, 256, s, dtype=np.uint8) for s in ((9, 30, 3), (14, 11, 3))]

    refused: Any
    # Photos are brought to size where the training recorded how; normalised arrays never are.
    for refused in (photos, photos[0][None]) if way is None or input == "float" else ():
        with pytest.raises(InputError, match=r"fit this cascade: .*cascade\.resize\(images\)"):
            cascade(refused)
    found = cascade(cascade.resize(photos))

    expected = [(way or Resize(8, 8))(photo)[None] for photo in photos]
    for row, image in enumerate(expected):
        alone = cascade(recorded.as_input(image))
        assert (alone.labels[0], alone.exits[0]) == (found.labels[row], found.exits[row])


def test_a_build_that_never_exits_early_is_warned_of_with_the_way_out(hand_made: Path) -> None:
    early = next(point for point in POINTS if point.name == USUAL).exit_rates[:-1]

    with pytest.warns(
        UserWarning,
        match=rf"^onnxruntime fp32 never exits early at {STRICT}: no calibration image did, so "
        rf"each answer costs more than plain's; {USUAL} lets {sum(early):.0%} out early, or take",
    ) as caught:
        load(hand_made, operating_point=STRICT)
    assert __file__ == caught[0].filename, "the caller's line is shown, not ours"


@pytest.mark.parametrize("more", [{}, {"operating_point": LOOSE}, {"thresholds": TABLES[STRICT]}])
def test_one_that_does_or_whose_user_wants_so_is_not_warned_of(
    hand_made: Path, more: dict[str, Any], recwarn: pytest.WarningsRecorder
) -> None:
    load(hand_made, **more)

    assert [] == list(recwarn)
