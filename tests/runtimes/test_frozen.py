"""What PyInstaller and its like find of an app that embeds a cascade: every runtime."""

from __future__ import annotations

from modulefinder import ModuleFinder
from pathlib import Path

import calexnet
from calexnet.runtimes import loading

#: Not looked into: they are found by their names alone, and take a freezer minutes.
OTHERS = [
    "numpy",
    "onnxruntime",
    "openvino",
    "ai_edge_litert",
    "tflite_runtime",
    "tensorrt",
    "cuda",
    "PIL",
]


def test_every_runtime_is_found_from_the_app_s_imports_alone(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text("import calexnet\ncascade = calexnet.load('bundle')\n")
    root = Path(calexnet.__file__).parent
    finder = ModuleFinder([str(root.parent)], excludes=OTHERS)

    finder.run_script(str(app))

    wanted = {runs().__module__ for runs in loading.RUNTIMES.values()}
    assert 4 == len(wanted)
    assert wanted <= set(finder.modules)
    sought = {name.partition(".")[0] for name in finder.badmodules}
    assert {"onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime"} <= sought
