"""Running a bundle: engines of one runtime each, and the runner that drives a cascade of them.

What an app embeds; numpy and one runtime are enough.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet.bundle import open_bundle
from calexnet.errors import InputError
from calexnet.manifest import Compiled, Manifest
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.planning import measure
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner

__all__ = ["Plan", "Result", "Runner", "load", "measure"]


def load(
    bundle: str | Path,
    target: str | None = None,
    precision: str | None = None,
    provider: str | None = None,
    threads: int | None = None,
    operating_point: str | None = None,
    thresholds: NDArray[np.float32] | Sequence[Sequence[float]] | None = None,
    layout: str = "segments",
    plan: Plan | None = None,
    lazy: bool = False,
    cache: bool | None = None,
) -> Runner:
    """Return a runner for the cascade in `bundle`.

    Args:
        bundle: What ``calexnet-export`` wrote.
        target: Which runtime; ``None`` = the first in the bundle that works here.
        precision: ``None`` = the target's first.
        provider: The runtime's back end, ``None`` = its default.
        threads: For each operator, ``None`` = all cores.
        operating_point: A name from the bundle, ``None`` = its default.
        thresholds: A table of one's own instead, ``(branches, classes)``; infinity = never exits.
        layout: ``segments``, or ``if`` for the one graph of ``calexnet-export --layout if``, which
            takes a batch image by image.
        plan: When gathering survivors pays, as `measure` finds it on this device for the same
            bundle, build, threads and runtime; ``None`` = they are always gathered.
        lazy: Open every segment but the first when a sample gets there.
        cache: Keep graphs as ONNX Runtime has optimised them for this processor, in
            ``$XDG_CACHE_HOME/calexnet`` or ``~/.cache/calexnet``, and open those the next time;
            ``None`` = unless the environment has ``CALEXNET_CACHE=0``. Each is checked against its
            hash; where one is damaged or cannot be kept, the bundle's own is opened.

    Raises:
        BundleError: The bundle is damaged or has no such target, precision or operating point.
        RuntimeUnavailableError: The runtime is not installed.
        InputError: Thresholds of another shape or with NaN, or fewer than one thread;
            or `lazy` for a target or layout that cannot, or a plan of something else.

    Warns:
        UserWarning: At this operating point no calibration image left the build early.
    """
    try:
        folder = Path(bundle)
    except TypeError as problem:
        raise InputError("bundle cannot be used", got=problem, expected="a path") from problem
    opened = open_bundle(folder)
    runner = load_runner(
        opened,
        target,
        precision,
        provider=provider,
        threads=threads,
        operating_point=operating_point,
        thresholds=thresholds,
        layout=layout,
        plan=plan,
        lazy=lazy,
        cache=cache,
    )
    if thresholds is None:
        _warn_of_no_exits(opened.manifest, runner.compiled, operating_point)
    return runner


def _warn_of_no_exits(content: Manifest, build: Compiled, operating_point: str | None) -> None:
    """Warn of a build that lets nobody out early."""
    point = content.operating_point(operating_point, build)
    if point.early > 0 or not content.branches:
        return
    others = [other for other in content.points_of(build) if other.early > 0]
    way_out = "plain is the better network here"
    if others:
        way_out = f"{others[0].name} lets {others[0].early:.0%} out early, or take plain"
    warnings.warn(
        f"{build.name} never exits early at {point.name}: no calibration image did, so each answer "
        f"costs more than plain's; {way_out}",
        stacklevel=3,
    )
