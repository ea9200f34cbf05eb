"""A bundle as a source: one more target from its own graphs, without its run and without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import calexnet
from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.cli import export as cli
from calexnet.errors import (
    BundleError,
    ExportError,
    RuntimeUnavailableError,
    StorageError,
)
from calexnet.export import export_bundle, export_run, tflite
from calexnet.export.from_bundle import UNVERIFIED
from calexnet.export.graph import segments
from calexnet.export.precisions import cascade as narrow
from calexnet.files import schema
from calexnet.files.storage import sha256
from calexnet.manifest import MANIFEST, FileRecord, Manifest
from tests.support.onnx_bundle import random_images
from tests.support.small_cascade import files_of

NAMES = ("segment1", "segment2", "segment3", "plain")


def test_a_bundle_gains_a_target_in_its_place(bundle: Path) -> None:
    before = files_of(bundle)

    content = export_bundle(bundle, target="tflite")

    after = files_of(bundle)
    assert content == open_bundle(bundle).manifest
    assert before == {name: after[name] for name in before} | {MANIFEST: before[MANIFEST]}
    assert {f"tflite/{name}.tflite" for name in NAMES} == after.keys() - before.keys()
    assert ["onnxruntime", "tflite"] == [build.target for build in content.compiled]
    build = content.compiled[1]
    assert (None, UNVERIFIED) == (build.parity, build.parity_reason)
    assert ("fp32", "segments") == (build.precision, build.layout)
    assert [*NAMES] == [graph.name for graph in (*build.segments, build.plain)]
    assert [bundle.name] == [path.name for path in bundle.parent.iterdir()]
    versions = content.provenance.versions
    assert "0" == versions["calexnet"]
    assert metadata.version("ai-edge-litert") == versions["ai-edge-litert"]


def test_the_same_bundle_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, tmp_path / "one", target="tflite")
    export_bundle(str(bundle), str(tmp_path / "other"), target="tflite")

    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")
    assert "tflite" not in [path.name for path in bundle.iterdir()]


def test_exporting_again_renews_the_entry_and_keeps_its_place(bundle: Path) -> None:
    export_bundle(bundle, target="tflite")
    before = files_of(bundle)

    content = export_bundle(bundle, target="tflite")

    assert ["onnxruntime", "tflite"] == [build.target for build in content.compiled]
    assert before == files_of(bundle)


_EXPORT = """
import sys
absent = ["torch", "sklearn", "safetensors", "onnxscript", "tensorflow", "jax"]
sys.modules.update(dict.fromkeys(absent))
from calexnet.cli.export import main
sys.exit(main([sys.argv[1], "--target", "tflite"]))
"""


@pytest.mark.slow
def test_neither_torch_nor_tensorflow_nor_jax_is_needed(bundle: Path) -> None:
    command = [sys.executable, "-Ic", _EXPORT, str(bundle)]

    done = subprocess.run(command, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr
    assert f"\nBundle: {bundle}\n" in done.stdout
    assert f"Not verified: {UNVERIFIED}." in done.stdout
    images = random_images(9)
    results = [calexnet.load(bundle, target=t)(images) for t in ("onnxruntime", "tflite")]
    assert np.array_equal(results[0].exits, results[1].exits)


def test_the_command_takes_a_bundle_and_another_place(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "elsewhere"

    assert 0 == cli.main([str(bundle), "--target", "tflite", "--out", str(out)])

    lines = capsys.readouterr().out.splitlines()
    size = open_bundle(out).manifest.compiled[1].segments[0].file.size
    assert f"{size / 1e3:.1f}" == next(x for x in lines if x.startswith("segment1")).split()[1]
    assert 1 == len(open_bundle(bundle).manifest.compiled)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "coreml"], "unknown target: got 'coreml'; expected one of onnxruntime, tfl"),
        (["--target", "onnxruntime"], "bundle holds target onnxruntime already: expected one of t"),
        (["--target", "tflite", "--input", "float"], "--input cannot be chosen for a bundle: expe"),
        (
            ["--target", "tflite", "--converter", "litert-torch"],
            "expected what calexnet train wrote: it converts torch modules, a bundle holds graphs. "
            "Run: calexnet-export RUN --target tflite --converter litert-torch --out ",
        ),
    ],
)
def test_what_a_bundle_cannot_become_is_told(
    bundle: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(bundle.parent)

    assert 2 == cli.main([str(bundle), *words])

    assert message in capsys.readouterr().err
    assert before == files_of(bundle.parent)


def test_a_damaged_bundle_is_no_source(bundle: Path) -> None:
    (bundle / "onnxruntime" / "plain.onnx").write_bytes(b"")

    with pytest.raises(BundleError, match=r"plain\.onnx was cut or changed"):
        export_bundle(bundle, target="tflite")


def sign(bundle: Path, change: Any) -> None:
    """Let `change` alter the manifest's document, and sign it again."""
    document = json.loads((bundle / MANIFEST).read_bytes())
    del document["sha256"]
    change(document)
    content = schema.decode(Manifest, document)
    (bundle / MANIFEST).write_bytes(manifest.dump(content))


