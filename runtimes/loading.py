"""From a bundle to a runner: which build, on which runtime, with which thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet import numbers
from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import CalexnetError, InputError, RuntimeUnavailableError
from calexnet.manifest import IF, SEGMENTS, Compiled, GraphRecord
from calexnet.runtimes import thresholds as tables
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.base import Engine
from calexnet.runtimes.engines.cache import user_cache
from calexnet.runtimes.engines.lazy import LazyEngine
from calexnet.runtimes.plan import Plan, Stamp
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.threads import cores


def _onnxruntime() -> type[Runtime]:
    from calexnet.runtimes.onnxruntime import OnnxRuntime

    return OnnxRuntime


def _tflite() -> type[Runtime]:
    from calexnet.runtimes.tflite import Tflite

    return Tflite


def _openvino() -> type[Runtime]:
    from calexnet.runtimes.openvino import OpenVino

    return OpenVino


def _tensorrt() -> type[Runtime]:
    from calexnet.runtimes.tensorrt import TensorRt

    return TensorRt


def _tensorrt_rtx() -> type[Runtime]:
    from calexnet.runtimes.tensorrt.rtx import TensorRtRtx

    return TensorRtRtx


#: target -> what imports the `Runtime` that runs its engines here. Imports as they are written, not
#: names in a table: that is how PyInstaller and its like know what an app needs.
RUNTIMES: dict[str, Callable[[], type[Runtime]]] = {
    "onnxruntime": _onnxruntime,
    "tflite": _tflite,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
}
#: Likewise, for what only shows whether graphs build: it says so, and runs nothing.
CHECKS: dict[str, Callable[[], type[Runtime]]] = {"tensorrt-rtx": _tensorrt_rtx}


def load_runner(
    bundle: Bundle,
    target: str | None = None,
    precision: str | None = None,
    *,
    layout: str = SEGMENTS,
    plan: Plan | None = None,
    provider: str | None = None,
    threads: int | None = None,
    operating_point: str | None = None,
    thresholds: NDArray[np.float32] | Sequence[Sequence[float]] | None = None,
    lazy: bool = False,
    cache: bool | None = False,
    runs: Runtime | None = None,
) -> Runner:
    """See `calexnet.runtimes.load`; `bundle` is opened already, and nothing is kept by default.

    `runs` takes the place of the target's own runtime.
    """
    threads = numbers.threads(threads)
    _check_kinds(target, precision, layout, provider, operating_point, plan)
    chosen, compiled = _choose(bundle, target, precision, layout)
    chosen = runs or chosen
    point = bundle.manifest.operating_point(operating_point, compiled).table()
    table = point if thresholds is None else tables.checked(thresholds, point.shape)

    # Optimised fully, ONNX Runtime writes subgraphs that it does not read again.
    kept = cache if compiled.layout == SEGMENTS else False
    engine = _opener(chosen, bundle, provider, threads, kept)
    first, *later = (_counted(bundle, record) for record in compiled.segments)
    engines = [engine(first)]
    if lazy:
        _refuse_lazy(chosen, compiled)
        at = engines[0].provider
        engines += [LazyEngine(compiled.target, r, partial(engine, r), at) for r in later]
    else:
        engines += map(engine, later)
    # An app seldom asks for plain, which weighs as much as the whole cascade.
    plain = partial(engine, _counted(bundle, compiled.plain))
    stamp = Stamp(
        bundle=bundle.sha256,
        target=compiled.target,
        precision=compiled.precision,
        threads=threads or cores(),
        runtime=compiled.fingerprint.runtime if compiled.fingerprint else chosen.version(),
    )
    opening = Opening(target, precision, layout, plan, provider, threads, lazy, cache, runs)
    again = partial(reopened, str(bundle.folder.resolve()), bundle.sha256, opening)
    return Runner(bundle, compiled, engines, plain, table, chosen.lane, plan, stamp, again)


@dataclass(frozen=True)
class Opening:
    """What `load_runner` was told; see there."""

    target: str | None
    precision: str | None
    layout: str
    plan: Plan | None
    provider: str | None
    threads: int | None
    lazy: bool
    cache: bool | None
    runs: Runtime | None


def reopened(
    folder: str, identity: str, opening: Opening, thresholds: NDArray[np.float32]
) -> Runner:
    """Return a runner as it was opened in another process: what a pickled one becomes.

    A process opens each once, however often it is sent.
    """
    return _opened_once(folder, identity, opening).with_thresholds(thresholds)


@lru_cache(maxsize=4)
def _opened_once(folder: str, identity: str, opening: Opening) -> Runner:
    return load_runner(
        open_bundle(Path(folder)),
        opening.target,
        opening.precision,
        layout=opening.layout,
        plan=opening.plan,
        provider=opening.provider,
        threads=opening.threads,
        lazy=opening.lazy,
        cache=opening.cache,
        runs=opening.runs,
    )


def _opener(
    runs: Runtime, bundle: Bundle, provider: str | None, threads: int | None, cache: bool | None
) -> Callable[[GraphRecord], Engine]:
    """Return what reads and opens a graph of `bundle`, or its optimised form of an earlier load."""
    keeps = provider in (None, "cpu") and runs.keeps and cache is not False
    kept = user_cache(bundle.sha256, runs.version(), wanted=cache) if keeps else None

    def engine(record: GraphRecord) -> Engine:
        read = partial(bundle.read_graph, record)
        if kept is not None:
            return runs.load_kept(record, read, kept, threads=threads)
        return runs.load(record, read(), provider=provider, threads=threads)

    return engine


def _check_kinds(
    target: object,
    precision: object,
    layout: object,
    provider: object,
    operating_point: object,
    plan: object,
) -> None:
    """Do nothing if names are names and the plan is one: a typed caller cannot get here else."""
    numbers.named("target", target)
    numbers.named("precision", precision)
    numbers.named("layout", layout)
    numbers.named("provider", provider)
    numbers.named("operating_point", operating_point)
    if plan is not None and not isinstance(plan, Plan):
        raise InputError(
            "plan cannot be used",
            got=numbers.shown(plan),
            expected="a calexnet.runtimes.Plan, or None",
            fix="Read text with Plan.from_json",
        )


def _refuse_lazy(runs: Runtime, build: Compiled) -> None:
    if build.layout == IF or not runs.lazy:
        raise InputError(
            "segments cannot be opened later",
            got=f"lazy=True for {build.name}",
            expected=f"target onnxruntime, tflite or openvino in layout {SEGMENTS}",
            fix="Leave out lazy",
        )


def _counted(bundle: Bundle, record: GraphRecord) -> GraphRecord:
    """Return `record` with counts: where the file is no ONNX graph, of the graph it is made of."""
    if record.counts is not None:
        return record
    for build in bundle.manifest.compiled:
        for graph in (*build.segments, build.plain):
            if graph.name == record.name and graph.counts is not None:
                return replace(record, counts=graph.counts)
    return record


def _choose(
    bundle: Bundle, target: str | None, precision: str | None, layout: str
) -> tuple[Runtime, Compiled]:
    """Return the runtime and what was compiled for it: the first that works here."""
    if target is not None:
        runtime(target)  # an unknown one is told before the bundle is asked
        compiled = bundle.compiled(target, precision, layout)
        return require_build(bundle, compiled), compiled
    problems: list[CalexnetError] = []
    for build in bundle.manifest.builds:
        if precision in (None, build.precision) and build.layout == layout:
            try:
                return require_build(bundle, build), build
            except (InputError, RuntimeUnavailableError) as problem:  # unknown, or not for here
                problems.append(problem)
    if problems:
        raise problems[0]
    if layout != SEGMENTS:
        bundle.compiled("onnxruntime", precision, layout)  # says how to add it
    raise InputError(
        f"{bundle.folder} holds nothing at precision {precision!r}",
        expected=", ".join(sorted({build.precision for build in bundle.manifest.compiled})),
    )


def require_build(bundle: Bundle, build: Compiled) -> Runtime:
    """Return what runs `build`, if it works here and takes what was built.

    Raises:
        InputError: There is no such runtime.
        RuntimeUnavailableError: It does not work here, or the engines were built elsewhere.
    """
    runs = runtime(build.target).at(build.precision)
    runs.require()
    if build.fingerprint is not None:
        words = f"calexnet-export {bundle.folder} --target {build.target}"
        runs.check(build.fingerprint, f"{words} --precision {build.precision}")
    return runs


def runtime_packages(target: str) -> tuple[str, ...]:
    """Return the packages that run engines of `target` here."""
    return runtime(target).packages()


def runtime(target: str) -> Runtime:
    """Return what runs engines of `target`.

    Raises:
        InputError: There is none.
    """
    kind = (RUNTIMES | CHECKS).get(target)
    if kind is None:
        raise InputError(
            "unknown target", got=repr(target), expected=f"one of {', '.join(RUNTIMES)}"
        )
    return kind()()
