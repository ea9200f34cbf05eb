"""OpenVINO: what it is told, what it executes, and that NaN stays."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.export import export_if
from calexnet.manifest import FULL
from calexnet.runtimes.engines import cache
from calexnet.runtimes.engines.cache import user_cache
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import CLASSES, preprocessing, random_images, write_bundle

pytest.importorskip("openvino", reason="needs pip install 'calexnet[openvino]'")

from calexnet.runtimes.openvino import BF16, OpenVino, library
from calexnet.runtimes.openvino.engine import OpenVinoEngine
from calexnet.runtimes.openvino.executed import Layer, Share, integer_convolutions, narrow_answers

needs_bf16 = pytest.mark.skipif(
    "BF16" not in library.capabilities(), reason="needs a processor with bfloat16"
)
BRANCHES = 2
PRODUCTS = ("Convolution", "FullyConnected")


def engines(folder: Path, precision: str) -> list[OpenVinoEngine]:
    """Return the segments of the bundle in `folder`, then plain, opened at `precision`."""
    bundle = open_bundle(folder)
    build = bundle.compiled("openvino", FULL)
    runs = OpenVino(precision)
    return [
        runs.load(record, bundle.read_graph(record), provider=None, threads=1)
        for record in (*build.segments, build.plain)
    ]


def products(engine: OpenVinoEngine) -> list[str]:
    return [layer.precision for layer in engine.layers if layer.kind in PRODUCTS]


def test_at_full_precision_nothing_is_computed_in_less_than_float32(hand_made: Path) -> None:
    for engine in engines(hand_made, FULL):
        assert products(engine), engine.record.name
        assert {"f32"} == set(products(engine))
        assert not [layer for layer in engine.layers if "bf16" in layer.gives]


@needs_bf16
def test_at_bf16_the_trunk_is_narrow_and_logits_softmax_score_and_gate_are_not(
    hand_made: Path,
) -> None:
    for engine in engines(hand_made, BF16):
        *trunk, logits = products(engine)
        assert {"bf16"} == set(trunk), engine.record.name
        assert "f32" == logits
        assert () == narrow_answers(engine.layers)
        kinds = {layer.kind: layer.precision for layer in engine.layers}
        assert "f32" == kinds["Softmax"] == kinds["Reduce"]


@needs_bf16
def test_the_answers_of_bf16_are_near_and_scores_are_float32(hand_made: Path) -> None:
    images = random_images(33)
    bars = np.full(len(CLASSES), 0.5, np.float32)
    full, narrow = engines(hand_made, FULL)[0], engines(hand_made, BF16)[0]

    scores = [
        one.run({"image": images, "threshold": bars}, ("score",))[0] for one in (full, narrow)
    ]

    difference = np.abs(scores[0] - scores[1])
    assert 0 < difference.max() < 0.05
    in_bf16 = (scores[1].view(np.uint32) & 0xFFFF) == 0
    assert not in_bf16.all(), "its scores are no bfloat16 numbers"


def test_a_processor_without_bfloat16_refuses_it_in_one_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("calexnet.runtimes.openvino.capabilities", lambda: ("FP32", "INT8"))
    message = (
        "target openvino cannot run at precision bf16 here: got a processor with FP32, INT8; "
        "expected one with BF16 (AVX-512 BF16 or AMX on x86, BF16 on Arm). Use --precision fp32 or "
        "int8."
    )

    with pytest.raises(RuntimeUnavailableError, match=f"^{re.escape(message)}$"):
        OpenVino(BF16).require()
    OpenVino().require()


def test_without_openvino_the_message_says_what_to_install(
    hand_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(
        RuntimeUnavailableError, match=r"^OpenVINO cannot .*pip install 'calexnet\[openvino\]'\.$"
    ):
        calexnet.load(hand_made, "openvino")


@pytest.mark.parametrize("layout", ["segments", "if"])
def test_nan_never_exits_in_any_layout(tmp_path: Path, layout: str) -> None:
    write_bundle(tmp_path / "bundle", input="float")
    export_if(tmp_path / "bundle")
    gates = np.full((BRANCHES, len(CLASSES)), -np.inf, np.float32)
    runner = calexnet.load(
        tmp_path / "bundle", "openvino", threads=1, layout=layout, thresholds=gates
    )
    images = np.full((3, *preprocessing("float").batch_shape()), np.inf, np.float32)

    result = runner(images)

    assert np.isnan(result.scores).all()
    assert [BRANCHES + 1] * 3 == result.exits.tolist()


def test_layout_if_answers_as_the_segments_do(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")
    whole, parts = (
        calexnet.load(tmp_path / "bundle", target, threads=1, layout=layout)
        for target, layout in (("openvino", "if"), ("onnxruntime", "segments"))
    )

    found, wanted = whole(random_images(24)), parts(random_images(24))

    assert 1 < len(np.unique(wanted.exits))
    assert np.array_equal(wanted.exits, found.exits)
    assert np.array_equal(wanted.labels, found.labels)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_second_load_opens_what_the_first_has_kept(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(cache.VARIABLE)
    first, second = (calexnet.load(hand_made, "openvino", threads=threads) for _ in range(2))
    images = random_images(9)

    assert ["bundle; kept"] * 3 == origins(first)
    assert ["cache"] * 3 == origins(second)
    assert np.array_equal(first(images).scores, second(images).scores)
    other = calexnet.load(hand_made, "openvino", threads=3 - threads)
    assert ["bundle; kept"] * 3 == origins(other), "of other threads"


def test_what_is_kept_and_does_not_open_is_no_harm(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = open_bundle(hand_made)
    kept = user_cache(bundle.sha256, OpenVino().version(), wanted=True)
    assert kept is not None
    record = bundle.compiled("openvino", FULL).plain

    def opened() -> OpenVinoEngine:
        return OpenVino().load_kept(record, lambda: bundle.read_graph(record), kept, threads=1)

    assert "bundle; kept" == opened().origin
    (content,) = tmp_path.rglob("*.onnx")
    kept.write(content.stem, lambda path: path.write_bytes(b"no model"))

    assert opened().origin.startswith("bundle; not kept: ")
    assert [(2,)] == [one.shape for one in opened().run({"image": random_images(2)}, ["label"])]


def test_a_file_that_it_refuses_is_told(hand_made: Path) -> None:
    record = open_bundle(hand_made).manifest.compiled[0].plain

    with pytest.raises(BundleError, match=r"^OpenVINO 20\S+ refuses \S+plain\.onnx: got .*Update"):
        OpenVino().load(record, b"\x08\x0ajunk", provider=None, threads=1)


def test_there_is_one_provider(hand_made: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown provider: got 'gpu'; expected one of cpu$"):
        calexnet.load(hand_made, "openvino", provider="gpu")


LAYERS = (
    Layer("Input", "image", "u8", "u8", ()),
    Layer("Convolution", "conv1", "i8", "bf16", (0,)),
    Layer("Convolution", "conv2", "bf16", "bf16", (1,)),
    Layer("FullyConnected", "logits", "f32", "f32", (2,)),
    Layer("Softmax", "probabilities", "f32", "f32", (3,)),
    Layer("Output", "probabilities/sink_port_0", "f32", "f32", (4,)),
    Layer("Output", "conv2/sink_port_0", "f32", "f32", (2,)),
)


@pytest.mark.parametrize(
    ("changed", "narrow"),
    [
        ({}, []),
        ({3: ("f32", "bf16")}, ["logits"]),
        ({3: ("bf16", "f32")}, ["logits"]),
        ({4: ("bf16", "bf16")}, ["probabilities"]),
        ({2: ("bf16", "f16")}, []),
    ],
)
def test_a_narrow_answer_is_found_and_a_narrow_trunk_is_none(
    changed: dict[int, tuple[str, str]], narrow: Sequence[str]
) -> None:
    layers = tuple(
        Layer(one.kind, one.of, *changed.get(n, (one.precision, one.gives)), one.reads)
        for n, one in enumerate(LAYERS)
    )

    assert [*narrow] == [layer.of for layer in narrow_answers(layers)]


def test_convolutions_in_whole_numbers_are_counted() -> None:
    assert Share(1, 2) == integer_convolutions(LAYERS)


def origins(runner: Runner) -> list[str]:
    return [engine.origin for engine in runner.engines]  # type: ignore[attr-defined]
