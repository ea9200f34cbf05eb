"""The examples: apps in several languages that run a bundle without calexnet."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.export import export_if
from tests.support.onnx_bundle import LOOSE, STRICT, USUAL, random_images, write_bundle

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
#: Names a folder with ONNX Runtime's headers for C++.
ORT_INCLUDE = "CALEXNET_ORT_INCLUDE"
#: Names a folder ``node_modules`` that holds ``onnxruntime-web``; tests download nothing.
NODE_MODULES = "CALEXNET_NODE_MODULES"


@pytest.fixture(scope="module", params=[STRICT, USUAL, LOOSE])
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A bundle in layout `if`, its default operating point each of its own, and raw images."""
    folder = tmp_path_factory.mktemp("example")
    bundle, images = folder / "bundle", folder / "images.raw"
    write_bundle(bundle)
    set_default(bundle, request.param)
    export_if(bundle)
    random_images(40).tofile(images)
    return bundle, images


def set_default(bundle: Path, point: str) -> None:
    """Sign the manifest anew with another default operating point."""
    import dataclasses

    from calexnet import manifest

    content = dataclasses.replace(open_bundle(bundle).manifest, default_operating_point=point)
    (bundle / manifest.MANIFEST).write_bytes(manifest.dump(content))


def compare(bundle: Path, printed: str) -> None:
    """Check every line that an example printed against the runner's answer."""
    wanted = calexnet.load(bundle, threads=1)(random_images(40), probabilities=True)
    lines = [json.loads(line) for line in printed.splitlines()]
    labels, scores, exits, probabilities = zip(*lines, strict=True)

    assert wanted.labels.tolist() == list(labels)
    assert wanted.exits.tolist() == list(exits)
    assert wanted.probabilities is not None
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-5)
    np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_python_with_onnxruntime_alone(case: tuple[Path, Path]) -> None:
    bundle, images = case

    compare(bundle, run(sys.executable, "-I", EXAMPLES / "one_file.py", bundle, images))


def test_node_with_onnxruntime_web(case: tuple[Path, Path]) -> None:
    """In WebAssembly, which is all that a browser needs too."""
    node, modules = shutil.which("node"), os.environ.get(NODE_MODULES, "")
    if node is None:
        pytest.skip("node is not installed")
    if not (Path(modules) / "onnxruntime-web").is_dir():
        pytest.skip(f"{NODE_MODULES} names no folder with the npm package onnxruntime-web")
    bundle, images = case

    compare(bundle, run(node, EXAMPLES / "one_file.js", bundle, images, NODE_PATH=modules))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in C++, linked with the library in ONNX Runtime's own package for Python."""
    compiler, headers = shutil.which("c++"), os.environ.get(ORT_INCLUDE, "")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    if not (Path(headers) / "onnxruntime_cxx_api.h").is_file():
        pytest.skip(f"{ORT_INCLUDE} names no folder with onnxruntime_cxx_api.h")
    libraries = [*Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")]
    if not libraries:
        pytest.skip("this package of ONNX Runtime holds no library to link with")
    folder, library = tmp_path_factory.mktemp("c++"), libraries[0]
    source, program = EXAMPLES / "one_file.cpp", folder / "one_file"
    (folder / "libonnxruntime.so").symlink_to(library)
    (folder / "libonnxruntime.so.1").symlink_to(library)
    flags: list[str | Path] = [
        "-std=c++17",
        "-I",
        headers,
        "-L",
        folder,
        f"-Wl,-rpath,{folder}",
        "-o",
        program,
    ]
    run(compiler, source, *flags, "-lonnxruntime")
    return program


def test_cpp_with_onnxruntimes_library(case: tuple[Path, Path], program: Path) -> None:
    bundle, _ = case
    content = open_bundle(bundle).manifest
    build = content.compiled[-1]
    table = content.operating_point(None, build).table()
    (graph,) = build.segments
    images = random_images(5)
    wanted = calexnet.load(bundle, threads=1)(images)
    sizes = [str(size) for size in (*content.preprocessing.image_shape, *table.shape)]
    place = bundle.parent
    table.tofile(place / "thresholds.raw")
    for index, image in enumerate(images):
        image.tofile(place / "image.raw")

        said = run(
            program, bundle / graph.file.path, place / "image.raw", place / "thresholds.raw", *sizes
        )

        label, score, number = re.findall(r"label (\d+), score ([\d.]+), exit (\d+)", said)[0]
        assert (wanted.labels[index], wanted.exits[index]) == (int(label), int(number))
        assert pytest.approx(float(score), abs=1e-5) == wanted.scores[index]


def test_no_example_imports_calexnet() -> None:
    for path in EXAMPLES.glob("one_file.*"):
        code = path.read_text()
        assert "import calexnet" not in code
        assert "layout `if`" in code
        for tensor in ("image", "thresholds", "label", "score", "exit"):
            assert f'"{tensor}"' in code or f" {tensor}" in code


@pytest.mark.parametrize("missing", ["if.onnx", "image.raw", "thresholds.raw"])
def test_cpp_says_which_file_is_missing(program: Path, tmp_path: Path, missing: str) -> None:
    for name in ("if.onnx", "image.raw", "thresholds.raw"):
        if name != missing:
            (tmp_path / name).write_bytes(b"")
    words = [tmp_path / name for name in ("if.onnx", "image.raw", "thresholds.raw")]

    done = subprocess.run(
        [program, *words, "2", "2", "3", "1", "2"], capture_output=True, text=True
    )

    assert 2 == done.returncode
    (line,) = done.stderr.splitlines()
    assert line.startswith("one_file: ")
    assert missing in line or missing != "if.onnx"
