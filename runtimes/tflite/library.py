"""LiteRT on this machine, or its predecessor tflite-runtime where that is what there is."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any

from calexnet.errors import RuntimeUnavailableError


def _litert() -> Any:
    import ai_edge_litert.interpreter as interpreter

    return interpreter


def _tflite_runtime() -> Any:
    import tflite_runtime.interpreter as interpreter

    return interpreter


#: Package -> what imports its module with the interpreter, and the oldest version that can be used,
#: which for the first the extra `tflite` asks for too; best first.
PACKAGES: dict[str, tuple[Callable[[], Any], tuple[int, int]]] = {
    "ai-edge-litert": (_litert, (2, 1)),
    "tflite-runtime": (_tflite_runtime, (2, 14)),
}


def interpreter_module() -> tuple[str, Any]:
    """Return the package that runs engines here, and its module."""
    problems, fix = [], "Run: pip install 'calexnet[tflite]'"
    for package, (load, oldest) in PACKAGES.items():
        try:
            module = load()
        except ImportError as missing:
            problems.append(str(missing))
            continue
        problem = problem_with(package, oldest)
        if not problem:
            return package, module
        problems.append(problem)
        if _numpy_problem(package):
            fix += f"; or pip install 'numpy<2' for {package}"
    raise RuntimeUnavailableError("LiteRT cannot be used here", got="; ".join(problems), fix=fix)


def version_of(package: str) -> str:
    """Return the version of an installed package; frozen into an app, it has no metadata."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(import_module(package.replace("-", "_")).__version__)


def problem_with(package: str, oldest: tuple[int, int]) -> str:
    """Return why an installed package cannot be used, or nothing."""
    version = version_of(package)
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        return f"{package} {version}, older than {oldest[0]}.{oldest[1]}"
    return _numpy_problem(package)


def _numpy_problem(package: str) -> str:
    """Return what is wrong with the old package beside numpy 2: it crashes on the first model."""
    numpy = version_of("numpy")
    if package != "tflite-runtime" or int(numpy.split(".")[0]) < 2:
        return ""
    return f"{package} {version_of(package)} with numpy {numpy}, which needs numpy below 2"
