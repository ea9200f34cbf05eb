"""Small cascades, trained in a second or not at all, and what the tests of export share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx_ir.passes import common as passes
from torch import nn

from calexnet import manifest
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint
from calexnet.data.dataset import Dataset
from calexnet.data.split import PartRecord, SplitRecord, divide
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from calexnet.training import cascade
from calexnet.training.backbones import BackboneSpec
from calexnet.training.cascade import Cascade, CascadePlan
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import BackboneTraining, CascadeSpec, Optimisation, Samples

CLASSES = ("red", "green", "blue", "grey")
SIDE = 8

#: What trains `small_data` in a second or two.
PLAN = CascadePlan(
    backbone="resnet8",
    recipe=plan_recipe(
        rule=Part("cpm", {"min_support": 3}),
        setting=0.05,
        settings=(0.0, 0.2),
        optimisation=Optimisation(epochs=4),
    ),
    backbone_training=BackboneTraining(epochs=4),
)


def small_data(count: int = 320, seed: int = 0) -> Dataset:
    """Return noisy images of four tints, some of them hard to tell."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    tint = np.eye(len(CLASSES), 3)[labels][:, None, None, :]
    tint = 40 * random.uniform(0.1, 1.0, (count, 1, 1, 1)) * tint
    images = 110 + tint + random.normal(0, 25, (count, SIDE, SIDE, 3))
    return Dataset(
        name="tints",
        images=images.clip(0, 255).astype(np.uint8),
        labels=labels.astype(np.int64),
        classes=CLASSES,
        keys=tuple(str(i) for i in range(count)),
    )


def train(
    data: Dataset,
    plan: CascadePlan = PLAN,
    network: nn.Module | None = None,
    allow: Allowed = BUILT_IN_ONLY,
) -> Cascade:
    """Return a cascade trained on `data`, divided with seed 0."""
    return cascade.train_cascade(data, divide(data, 0), plan, network=network, allow=allow)


def untrained(
    backbone: str,
    attach: Sequence[str],
    *,
    network: nn.Module | None = None,
    classes: int = 4,
    side: int = SIDE,
    stem: str | None = None,
    head: str = "prototype",
) -> Cascade:
    """Return a cascade of random weights that lets every second class out at once."""
    torch.manual_seed(0)
    spec = BackboneSpec(backbone, classes, stem)
    preprocessing = Preprocessing(side, side, (0.45, 0.5, 0.55), (0.2, 0.25, 0.3))
    recipe = plan_recipe(head=head)
    frozen, branches = cascade.build_parts(spec, attach, recipe, preprocessing, network)
    table = tuple(tuple(0.0 if c % 2 else None for c in range(classes)) for _ in attach)
    rates = (1.0, *(0.0 for _ in attach))
    images = np.random.default_rng(0).integers(0, 256, (6, side, side, 3), dtype=np.uint8)
    part = PartRecord(1, "0" * 64)
    return Cascade(
        spec=CascadeSpec(
            backbone=spec,
            attach=tuple(attach),
            classes=tuple(f"class {c}" for c in range(classes)),
            preprocessing=preprocessing,
            recipe=recipe,
            backbone_training=None,
            branches=(),
            operating_points=(OperatingPoint("margin-0", 0.0, table, rates, 0.5),),
            default_operating_point="margin-0",
            split=SplitRecord("none", 0, "", {"train": part, "calibration": part, "test": part}),
        ),
        backbone=frozen,
        branches=branches,
        samples=Samples(images, np.zeros(len(images), dtype=np.int64)),
    )


def tensors(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Return a copy of a module's weights and statistics."""
    return {name: t.detach().numpy().copy() for name, t in module.state_dict().items()}


def weights(trained: Cascade) -> dict[str, NDArray[Any]]:
    """Return a copy of every tensor of a cascade: backbone, then branches."""
    return tensors(nn.ModuleList([trained.backbone.network, *trained.branches]))


def is_same(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether two sets of tensors agree bit for bit."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


def save_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays under their own names."""
    named: dict[str, Any] = dict(arrays)
    np.savez(path, **named)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return path -> content of everything below `folder`."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def parse(text: str) -> ir.Graph:
    """Return the graph that `text` describes in ONNX's own notation, with shapes inferred."""
    model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 20]> ' + text)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return ir.serde.deserialize_model(inferred).graph


def session(graph: ir.Graph | ir.Model) -> onnxruntime.InferenceSession:
    """Return a checked ONNX Runtime session of `graph`, its results as ONNX defines them."""
    model = graph if isinstance(graph, ir.Model) else ir.Model(graph, ir_version=10)
    model.graph.name = model.graph.name or "graph"
    model.graph.opset_imports.setdefault("", 20)
    passes.NameFixPass()(model)
    proto = ir.serde.serialize_model(model)
    onnx.checker.check_model(proto, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(graph: ir.Graph | ir.Model, feeds: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return every output of `graph` by name; it takes from `feeds` what it reads."""
    return run_session(session(graph), feeds)


def run_session(
    engine: onnxruntime.InferenceSession, feeds: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Return every output of a session by name; it takes from `feeds` what it reads."""
    names = [value.name for value in engine.get_outputs()]
    taken = {value.name: feeds[value.name] for value in engine.get_inputs()}
    return dict(zip(names, engine.run(names, taken), strict=True))


def reload(folder: Path) -> Runner:
    """Return a runner for a bundle whose ONNX files a test has changed behind its manifest."""
    content, identity = manifest.parse((folder / manifest.MANIFEST).read_bytes(), str(folder))
    (build,) = content.compiled

    def as_it_is(graph: manifest.GraphRecord) -> manifest.GraphRecord:
        data = (folder / graph.file.path).read_bytes()
        file = manifest.FileRecord(graph.file.path, sha256(data), len(data))
        return manifest.GraphRecord(graph.name, file, graph.inputs, graph.outputs, graph.buckets)

    changed = manifest.Compiled(
        build.target,
        build.precision,
        build.layout,
        tuple(as_it_is(graph) for graph in build.segments),
        as_it_is(build.plain),
        build.parity,
        build.parity_reason,
    )
    document = {**vars(content), "compiled": (changed,)}
    return load_runner(Bundle(folder, manifest.Manifest(**document), identity), threads=1)
