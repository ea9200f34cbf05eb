"""Runners of hand-made bundles."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from calexnet.bundle import open_bundle
from calexnet.runtimes.runner import Runner, load_runner
from tests.onnx_bundle import Wiring, write_bundle


@pytest.fixture(scope="session")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose segments form a chain. Not to be changed."""
    folder = tmp_path_factory.mktemp("chain") / "bundle"
    write_bundle(folder)
    return folder


@pytest.fixture(scope="session", params=get_args(Wiring))
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner for every way in which tensors cross the cuts."""
    folder = tmp_path_factory.mktemp("wired") / "bundle"
    write_bundle(folder, wiring=request.param)
    return load_runner(open_bundle(folder), threads=1)


@pytest.fixture(scope="session")
def chain(hand_made: Path) -> Runner:
    """A runner of the plain chain of segments."""
    return load_runner(open_bundle(hand_made), threads=1)


@pytest.fixture(scope="session")
def float_runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner that takes normalised images."""
    folder = tmp_path_factory.mktemp("float") / "bundle"
    write_bundle(folder, input="float")
    return load_runner(open_bundle(folder), threads=1)
