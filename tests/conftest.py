"""What many tests share: one small trained cascade, its run folder and its bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from calexnet.bundle import Bundle
    from calexnet.data.dataset import Dataset
    from calexnet.manifest import Compiled
    from calexnet.training.cascade import Cascade

# No test leaves anything in its user's cache folder; those of the cache switch it on, elsewhere.
os.environ["CALEXNET_CACHE"] = "0"

# The first example of a test often pays for imports and compilation.
hypothesis.settings.register_profile("calexnet", deadline=None)
hypothesis.settings.load_profile("calexnet")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CALEXNET_NOTHING_MISSING is set, a test that skips because it *needs* a thing fails."""
    report = yield
    strict = bool(os.environ.get("CALEXNET_NOTHING_MISSING"))
    if strict and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if reason.startswith("Skipped: needs "):
            report.outcome, report.longrepr = "failed", f"CALEXNET_NOTHING_MISSING: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def genuine_unasked() -> Iterator[Callable[[Bundle], Iterator[Compiled]]]:
    """Reports hold a bundle's own builds, whatever is installed here; a test of more takes this."""
    from calexnet.bench.measuring import measure

    with pytest.MonkeyPatch.context() as patch:
        genuine = measure.unasked
        patch.setattr(measure, "unasked", lambda bundle: ())
        yield genuine


@pytest.fixture(scope="session")
def small_data() -> Dataset:
    """Four tints of 8x8 images, some hard to tell."""
    from tests.support import small_cascade

    return small_cascade.small_data()


@pytest.fixture(scope="session")
def small_cascade(small_data: Dataset) -> Cascade:
    """A ResNet-8 with two branches, trained on `small_data`; nobody may change it."""
    from tests.support import small_cascade

    return small_cascade.train(small_data)


@pytest.fixture(scope="session")
def small_run(small_cascade: Cascade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of `small_cascade`; nobody may change it."""
    from calexnet.training import checkpoint

    folder = tmp_path_factory.mktemp("run")
    checkpoint.save(small_cascade, folder)
    return folder


@pytest.fixture(scope="session")
def small_bundle(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `small_run`; nobody may change it."""
    from calexnet.export import export_run

    folder = tmp_path_factory.mktemp("bundles") / "tints"
    export_run(small_run, folder)
    return folder


@pytest.fixture(scope="session")
def small_float_bundle(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `small_run` that takes normalised images; nobody may change it."""
    from calexnet.export import export_run

    folder = tmp_path_factory.mktemp("bundles") / "tints"
    export_run(small_run, folder, input="float")
    return folder


@pytest.fixture(scope="session")
def small_npz(small_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small_data` as one file."""
    from calexnet.data import npz

    path = tmp_path_factory.mktemp("data") / "tints.npz"
    npz.save(small_data, path)
    return path


@pytest.fixture(scope="session")
def small_narrow_bundle(
    small_bundle: Path, small_npz: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """`small_bundle` with every narrower build of the CPU's targets; nobody may change it."""
    from calexnet.export import export_bundle, onnxruntime, tflite

    source, folder = small_bundle, tmp_path_factory.mktemp("bundles") / "tints"
    builds = [
        *(("onnxruntime", precision) for precision in onnxruntime.OnnxRuntime.precisions),
        *(("tflite", precision) for precision in tflite.Tflite.precisions),
    ]
    for target, precision in builds:
        export_bundle(
            source,
            folder,
            target=target,
            precision=precision,
            calib_data=str(small_npz),
            calib_samples=32,
        )
        source = folder
    return folder


@pytest.fixture(scope="session")
def small_pool(small_cascade: Cascade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pieces of `small_cascade` for two targets; nobody may change it."""
    from calexnet.export.pool.pieces import Source
    from calexnet.export.pool.writing import Build, write_pool

    folder = tmp_path_factory.mktemp("pools") / "tints"
    source = Source("tints", small_cascade, {"prototype": small_cascade})
    write_pool([source], folder, [Build("onnxruntime"), Build("tflite", "int8")])
    return folder


@pytest.fixture(scope="session")
def bench_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose tail costs most; nobody may change it."""
    from tests.support.onnx_bundle import WIDE, write_bundle

    folder = tmp_path_factory.mktemp("bench") / "bundle"
    write_bundle(folder, width=WIDE)
    return folder


@pytest.fixture
def translated(small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the graphs of `small_bundle` instead of having torch translate its cascade again."""
    import onnx_ir as ir

    from calexnet.export.graph import segments

    def build(cascade: Cascade, *, raw_input: bool) -> segments.CascadeGraphs:
        names = ("segment1", "segment2", "segment3", "plain")
        *parts, plain = (ir.load(small_bundle / "onnxruntime" / f"{name}.onnx") for name in names)
        branches = []
        for part, name in zip(parts, cascade.spec.attach, strict=False):
            model = ir.Model(
                ir.convenience.extract(part.graph, [name], ["branch.logits"]), ir_version=10
            )
            branches.append(ir.serde.serialize_model(model).SerializeToString())
        return segments.CascadeGraphs(tuple(parts), plain, tuple(branches))

    monkeypatch.setattr(segments, "build", build)
