"""What can be imported, and asked for help, on a board that has next to nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.onnx_bundle import write_bundle
from tests.test_house import modules, within

#: All that a board may lack.
BLOCKED = [
    *("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "tensorrt", "ai_edge_litert"),
    "openvino",
    *("tflite_runtime", "sklearn", "safetensors", "psutil", "pynvml", "PIL"),
    *("matplotlib", "pooch", "tensorrt_rtx", "cuda"),
]

#: Where torch is needed to import a module.
TORCH = (
    *("calexnet.training", "calexnet.sweep", "calexnet.export.litert_torch"),
    *("calexnet.export.graph.capture", "calexnet.export.models.of_torch"),
)
#: Where graphs are built, `calexnet.export.from_run` from a run: onnx is needed besides.
GRAPHS = (
    *("calexnet.export.graph", "calexnet.export.intake", "calexnet.export.from_run"),
    *("calexnet.export.precisions", "calexnet.export.tflite", "calexnet.export.pool"),
    "calexnet.export.models",
)
#: What is in a run: read without torch.
RUNS = [f"calexnet.training.{name}" for name in ("spec", "record", "graph_run", "runs")]

#: What names the parts of the wing, for command lines and boards.
REGISTRIES = [
    f"calexnet.{name}"
    for name in ("training", "training.backbones", "training.heads", "training.methods", "sweep")
]

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


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-Ic", code, *words], capture_output=True, text=True)


def failing(block: str, names: set[str]) -> set[str]:
    """Return those of `names` that cannot be imported after the code `block`."""
    done = python(block + _TRY, *sorted(names))
    assert (0, "") == (done.returncode, done.stderr)
    return {*done.stdout.split()}


def test_only_the_wing_and_what_builds_graphs_needs_more_than_numpy() -> None:
    found = failing(_BLOCK, {*modules()})

    assert set() == {name for name in found if not within(name, *TORCH, *GRAPHS)}
    assert set() == found & {*REGISTRIES, *RUNS}, "registries name parts, and import none"
    assert {"calexnet.training.cascade", "calexnet.export.graph.cut"} <= found, "it was blocked"


def test_a_bundles_graphs_are_rebuilt_without_torch() -> None:
    """Of what builds graphs only what translates a network needs it."""
    names = {name for name in modules() if within(name, *GRAPHS) and not within(name, *TORCH)}

    assert set() == failing("import sys; sys.modules['torch'] = None\n", names)


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
        "calexnet.cli distill",
        "calexnet.cli predict",
        "calexnet.cli verify",
        "calexnet.cli inspect",
        "calexnet.cli data",
        "calexnet.cli sweep",
        "calexnet.cli analyse",
        "calexnet.cli analyse summary",
        "calexnet.cli report",
        "calexnet.cli compare",
        "calexnet.cli doctor",
        "calexnet.cli seal",
        "calexnet.cli.export",
        "calexnet.cli.bench",
    ],
)
def test_help_is_given_with_next_to_nothing(command: str) -> None:
    done = python(_HELP, *command.split())

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("usage: calexnet")


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
