"""A small real bundle: ONNX graphs made by hand, two branches and a tail, no torch.

The weights come from a seeded generator. How tensors cross the cuts is a choice, so that a runner
meets more than the plain chain of segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from calexnet import manifest
from calexnet.calibration import CutNetwork, OperatingPoint
from calexnet.costs import Macs
from calexnet.data.dataset import Dataset
from calexnet.data.split import SplitRecord, divide
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import InputForm, Preprocessing
from calexnet.manifest import (
    MANIFEST,
    SCHEMA,
    BranchRecord,
    Compiled,
    CutRecord,
    FileRecord,
    GraphRecord,
    Manifest,
    Provenance,
    TensorRecord,
)
from calexnet.registry import Part

CLASSES = ("ant", "bee", "cat", "dog")
SIZE = 8
#: So wide a tail that leaving early pays.
WIDE = 1024
OPSET, IR_VERSION = 20, 10

#: What the tail reads besides `layer2`: nothing, a tensor of segment 1, or the image itself.
Wiring = Literal["chain", "skip", "late image"]

STRICT, USUAL, LOOSE = "margin-0", "margin-0.05", "margin-0.5"
POINTS = (
    OperatingPoint(STRICT, 0.0, ((None,) * 4, (None,) * 4), (0.0, 0.0, 1.0), 1.0),
    OperatingPoint(
        USUAL, 0.05, ((0.6, 0.7, None, 0.5), (0.5, 0.6, 0.5, 0.6)), (0.4, 0.4, 0.2), 0.5
    ),
    OperatingPoint(LOOSE, 0.5, ((0.0,) * 4, (0.0,) * 4), (1.0, 0.0, 0.0), 0.25),
)

_SHAPES: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "early": ("float32", ("n", 4, 4, 4)),
    "layer1": ("float32", ("n", 4, 4, 4)),
    "layer2": ("float32", ("n", 6, 2, 2)),
    "threshold": ("float32", (len(CLASSES),)),
    "label": ("int32", ("n",)),
    "score": ("float32", ("n",)),
    "exit": ("bool", ("n",)),
    "probabilities": ("float32", ("n", len(CLASSES))),
}
_TYPES = {
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
}
_ANSWER = ("label", "score", "probabilities")
_GATED = ("label", "score", "exit", "probabilities")
_EXTRA = {"chain": 0, "skip": 4 * 4 * 4, "late image": 3 * SIZE * SIZE}


def preprocessing(input: InputForm = "uint8") -> Preprocessing:
    """Return what the bundle's images must look like."""
    return Preprocessing(SIZE, SIZE, (0.5, 0.45, 0.4), (0.25, 0.2, 0.3), input)


def random_images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return uint8 ``(count, 8, 8, 3)``."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@cache
def sample_data(width: int = 16, count: int = 120) -> Dataset:
    """Return random images; every fourth is labelled wrongly, the others as `plain` answers."""
    images = random_images(count, seed=1)
    graphs = _graphs("chain", "uint8", width)
    session = onnxruntime.InferenceSession(graphs["plain"], providers=["CPUExecutionProvider"])
    labels = session.run(["label"], {"image": images})[0].astype(np.int64)
    labels[::4] = (labels[::4] + 1) % len(CLASSES)
    keys = tuple(f"{index}.png" for index in range(count))
    return Dataset("squares", images, labels, CLASSES, keys)


def write_bundle(
    folder: Path, *, wiring: Wiring = "chain", input: InputForm = "uint8", width: int = 16
) -> Manifest:
    """Write a bundle to `folder`; its split is of `sample_data(width)`.

    Args:
        folder: Made if it is not there.
        wiring: How tensors cross the cuts.
        input: What the graphs take.
        width: Of the tail's hidden layers; at 1024 it costs far more than all the rest.
    """
    graphs = _graphs(wiring, input, width)
    (folder / "onnxruntime").mkdir(parents=True)
    for name, data in graphs.items():
        (folder / _path(name)).write_bytes(data)
    *segments, plain = (_record(name, data, wiring, input) for name, data in graphs.items())
    build = Compiled("onnxruntime", "fp32", "segments", tuple(segments), plain, None, "hand-made")
    content = manifest_of((build,), input, divide(sample_data(width), seed=0).record)
    (folder / MANIFEST).write_bytes(manifest.dump(content))
    return content


