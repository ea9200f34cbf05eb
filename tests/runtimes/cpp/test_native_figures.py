"""The figures of the C++ library are of what is built, in the units that they say."""

from __future__ import annotations

from pathlib import Path

from benchmarks import native


def test_own_cost_and_size_are_of_the_build(release: Path) -> None:
    cost, size = native.figures(release, runs=3)

    assert ("us", "MB") == (cost.unit, size.unit)
    assert 0 < cost.value.value < 1000
    assert (release / "libcalexnet.so").stat().st_size == round(size.value.value * 1e6)
