"""Whole cascades by TensorRT-RTX: a real parse and build of every graph, at every precision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from calexnet.errors import ExportError
from calexnet.export import tensorrt
from calexnet.export.graph import segments
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.graph.serialise import serialise
from calexnet.export.precisions.rejoin import narrow_cascade
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt import rtx
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import Profile
from calexnet.training import heads
from calexnet.training.backbones import default_attach
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import untrained

trt = pytest.importorskip(
    "tensorrt_rtx", reason="needs TensorRT-RTX: pip install 'calexnet[tensorrt-rtx]'"
)

PRECISIONS = ("fp32", *tensorrt.TensorRt.precisions)
CASCADES = [
    *(pytest.param("resnet8", head, 16, id=f"resnet8-{head}") for head in sorted(heads.HEADS)),
    pytest.param("resnet18", "prototype", 32, id="resnet18"),
    pytest.param("resnet50", "linear", 64, marks=pytest.mark.slow, id="resnet50"),
]


def at_every_precision(cascade: Cascade) -> Iterator[tuple[str, PortableGraphs]]:
    """Yield the graphs of `cascade` at each precision; ranges come from noise."""
    side = cascade.spec.preprocessing.height
    images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    whole = serialise(segments.build(cascade))
    for precision in PRECISIONS:
        if precision == "fp32":
            yield precision, whole
        else:
            yield precision, narrow_cascade(whole, cascade.spec.attach, precision, images)


@pytest.mark.parametrize(("backbone", "head", "side"), CASCADES)
def test_every_segment_builds_for_any_batch(backbone: str, head: str, side: int) -> None:
    cascade = untrained(backbone, default_attach(backbone), side=side, head=head, classes=10)
    rates = cascade.spec.operating_points[0].exit_rates

    for precision, graphs in at_every_precision(cascade):
        assert "uint8" == graphs.plain.inputs[0].dtype
        _, engines = rtx.TensorRtRtx().build(graphs, rates, EngineSettings((1, 4, 16)))

        assert len([*graphs]) == len(engines), precision
        assert all(engines), precision


@pytest.mark.parametrize("precision", PRECISIONS)
def test_carried_tensors_keep_their_narrow_type(
    precision: str, small_graphs: dict[str, PortableGraphs]
) -> None:
    """The builder compares every tensor's type with the manifest's, and these are what it says."""
    second = small_graphs[precision].segments[1]

    build_engine(trt, second, Profile(2, 4), EngineSettings())

    dtype = {"fp32": "float32", "fp16": "float16", "int8-symmetric": "int8"}[precision]
    assert {"layer1": dtype, "threshold": "float32"} == {t.name: t.dtype for t in second.inputs}


@pytest.fixture(scope="module")
def small_graphs(small_cascade: Cascade) -> dict[str, PortableGraphs]:
    """The graphs of the small cascade by precision."""
    return dict(at_every_precision(small_cascade))


def test_a_tensor_of_another_type_than_the_manifest_says_is_refused(
    small_graphs: dict[str, PortableGraphs],
) -> None:
    wide, narrow = (small_graphs[name].segments[1] for name in ("fp32", "fp16"))
    mixed = PortableGraph(wide.name, wide.data, narrow.inputs, narrow.outputs)

    with pytest.raises(
        ExportError, match=r"^TensorRT-RTX [0-9.]+ reads segment2 otherwise: got .*'layer1': 'float"
    ):
        build_engine(trt, mixed, Profile(1, 1), EngineSettings())
