"""Runners of hand-made bundles, on every runtime that this machine can have."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from calexnet.bundle import open_bundle
from calexnet.export import export_bundle
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import Wiring, write_bundle

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="needs pip install 'calexnet[openvino]'"
)

TARGETS = ("onnxruntime", "tflite", pytest.param("openvino", marks=needs_openvino))
WIRED = [
    pytest.param(
        (target, wiring),
        id=f"{target}-{wiring}",
        marks=[needs_openvino] if target == "openvino" else [],
    )
    for target in ("onnxruntime", "tflite", "openvino")
    for wiring in get_args(Wiring)
]


@pytest.fixture(scope="session")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose segments form a chain. Not to be changed."""
    folder = tmp_path_factory.mktemp("chain") / "bundle"
    write_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def hand_made_tflite(hand_made: Path) -> Path:
    """`hand_made`, with files for tflite beside. Not to be changed."""
    folder = hand_made.parent / "tflite-too"
    export_bundle(hand_made, folder, target="tflite")
    return folder


def loaded(folder: Path, target: str) -> Runner:
    """Return a runner on `target` for a bundle of portable graphs."""
    if target == "tflite":  # the others run the portable graphs
        export_bundle(folder, target=target)
    return load_runner(open_bundle(folder), target, threads=1)


@pytest.fixture(scope="session", params=WIRED)
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner for every runtime and every way in which tensors cross the cuts."""
    target, wiring = request.param
    folder = tmp_path_factory.mktemp("wired") / "bundle"
    write_bundle(folder, wiring=wiring)
    return loaded(folder, target)


@pytest.fixture(scope="session", params=TARGETS)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner of the plain chain of segments."""
    folder = tmp_path_factory.mktemp("chain") / "bundle"
    write_bundle(folder)
    return loaded(folder, request.param)


@pytest.fixture(scope="session", params=TARGETS)
def float_runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Runner:
    """A runner that takes normalised images."""
    folder = tmp_path_factory.mktemp("float") / "bundle"
    write_bundle(folder, input="float")
    return loaded(folder, request.param)
