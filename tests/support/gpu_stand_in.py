"""GPUs that are not there: a stand-in for NVIDIA's library under the real pynvml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def build(source: Path, folder: Path, name: str) -> Path:
    """Compile a C file to the library `name` in `folder`, and return its path; skip without gcc."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    flags = ["-shared", "-fPIC", f"-Wl,-soname,{name}"]
    subprocess.run([compiler, *flags, "-o", folder / name, source], check=True)
    return folder / name


def build_nvml(folder: Path) -> Path:
    """Return `folder` with a ``libnvidia-ml.so.1`` in it."""
    pytest.importorskip("pynvml")
    return build(Path(__file__).with_name("nvml_stand_in.c"), folder, "libnvidia-ml.so.1").parent


def ask(library: Path, code: str, *words: str, **settings: str) -> dict[str, Any]:
    """Run `code` in a process of its own that finds the stand-in, and return what it shows.

    Args:
        library: The folder of the stand-in.
        code: Calls ``show(name=value, ...)`` at its end.
        words: Its arguments.
        settings: Environment variables; those of the stand-in say what it answers.
    """
    start = "import json, sys\ndef show(**found): print(json.dumps(found))\n"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CUDA_", "NVML_"))}
    done = subprocess.run(
        [sys.executable, "-c", start + code, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "LD_LIBRARY_PATH": str(library), **settings},
    )
    assert 0 == done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
