"""What the tests of export share besides: a bundle without torch that may be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.onnx_bundle import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of portable graphs, which may be changed."""
    folder = tmp_path / "bundle"
    write_bundle(folder)
    return folder