def write_cut_bundle(folder: Path) -> Manifest:
    """Write a bundle of one network without branches to `folder`, as a cut leaves it."""
    whole = write_bundle(folder)
    (build,) = whole.compiled
    for segment in build.segments:
        (folder / segment.file.path).unlink()
    alone = replace(build, segments=(replace(build.plain, name="segment1"),))
    point = OperatingPoint("no-gate", 0.0, (), (1.0,), 0.75)
    content = replace(
        whole,
        branches=(),
        compiled=(alone,),
        operating_points=(point,),
        default_operating_point=point.name,
        macs=Macs((whole.macs.plain,), (), ()),
        cut=CutRecord(2, whole.branches[1], 2 * whole.macs.plain, CutNetwork(0.75, None)),
    )
    (folder / MANIFEST).write_bytes(manifest.dump(content))
    return content


def manifest_of(compiled: Sequence[Compiled], input: InputForm, split: SplitRecord) -> Manifest:
    """Return the manifest of a bundle that holds `compiled`."""
    return Manifest(
        schema=SCHEMA,
        backbone="by-hand",
        classes=CLASSES,
        preprocessing=preprocessing(input),
        branches=(BranchRecord("layer1", "linear", 260), BranchRecord("layer2", "linear", 100)),
        compiled=tuple(compiled),
        operating_points=POINTS,
        default_operating_point=USUAL,
        method=Part("calexnet"),
        rule=Part("cpm"),
        macs=Macs((1728, 864, 704), (256, 96), (0, 0)),
        split=split,
        provenance=Provenance("0" * 64, {"calexnet": "0"}, "host", "2025-01-01T00:00:00+00:00"),
    )


def _path(name: str) -> str:
    return f"onnxruntime/{name}.onnx"


