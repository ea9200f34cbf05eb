"""Who imports whom, and what can be imported on a board that has next to nothing."""

# The expected value comes first in every comparison.
from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onnx_bundle import write_bundle

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"calexnet": "calexnet"} | {
    f"calexnet.{name}": name for name in ("bench", "devices", "export", "runtimes")
}
#: All that a board may lack.
BLOCKED = [
    *("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "tensorrt", "ai_edge_litert"),
    *("tflite_runtime", "sklearn", "safetensors", "psutil", "pynvml", "PIL"),
    *("matplotlib", "pooch", "tensorrt_rtx", "cuda"),
]

#: What needs torch (or safetensors, which come with it) to be imported.
NEEDS_TORCH = {
    "calexnet.training.backbones.attaching",
    "calexnet.training.backbones.check",
    "calexnet.training.backbones.cifar_resnet",
    "calexnet.training.backbones.frozen",
    "calexnet.training.backbones.resnet",
    "calexnet.training.beforehand",
    "benchmarks.networks",
    "benchmarks.training",
    "calexnet.training.branches",
    "calexnet.training.cascade",
    "calexnet.training.checkpoint",
    "calexnet.training.features",
    "calexnet.training.flops",
    "calexnet.training.recipe",
    "calexnet.training.scores",
    "calexnet.sweep.backbone",
    "calexnet.sweep.cell",
    "calexnet.sweep.grid",
    "calexnet.training.backbone",
    "calexnet.training.weights",
    "calexnet.export.litert_torch.segments",
    "calexnet.export.litert_torch.stages",
} | {
    f"calexnet.{part}.{name}"
    for part, names in {
        "heads": "base boostnet linear prototype pteenet strided trained ztw",
        "methods": "base boostnet calexnet fitting losses pteenet reference softmax trained ztw",
    }.items()
    for name in names.split()
}
#: What builds graphs, on a host.
BUILDS_GRAPHS = {
    "calexnet.export.graph.broadcast",
    "calexnet.export.from_run",
    "calexnet.export.graph.cut",
    "calexnet.export.graph.capture",
    "calexnet.export.graph.nested",
    "calexnet.export.graph.operators",
    "calexnet.export.graph.pooling",
    "calexnet.export.precisions.fp16",
    "calexnet.export.precisions.int8",
    "calexnet.export.precisions.int8_symmetric",
    "calexnet.export.precisions.qdq",
    "calexnet.export.precisions.rejoin",
    "calexnet.export.precisions.trunk",
    "calexnet.export.graph.segments",
    "calexnet.export.graph.serialise",
    "calexnet.export.graph.strided",
} | {
    f"calexnet.export.tflite.{name}"
    for name in (
        "bypass",
        "emitter",
        "fuse",
        "halves",
        "integers",
        "layout",
        "prepare",
        "turning",
        "values",
        "window",
    )
}


_BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
_TRY = """
import importlib
for name in sys.argv[1:]:
    before = set(sys.modules)
    try:
        importlib.import_module(name)
    except ImportError:
        print(name)
        for half in set(sys.modules) - before:
            del sys.modules[half]
"""


def modules() -> dict[str, Path]:
    """Return every module of the package by import name; links are not followed."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            if package == "calexnet" and parts[0] in FOLDERS.values():
                continue  # through a link, on Pythons whose rglob follows them
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            found[name] = path
    return found


MODULES = modules()
#: Every lowering is one file, too many to list.
BUILDS_GRAPHS |= {name for name in MODULES if name.startswith("calexnet.export.tflite.operators.")}


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-Ic", code, *words], capture_output=True, text=True)


def imported(tree: ast.AST, *, lazily: bool) -> Iterator[str]:
    """Yield the modules that a syntax tree imports.

    Args:
        tree: Of a module.
        lazily: Count imports inside functions and for type checkers too.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)
        elif lazily or not (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        ):
            yield from imported(node, lazily=lazily)


def imports(name: str, *, lazily: bool) -> set[str]:
    return set(imported(ast.parse(MODULES[name].read_text("utf-8")), lazily=lazily))


def below(names: set[str], *packages: str) -> set[str]:
    """Return those of `names` that lie in one of `packages`."""
    return {name for name in names for p in packages if name == p or name.startswith(p + ".")}


