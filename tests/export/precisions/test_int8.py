"""The int8 precisions: walk the graphs that they give."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from calexnet.bundle import open_bundle
from calexnet.errors import ExportError
from calexnet.export import export_bundle, precisions
from calexnet.export.precisions import qdq, rejoin
from tests.support.onnx_bundle import Wiring, sample_data, write_bundle

NAMES = ("segment1", "segment2", "segment3", "plain")
INT8 = ("int8", "int8-symmetric")
#: Everything that must read and give float32.
FULL = {"Softmax", "ArgMax", "ReduceMax", "GreaterOrEqual", "Gather", "GlobalAveragePool", "Gemm"}


def graph(bundle: Path, precision: str, name: str) -> ir.Graph:
    return ir.load(bundle / "onnxruntime" / precision / f"{name}.onnx").graph


def constant(value: ir.Value | None) -> NDArray[np.generic]:
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    assert tensor is not None
    return tensor.numpy()


def quantised(found: ir.Graph) -> Iterator[ir.Node]:
    return (n for n in found if n.op_type in ("QuantizeLinear", "DequantizeLinear"))


def activations(found: ir.Graph) -> list[ir.Node]:
    return [node for node in quantised(found) if not node.inputs[0].is_initializer()]  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", INT8)
@pytest.mark.parametrize("name", NAMES)
def test_weights_are_symmetric_int8_with_a_scale_a_channel(
    small_narrow_bundle: Path, precision: str, name: str
) -> None:
    found = graph(small_narrow_bundle, precision, name)

    convolutions = [n for n in found if n.op_type == "Conv" and "branch" not in (n.name or "")]
    trunk = [n for n in convolutions if not str(n.inputs[1].name).startswith("branch")]  # type: ignore[union-attr]
    assert len(trunk) >= 2
    for node in trunk:
        assert node.inputs[1] is not None
        dequantise = node.inputs[1].producer()
        assert dequantise is not None
        assert "DequantizeLinear" == dequantise.op_type
        assert 0 == dequantise.attributes.get_int("axis", 1)
        weights, scale, point = map(constant, dequantise.inputs)
        assert np.int8 == weights.dtype == point.dtype
        assert (len(weights),) == scale.shape
        assert not point.any()
        if precision == "int8":  # seven bits: two products must fit 16
            assert np.abs(weights.astype(int)).max() <= 64


@pytest.mark.parametrize("name", NAMES)
def test_symmetric_activations_are_int8_about_zero(small_narrow_bundle: Path, name: str) -> None:
    for node in activations(graph(small_narrow_bundle, "int8-symmetric", name)):
        point = constant(node.inputs[2])
        assert point.dtype == np.int8
        assert 0 == int(point)


@pytest.mark.parametrize("name", NAMES)
def test_other_activations_are_uint8_from_zero_or_about_the_middle(
    small_narrow_bundle: Path, name: str
) -> None:
    points = [
        constant(node.inputs[2]) for node in activations(graph(small_narrow_bundle, "int8", name))
    ]

    assert {np.dtype(np.uint8)} == {point.dtype for point in points}
    assert {int(point) for point in points} <= {0, 128}
    assert 0 in {int(point) for point in points}


def test_no_relu_is_left_where_the_range_begins_at_zero(small_narrow_bundle: Path) -> None:
    plain = graph(small_narrow_bundle, "int8", "plain")

    assert not [node for node in plain if node.op_type == "Relu"]


def test_tensorrt_gets_no_quantised_bias(small_narrow_bundle: Path) -> None:
    """It takes DequantizeLinear of 8 bits only."""
    plain = graph(small_narrow_bundle, "int8-symmetric", "plain")

    for node in quantised(plain):
        assert node.inputs[2] is not None
        assert "INT8" == str(node.inputs[2].dtype)


@pytest.mark.parametrize("precision", ["fp16", *INT8])
@pytest.mark.parametrize("name", NAMES)
def test_scores_softmax_and_gate_stay_float32(
    small_narrow_bundle: Path, precision: str, name: str
) -> None:
    found = graph(small_narrow_bundle, precision, name)

    for node in found:
        if node.op_type in FULL:
            for value in (*node.inputs, *node.outputs):
                assert value is not None
                assert value.dtype not in (
                    ir.DataType.FLOAT16,
                    ir.DataType.INT8,
                    ir.DataType.UINT8,
                ), node
    outputs = {value.name: str(value.dtype) for value in found.outputs}
    assert ("INT32", "FLOAT", "FLOAT") == tuple(
        outputs[key] for key in ("label", "score", "probabilities")
    )
    assert 1 == sum(node.op_type == "Softmax" for node in found)


@pytest.mark.parametrize("precision", ["fp16", *INT8])
def test_a_tensor_crosses_a_cut_as_it_is_inside(small_narrow_bundle: Path, precision: str) -> None:
    dtype = {"fp16": "float16", "int8": "uint8", "int8-symmetric": "int8"}[precision]
    build = open_bundle(small_narrow_bundle).manifest.compiled
    segments = next(b for b in build if b.precision == precision).segments

    for before, after, name in ((0, 1, "layer1"), (1, 2, "layer2")):
        given = next(t for t in segments[before].outputs if t.name == name)
        taken = next(t for t in segments[after].inputs if t.name == name)
        assert given == taken
        assert dtype == given.dtype
        assert (given.scale is None) == (precision == "fp16")
        found = graph(small_narrow_bundle, precision, f"segment{after + 1}")
        value = next(v for v in found.inputs if v.name == name)
        readers = {node.op_type for node, _ in value.uses()}
        if precision != "fp16":
            assert {"DequantizeLinear"} == readers
            for node, _ in value.uses():
                assert float(constant(node.inputs[1])) == given.scale
                assert int(constant(node.inputs[2])) == given.zero_point


def test_plain_and_cascade_hold_the_same_numbers(small_narrow_bundle: Path) -> None:
    plain = graph(small_narrow_bundle, "int8", "plain")
    whole = {name: constant(v) for name, v in plain.initializers.items()}

    for number in (1, 2, 3):
        segment = graph(small_narrow_bundle, "int8", f"segment{number}")
        shared = segment.initializers.keys() & whole.keys()
        assert len(shared) > 5
        for name in shared:
            assert np.array_equal(whole[name], constant(segment.initializers[name]))


@pytest.mark.parametrize(
    ("target", "precision"),
    [*product(["onnxruntime"], ["fp16", *INT8]), *product(["tflite"], ["fp16", "int8"])],
)
@pytest.mark.parametrize("wiring", ["chain", "skip", "late image"])
def test_however_tensors_cross_the_cuts_the_chain_ends_where_plain_does(
    tmp_path: Path, sample_npz: Path, wiring: Wiring, target: str, precision: str
) -> None:
    import calexnet

    bundle = tmp_path / "bundle"
    write_bundle(bundle, wiring=wiring)
    export_bundle(bundle, target=target, precision=precision, calib_data=str(sample_npz))
    runner = calexnet.load(bundle, target=target, precision=precision, threads=1)
    closed = runner.with_thresholds(np.full(runner.thresholds.shape, np.inf, np.float32))
    images = sample_data().images

    through, plain = closed(images), runner.plain(images)

    # The same numbers in the same order, but for how each runtime graph was fused.
    np.testing.assert_allclose(plain.scores, through.scores, atol=0.02)
    assert (through.labels == plain.labels).mean() > 0.95
    carried = {t.name: t.dtype for s in runner.compiled.segments[1:] for t in s.inputs}
    del carried["threshold"]
    # TFLite keeps weights in float16, and computes in float32.
    wide = (target, precision) == ("tflite", "fp16")
    assert ({"float32"} == set(carried.values())) if wide else ("float32" not in carried.values())


@pytest.fixture(scope="module")
def sample_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from calexnet.data import npz

    path = tmp_path_factory.mktemp("squares") / "squares.npz"
    npz.save(sample_data(), path)
    return path


def test_the_same_images_give_the_same_bytes(small_bundle: Path) -> None:
    model = onnx.load(small_bundle / "onnxruntime" / "plain.onnx")
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)

    one, other = (precisions.narrow(model, "int8", images) for _ in range(2))

    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_what_the_quantiser_refuses_is_told(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnxruntime import quantization

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no such operator\nat length")

    monkeypatch.setattr(quantization, "quantize_static", refuse)

    with pytest.raises(
        ExportError,
        match=r"^ONNX Runtime cannot quantise the backbone: got no such operator\. Export at "
        r"another --precision\.$",
    ):
        precisions.narrow(
            onnx.load(small_bundle / "onnxruntime" / "plain.onnx"),
            "int8",
            np.zeros((1, 8, 8, 3), np.uint8),
        )


def test_a_dequantised_tensor_read_in_two_stages_crosses_narrow() -> None:
    """The reader in the later stage gets a DequantizeLinear of its own."""
    text = """plain (float[n,2] image) => (float[n,2] probabilities)
    <float s = {0.5}, int8 z = {0}> {
        q = QuantizeLinear(image, s, z)
        wide = DequantizeLinear(q, s, z)
        early = Relu(wide)
        late = Add(early, wide)
        probabilities = Softmax<axis=1>(late)
    }"""
    from tests.support.small_cascade import parse

    found = parse(text)
    rejoin._dedicate(found)

    readers = {n.op_type: n.inputs for n in found if n.op_type in ("Relu", "Add")}
    sources = [readers["Relu"][0], readers["Add"][1]]
    assert sources[0] is not sources[1]
    for source in sources:
        assert source is not None
        producer = source.producer()
        assert producer is not None
        assert ("DequantizeLinear", "q") == (producer.op_type, str(producer.inputs[0].name))  # type: ignore[union-attr]


def test_every_image_is_met_once_while_ranges_are_found() -> None:
    images = np.arange(70)
    reader = qdq._reader(images)

    met = list(iter(lambda: reader.get_next(), None))

    assert [32, 32, 6] == [len(batch["image"]) for batch in met]
    assert images.tolist() == np.concatenate([batch["image"] for batch in met]).tolist()