def _tensors(wiring: Wiring) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the inputs and outputs of every graph, plain last."""
    late = {"chain": (), "skip": ("early",), "late image": ("image",)}[wiring]
    kept = ("early",) if wiring == "skip" else ()
    return {
        "segment1": (("image", "threshold"), (*kept, "layer1", *_GATED)),
        "segment2": (("layer1", "threshold"), ("layer2", *_GATED)),
        "segment3": (("layer2", *late), _ANSWER),
        "plain": (("image",), _ANSWER),
    }


def _shape(name: str, input: InputForm) -> tuple[str, tuple[int | str, ...]]:
    if name != "image":
        return _SHAPES[name]
    dtype = "uint8" if input == "uint8" else "float32"
    return dtype, ("n", *preprocessing(input).batch_shape())


def _record(name: str, data: bytes, wiring: Wiring, input: InputForm) -> GraphRecord:
    inputs, outputs = (
        tuple(TensorRecord(tensor, *_shape(tensor, input)) for tensor in names)
        for names in _tensors(wiring)[name]
    )
    file = FileRecord(_path(name), sha256(data), len(data))
    return GraphRecord(name, file, inputs, outputs, buckets=None)


@cache
def _weights(wiring: Wiring, width: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(7)

    def drawn(*shape: int) -> NDArray[np.float32]:
        spread = np.sqrt(2 / np.prod(shape[1:]))
        return rng.normal(0, spread, shape).astype(np.float32)

    weights = {"conv1": drawn(4, 3, 3, 3), "conv2": drawn(6, 4, 3, 3)}
    weights |= {"head1": 2 * drawn(4, 64), "head2": 3 * drawn(4, 24)}
    weights |= {"hidden1": drawn(width, 24), "hidden2": drawn(width, width)}
    return weights | {"last": 3 * drawn(4, width), "late": drawn(width, _EXTRA[wiring] or 1)}


class _Graph:
    """Nodes and constants as they are added; the methods are the parts of the network."""

    def __init__(self, wiring: Wiring, input: InputForm, width: int) -> None:
        self.wiring, self.input = wiring, input
        self.weights = _weights(wiring, width)
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = value
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def normalised(self) -> str:
        if self.input == "float":
            return "image"
        scale, shift = preprocessing().scale_and_shift()
        floats = self.add("Cast", ["image"], "floats", to=TensorProto.FLOAT)
        turned = self.add("Transpose", [floats], "turned", perm=[0, 3, 1, 2])
        scaled = self.add("Mul", [turned, self.constant("scale", scale)], "scaled")
        return self.add("Add", [scaled, self.constant("shift", shift)], "normalised")

    def stage1(self) -> None:
        size = {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
        self.add("Conv", [self.normalised(), self.weight("conv1")], "early", **size)
        self.add("Tanh", ["early"], "layer1")

    def stage2(self) -> None:
        size = {"strides": [2, 2], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
        self.add("Conv", ["layer1", self.weight("conv2")], "conv2.out", **size)
        self.add("Tanh", ["conv2.out"], "layer2")

    def tail(self) -> None:
        flat = self.add("Flatten", ["layer2"], "flat", axis=1)
        hidden = self.linear(flat, "hidden1")
        if self.wiring != "chain":
            late = "early" if self.wiring == "skip" else self._late_image()
            flat = self.add("Flatten", [late], "late.flat", axis=1)
            hidden = self.add("Add", [hidden, self.linear(flat, "late")], "joined")
        hidden = self.add("Tanh", [hidden], "hidden1.tanh")
        hidden = self.add("Tanh", [self.linear(hidden, "hidden2")], "hidden2.tanh")
        self.answer(self.linear(hidden, "last"))

    def _late_image(self) -> str:
        """Return the normalised image, which `plain` has already."""
        known = {name for node in self.nodes for name in node.output}
        return "normalised" if "normalised" in known else self.normalised()

    def linear(self, source: str, weight: str) -> str:
        return self.add("Gemm", [source, self.weight(weight)], f"{weight}.out", transB=1)

    def branch(self, feature: str, weight: str) -> None:
        self.answer(self.linear(self.add("Flatten", [feature], "branch.flat", axis=1), weight))
        self.add("Gather", ["threshold", "label"], "bar", axis=0)
        self.add("GreaterOrEqual", ["score", "bar"], "exit")

    def answer(self, logits: str) -> None:
        self.add("Softmax", [logits], "probabilities", axis=1)
        self.add("ArgMax", [logits], "best", axis=1, keepdims=0)
        self.add("Cast", ["best"], "label", to=TensorProto.INT32)
        axes = self.constant("axes", np.array([1], dtype=np.int64))
        self.add("ReduceMax", ["probabilities", axes], "score", keepdims=0)

    def model(self, name: str) -> bytes:
        inputs, outputs = (
            [
                helper.make_tensor_value_info(tensor, _TYPES[dtype], shape)
                for tensor in names
                for dtype, shape in [_shape(tensor, self.input)]
            ]
            for names in _tensors(self.wiring)[name]
        )
        constants = [numpy_helper.from_array(array, key) for key, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


@cache
def _graphs(wiring: Wiring, input: InputForm, width: int) -> dict[str, bytes]:
    """Return every graph's bytes, plain last."""
    one, two, three, plain = (_Graph(wiring, input, width) for _ in range(4))
    one.stage1()
    one.branch("layer1", "head1")
    two.stage2()
    two.branch("layer2", "head2")
    three.tail()
    plain.stage1()
    plain.stage2()
    plain.tail()
    named = zip(_tensors(wiring), (one, two, three, plain), strict=True)
    return {name: graph.model(name) for name, graph in named}
