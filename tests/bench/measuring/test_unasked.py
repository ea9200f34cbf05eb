"""Builds that nobody exported: another runtime that runs a bundle's files is in its report too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calexnet.bench.measuring import measure as measuring
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bundle import Bundle, open_bundle
from calexnet.manifest import Compiled

PLAN = BenchPlan(batches=(1,), threads=(1,))
Unasked = Callable[[Bundle], Iterator[Compiled]]


def measured(bundle: Bundle) -> list[str]:
    usable, left_out = measuring._usable_builds(bundle, PLAN)
    assert [] == left_out
    return [build.name for build in usable]


@pytest.fixture
def bundle(bench_bundle: Path, genuine_unasked: Unasked, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setattr(measuring, "unasked", genuine_unasked)
    return open_bundle(bench_bundle)


def test_openvino_is_in_a_report_where_it_is_installed(bundle: Bundle) -> None:
    pytest.importorskip("openvino", reason="needs pip install 'calexnet[openvino]'")

    own = [build.name for build in bundle.manifest.compiled]
    assert [*own, "openvino fp32"] == measured(bundle)


def test_where_it_is_not_nobody_hears_of_it(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    assert [build.name for build in bundle.manifest.compiled] == measured(bundle)
