"""Making pools: what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.errors import InputError
from calexnet.export.pool.pieces import Source
from calexnet.export.pool.writing import Build, write_pool
from calexnet.training.cascade import Cascade


@pytest.mark.parametrize(
    ("builds", "message"),
    [
        ([], "the builds of a pool cannot be used: got none"),
        ([Build("tflite")] * 2, "the builds of a pool cannot be used: got tflite fp32, tflite"),
        ([Build("tensorrt")], "a pool holds files that run anywhere: got target tensorrt"),
        ([Build("tflite", "int4")], "target tflite does not come at this precision"),
    ],
)
def test_builds_that_cannot_be(
    builds: list[Build], message: str, small_cascade: Cascade, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        write_pool([Source("n", small_cascade)], tmp_path / "pool", builds)

    assert [] == [*tmp_path.iterdir()]


def test_two_networks_of_one_name_are_refused(small_cascade: Cascade, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the networks of a pool cannot be used: got n, n"):
        write_pool([Source("n", small_cascade)] * 2, tmp_path / "pool")
