"""Writing a bundle: whole or not at all, one run and one input each, the same bytes again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import calexnet
from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.errors import BundleError, CheckpointError, InputError, ParityError, StorageError
from calexnet.export import export_run, onnxruntime, verify
from calexnet.files import schema, selfhash
from calexnet.manifest import BranchRecord
from calexnet.training import checkpoint, flops
from calexnet.training.cascade import Cascade
from calexnet.training.record import RECORD
from tests.support.small_cascade import files_of


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A copy of an earlier bundle."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def test_a_bundle_opens_and_tells_of_its_run(
    small_bundle: Path, small_cascade: Cascade, small_run: Path
) -> None:
    content = open_bundle(small_bundle).manifest

    spec = small_cascade.spec
    assert ("resnet8", spec.classes) == (content.backbone, content.classes)
    assert spec.preprocessing == content.preprocessing
    assert spec.operating_points == content.operating_points
    assert spec.default_operating_point == content.default_operating_point
    assert ("calexnet", "cpm", spec.split) == (
        content.method.name,
        content.rule.name,
        content.split,
    )
    assert small_cascade.macs() == content.macs
    sizes = [sum(p.numel() for p in branch.parameters()) for branch in small_cascade.branches]
    assert content.branches == tuple(
        BranchRecord(name, "prototype", size)
        for name, size in zip(("layer1", "layer2"), sizes, strict=True)
    )
    assert checkpoint.load(small_run)[1] == content.provenance.source
    versions = content.provenance.versions
    assert versions == {name: metadata.version(name) for name in versions}
    assert {"calexnet", "torch", "onnx", "onnxruntime", "numpy"} == set(versions)


def test_the_manifest_holds_the_parity_that_was_found(
    small_bundle: Path, small_cascade: Cascade
) -> None:
    (build,) = open_bundle(small_bundle).manifest.compiled

    assert build.parity is not None
    assert build.parity_reason is None
    assert len(small_cascade.samples.labels) == build.parity.samples
    assert build.parity.score_difference <= build.parity.bound


def test_a_float_bundle_says_so_and_differs_in_nothing_else(
    small_bundle: Path, small_float_bundle: Path
) -> None:
    raw, normalised = (open_bundle(f).manifest for f in (small_bundle, small_float_bundle))

    assert ("uint8", "float") == (raw.preprocessing.input, normalised.preprocessing.input)
    assert raw.preprocessing.mean == normalised.preprocessing.mean
    assert (raw.macs, raw.operating_points) == (normalised.macs, normalised.operating_points)


def test_a_bundle_runs(small_bundle: Path, small_cascade: Cascade) -> None:
    result = calexnet.load(small_bundle)(small_cascade.samples.images)

    assert {1, 3} <= set(result.exits.tolist())
    assert (result.labels == small_cascade.samples.labels).mean() > 0.5


@pytest.mark.slow
def test_the_same_run_gives_the_same_graphs_byte_for_byte(
    small_bundle: Path, small_run: Path, tmp_path: Path
) -> None:
    export_run(small_run, tmp_path / "again")

    first, again = (
        {name: data for name, data in files_of(folder).items() if name.endswith(".onnx")}
        for folder in (small_bundle, tmp_path / "again")
    )
    assert 4 == len(first)
    assert first.keys() == again.keys()
    assert [] == [name for name in first if first[name] != again[name]]


@pytest.mark.usefixtures("translated")
def test_exporting_again_renews_the_entry_and_adds_none(
    bundle: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calexnet.load(bundle)
    before = files_of(bundle)

    content = export_run(small_run, bundle)

    assert 1 == len(content.compiled)
    assert content == open_bundle(bundle).manifest
    assert before.keys() == files_of(bundle).keys()
    assert [bundle.name] == [path.name for path in bundle.parent.iterdir()]


@pytest.mark.usefixtures("translated")
def test_another_precision_of_the_same_run_is_kept(bundle: Path, small_run: Path) -> None:
    content = open_bundle(bundle).manifest
    (build,) = content.compiled
    moved = json.loads(manifest.dump(content))
    other = json.loads(json.dumps(moved["compiled"][0]))
    other["precision"] = "int8"
    for graph in (*other["segments"], other["plain"]):
        new = graph["file"]["path"].replace("onnxruntime/", "onnxruntime-int8/")
        (bundle / new).parent.mkdir(exist_ok=True)
        shutil.copy(bundle / graph["file"]["path"], bundle / new)
        graph["file"]["path"] = new
    moved["compiled"] = [other, moved["compiled"][0]]
    document = schema.decode(manifest.Manifest, without_hash(moved))
    (bundle / manifest.MANIFEST).write_bytes(manifest.dump(document))

    export_run(small_run, bundle)

    builds = open_bundle(bundle).manifest.compiled
    assert [("onnxruntime", "fp32"), ("onnxruntime", "int8")] == [
        (b.target, b.precision) for b in builds
    ]
    assert build.segments[0].name == builds[0].segments[0].name


def without_hash(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "sha256"}


def test_another_runs_bundle_is_refused(bundle: Path, small_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(small_run, tmp_path / "run"))
    document = json.loads((run / RECORD).read_text())
    document["cascade"]["recipe"]["optimisation"]["seed"] = 9
    (run / RECORD).write_bytes(selfhash.signed(document))
    before = files_of(bundle)

    with pytest.raises(
        BundleError,
        match=r"bundle is a bundle of another run: got run \w{12}; expected run \w{12}\. Choose ",
    ):
        export_run(run, bundle)

    assert before == files_of(bundle)


def test_another_input_is_refused(bundle: Path, small_run: Path) -> None:
    before = files_of(bundle)

    with pytest.raises(
        BundleError,
        match=r"bundle takes another input: got uint8; expected float\. Choose another --out: a b",
    ):
        export_run(small_run, bundle, input="float")

    assert before == files_of(bundle)


def test_a_damaged_bundle_is_not_added_to(bundle: Path, small_run: Path) -> None:
    (bundle / "onnxruntime" / "plain.onnx").write_bytes(b"")

    with pytest.raises(BundleError, match=r"plain\.onnx was cut or changed"):
        export_run(small_run, bundle)


def fail(error: BaseException) -> Callable[..., Any]:
    def raise_it(*arguments: object, **options: object) -> Any:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("module", "function", "error"),
    [
        (flops, "count", KeyboardInterrupt()),
        (onnxruntime.OnnxRuntime, "compile", OSError(28, "No space left on device")),
        (verify, "verify", ParityError("wrong")),
    ],
    ids=["interrupted", "disk full", "not verified"],
)
@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.usefixtures("translated")
def test_a_failure_in_the_middle_leaves_what_was_there(
    small_run: Path,
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
    error: BaseException,
    earlier: bool,
) -> None:
    out = tmp_path / "out" / "bundle"
    if earlier:
        shutil.copytree(small_bundle, out)
    before = files_of(tmp_path)
    monkeypatch.setattr(module, function, fail(error))

    with pytest.raises((type(error), StorageError)):
        export_run(small_run, out)

    assert before == files_of(tmp_path)
    assert earlier == out.exists()
    assert [out] * earlier == list(out.parent.glob("*")) + list(out.parent.glob(".*.partial"))


@pytest.mark.usefixtures("translated")
def test_a_folder_of_somebody_elses_is_not_replaced(small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")

    with pytest.raises(StorageError, match=r"^will not replace .*Choose another --out\.$"):
        export_run(small_run, tmp_path)

    assert {"thesis.txt": b"all of it"} == files_of(tmp_path)


def test_an_unknown_target_lists_the_known_ones(small_run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^unknown target: got 'coreml'; expected one of onnxrunt"
    ):
        export_run(small_run, tmp_path / "bundle", target="coreml")

    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no trained cascade"):
        export_run(tmp_path, tmp_path / "bundle")


@pytest.mark.usefixtures("translated")
def test_paths_may_be_text(small_run: Path, tmp_path: Path) -> None:
    content = export_run(str(small_run), str(tmp_path / "bundle"))

    assert content == open_bundle(tmp_path / "bundle").manifest