def test_every_module_but_those_that_say_so_imports_with_next_to_nothing() -> None:
    done = python(_BLOCK + _TRY, *sorted(MODULES))

    assert (0, "") == (done.returncode, done.stderr)
    assert sorted(NEEDS_TORCH | BUILDS_GRAPHS) == done.stdout.split()


def test_a_bundles_graphs_are_rebuilt_without_torch() -> None:
    """Of what builds graphs only what translates a network needs it."""
    names = sorted(BUILDS_GRAPHS - {"calexnet.export.from_run", "calexnet.export.graph.capture"})

    done = python("import sys; sys.modules['torch'] = None" + _TRY, *names)

    assert (0, "") == (done.returncode, done.stderr)
    assert [] == done.stdout.splitlines()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_of_the_core_says_in_its_first_line_that_it_needs_torch(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_text("utf-8")))

    assert text
    if name not in BUILDS_GRAPHS:
        assert (name in NEEDS_TORCH) == text.splitlines()[0].endswith("Needs torch.")


_HELP = (
    _BLOCK
    + """
import importlib
module, *words = sys.argv[1:]
sys.exit(importlib.import_module(module).main([*words, "--help"]))
"""
)


@pytest.mark.parametrize(
    "command",
    [
        "calexnet.cli",
        "calexnet.cli train",
        "calexnet.cli predict",
        "calexnet.cli verify",
        "calexnet.cli data",
        "calexnet.cli sweep",
        "calexnet.cli analyse",
        "calexnet.cli analyse summary",
        "calexnet.cli compare",
        "calexnet.cli doctor",
        "calexnet.cli.export",
        "calexnet.cli.bench",
    ],
)
def test_help_is_given_with_next_to_nothing(command: str) -> None:
    done = python(_HELP, *command.split())

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("usage: calexnet")


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_one_way(name: str) -> None:
    """Down to the core, lazily or not; `bench` may use all, a command what it is for."""
    area = name.split(".")[1] if "." in name else ""
    at_once, ever = imports(name, lazily=False), imports(name, lazily=True)
    if area == "devices":
        assert set() == below(ever, "torch", *(set(FOLDERS) - {"calexnet", "calexnet.devices"}))
        assert set() == below(ever, "calexnet.cli")
    elif area == "runtimes":
        others = {"calexnet.bench", "calexnet.devices", "calexnet.export", "calexnet.cli"}
        assert set() == below(ever, "torch", *others)
    elif area == "export":
        assert set() == below(ever, "calexnet.bench", "calexnet.devices")
    elif area == "analysis":  # reads what sweeps and benches wrote, on a machine without torch
        assert set() == below(ever, "torch", "calexnet.export", "calexnet.devices")
    elif area != "bench":
        assert set() == below(at_once, "calexnet.export", "calexnet.bench", "calexnet.devices")
        if area not in ("", "cli", "__main__"):
            assert set() == below(ever, *(set(FOLDERS) - {"calexnet"}), "calexnet.cli")
    if area in ("", "cli"):
        what_it_is_for = {
            "calexnet.cli.doctor": {"calexnet.devices"},
            "calexnet.cli.compare": {"calexnet.bench"},
        }.get(name, set())
        others = {"calexnet.export", "calexnet.bench", "calexnet.devices"} - what_it_is_for
        assert set() == below(ever, *others)
    if area == "":
        assert set() == below(at_once, "calexnet.runtimes")


_LOAD = """
import sys, calexnet
assert not {"numpy", "onnxruntime"} & set(sys.modules), "the import alone costs nothing"
cascade = calexnet.load(sys.argv[1])
import numpy
cascade(numpy.zeros((3, 8, 8, 3), numpy.uint8))
print(*sorted({"torch", "onnx", "sklearn", "PIL", "psutil", "scipy", "pandas"} & set(sys.modules)))
print(*sorted(name for name in sys.modules if name.startswith(("calexnet.bench", "calexnet.cli"))))
"""


def test_loading_a_bundle_imports_nothing_that_an_app_does_not_need(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")

    done = python(_LOAD, str(tmp_path / "bundle"))

    assert (0, "", "\n\n") == (done.returncode, done.stderr, done.stdout)
