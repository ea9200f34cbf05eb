"""What docs/cpp.md shows builds and runs; the library says the version that Python says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import calexnet
from tests.runtimes.cpp.conftest import SOURCE, run

PAGE = SOURCE.parents[1] / "docs/cpp.md"


@pytest.mark.parametrize(("language", "compiler"), [("cpp", "c++"), ("c", "cc")])
def test_the_pages_examples_run(
    release: Path, hand_made: Path, tmp_path: Path, language: str, compiler: str
) -> None:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    source, program = tmp_path / f"app.{language}", tmp_path / "app"
    source.write_text(code)
    flags = ["-Wall", "-Werror", "-I", SOURCE / "include", "-L", release]
    paths = f"-Wl,-rpath,{release},-rpath-link,{release}"

    run(compiler, *flags, "-o", program, source, "-lcalexnet", paths)

    assert re.match(r"(ant|bee|cat|dog) at exit [123]", run(program, hand_made).stdout)


def test_the_version_is_pythons(release: Path) -> None:
    described = (release / "calexnet.pc").read_text()

    assert f"Version: {calexnet.__version__}\n" in described
    assert (release / f"libcalexnet.so.{calexnet.__version__}").is_file()