def test_a_bundle_without_portable_graphs_is_no_source(bundle: Path) -> None:
    sign(bundle, lambda document: document["compiled"][0].update(precision="int8"))

    with pytest.raises(
        BundleError,
        match=r"bundle holds no portable graphs: got onnxruntime int8; expected onnxruntime fp32, "
        r".*\. Export the cascade again from its run\.$",
    ):
        export_bundle(bundle, target="tflite")


@pytest.mark.parametrize(
    "made",
    [
        lambda folder: export_bundle(folder, target="tflite"),
        lambda folder: narrow.write_narrow(open_bundle(folder), "tflite", "int8", np.zeros(0)),
    ],
)
def test_an_operator_outside_the_set_is_named_and_nothing_is_written(
    bundle: Path, made: Callable[[Path], object]
) -> None:
    """In the last graph to be compiled, and before anything is quantised."""
    path = bundle / "onnxruntime" / "plain.onnx"
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "Tanh")
    node.op_type, node.name = "Erf", "node_erf"
    data = model.SerializeToString()
    path.write_bytes(data)
    record = schema.encode(FileRecord("onnxruntime/plain.onnx", sha256(data), len(data)))
    sign(bundle, lambda document: document["compiled"][0]["plain"].update(file=record))
    before = files_of(bundle.parent)

    with pytest.raises(
        ExportError, match=r"^Erf, node 'node_erf' of plain, cannot be written for tflite: got Erf"
    ):
        made(bundle)

    assert before == files_of(bundle.parent)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failure_in_the_middle_leaves_the_bundle_as_it_was(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> bytes:
        raise error

    before = files_of(bundle.parent)
    monkeypatch.setattr(tflite, "convert", fail)

    with pytest.raises((type(error), StorageError)):
        export_bundle(bundle, target="tflite")

    assert before == files_of(bundle.parent)


@pytest.mark.parametrize("missing", ["onnx", "flatbuffers", "ai_edge_litert"])
def test_a_missing_package_is_told_with_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=rf"^TFLite cannot be written here: got .*{missing}.*\. Run: pip install "
        r"'calexnet\[tflite-export\]'\.$",
    ):
        export_bundle(bundle, target="tflite")


def test_where_the_runtime_is_missing_what_was_compiled_is_kept(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)

    export_bundle(bundle, target="tflite")

    assert "tflite" == open_bundle(bundle).manifest.compiled[1].target


def test_a_new_bundle_for_another_target_holds_the_portable_graphs_too(
    translated: None, small_run: Path, tmp_path: Path
) -> None:
    content = export_run(small_run, tmp_path / "bundle", target="tflite")

    assert ["onnxruntime", "tflite"] == [build.target for build in content.compiled]
    for build in content.compiled:
        assert build.parity is not None
        assert (0, 0) == (build.parity.label_flips, build.parity.exit_flips)
    assert {"torch", "onnxruntime", "ai-edge-litert"} <= set(content.provenance.versions)


def test_a_run_adds_to_its_bundle_from_the_graphs_that_are_there(
    small_run: Path, small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("translated again")

    out = Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
    monkeypatch.setattr(segments, "build", never)

    content = export_run(small_run, out, target="tflite")

    before = files_of(small_bundle)
    assert {**files_of(out), MANIFEST: before[MANIFEST]}.items() >= before.items()
    assert content.compiled[1].parity is not None
