"""LiteRT on this machine, or its predecessor tflite-runtime where that is what there is."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any

from calexnet.errors import RuntimeUnavailableError

#: Package -> module with the interpreter, and the oldest version that can be used, which for the
#: first the extra `tflite` asks for too; best first.
PACKAGES = {
    "ai-edge-litert": ("ai_edge_litert.interpreter", (2, 1)),
    "tflite-runtime": ("tflite_runtime.interpreter", (2, 14)),
}


def interpreter_module() -> tuple[str, Any]:
    """Return the package that runs engines here, and its module."""
    problems, fix = [], "Run: pip install 'calexnet[tflite]'"
    for package, (name, oldest) in PACKAGES.items():
        try:
            module = import_module(name)
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


def problem_with(package: str, oldest: tuple[int, int]) -> str:
    """Return why an installed package cannot be used, or nothing."""
    version = metadata.version(package)
    if tuple(int(part) for part in version.split(".")[:2]) < oldest:
        return f"{package} {version}, older than {oldest[0]}.{oldest[1]}"
    return _numpy_problem(package)


def _numpy_problem(package: str) -> str:
    """Return what is wrong with the old package beside numpy 2: it crashes on the first model."""
    numpy = metadata.version("numpy")
    if package != "tflite-runtime" or int(numpy.split(".")[0]) < 2:
        return ""
    return f"{package} {metadata.version(package)} with numpy {numpy}, which needs numpy below 2"
