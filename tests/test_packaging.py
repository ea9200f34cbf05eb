"""What an install brings: every package, typed, under one version, and no more than it needs."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import calexnet
from calexnet.runtimes.tflite.library import PACKAGES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, SETUPTOOLS = CONFIG["project"], CONFIG["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
#: The library in C++ is built from the sources, not installed with Python's.
CPP = ROOT / "runtimes/cpp"
#: What only a host needs.
HEAVY = {"torch", "torchvision", "onnx", "onnxscript", "onnx-ir", "scikit-learn", "scipy"}


def packages_of(name: str, folder: str) -> set[str]:
    """Return the packages below a mapped folder by import name; links are not followed."""
    found = set()
    for path, below, files in os.walk(ROOT / folder):
        if "__init__.py" in files:
            relative = Path(path).relative_to(ROOT / folder)
            found.add(".".join([name, *relative.parts]))
        below[:] = [child for child in below if not (Path(path) / child).is_symlink()]
    return found


def folder_of(package: str) -> Path:
    """Return the folder of any package, through the longest mapped name."""
    mapped = max((name for name in FOLDERS if f"{package}.".startswith(f"{name}.")), key=len)
    return ROOT / FOLDERS[mapped] / package[len(mapped) :].strip(".").replace(".", "/")


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def closure(*wanted: str) -> set[str]:
    """Return the packages that an install of `wanted` brings here, themselves included."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in metadata.requires(name) or []]
            waiting += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
    return found


def test_every_package_is_listed_and_every_listed_one_is_there() -> None:
    found = set().union(*(packages_of(name, folder) for name, folder in FOLDERS.items()))

    assert sorted(found) == sorted(SETUPTOOLS["packages"])


@pytest.mark.parametrize(("name", "folder"), [*FOLDERS.items()])
def test_a_package_is_the_folder_that_it_is_mapped_to(name: str, folder: str) -> None:
    """Where a clone or the source archive has no symbolic links, only type checkers miss them."""
    assert name.startswith("calexnet")
    path = ROOT.joinpath(*name.split("."))
    archive = (ROOT / "PKG-INFO").is_file()
    if not archive and not path.is_file():  # what git writes instead of a link
        assert (ROOT / folder).resolve() == path.resolve()
    file = import_module(name).__file__
    assert file is not None
    assert ROOT / folder / "__init__.py" == Path(file).resolve()


def test_no_folder_is_importable_under_a_name_of_its_own() -> None:
    provided = metadata.distribution("calexnet").read_text("top_level.txt")

    assert provided is None or ["calexnet"] == provided.split()


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert "py.typed" in SETUPTOOLS["package-data"]["calexnet"]
    assert (ROOT / "calexnet/py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_what_is_no_code_is_installed_too() -> None:
    """A wheel leaves out, without a word, whatever stands in no list."""
    listed = {
        folder_of(package) / name
        for package, names in SETUPTOOLS["package-data"].items()
        for name in names
    }
    found = {
        path
        for folder in FOLDERS.values()
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and path.suffix != ".py"
        and "__pycache__" not in path.parts
        and CPP not in path.parents
    }

    assert found == listed


def test_the_version_has_one_source() -> None:
    assert PROJECT["version"] == calexnet.__version__ == metadata.version("calexnet")
    assert "dynamic" not in PROJECT
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            assert not re.search(r"^(__version__|VERSION)\s*[:=]", text, re.MULTILINE), path
            assert f'"{PROJECT["version"]}"' not in text, path


@pytest.mark.parametrize(("name", "target"), [*PROJECT["scripts"].items()])
def test_a_command_names_a_function(name: str, target: str) -> None:
    module, _, function = target.partition(":")

    assert callable(getattr(import_module(module), function))
    assert name.startswith("calexnet")


@pytest.mark.parametrize(
    ("extra", "expected"), [("onnxruntime", {"onnxruntime"}), ("bench", {"pillow", "psutil"})]
)
def test_an_app_and_a_board_install_little(extra: str, expected: set[str]) -> None:
    assert {"numpy"} == names(PROJECT["dependencies"])
    assert expected == names(EXTRAS[extra])
    assert not HEAVY & closure("numpy", *expected)


def test_all_is_every_extra_of_a_user_but_what_is_large_and_for_one_case() -> None:
    (requirement,) = EXTRAS["all"]

    assert (
        set(EXTRAS) - {"all", "dev", "docs", "litert-torch", "tensorrt-rtx"}
        == Requirement(requirement).extras
    )


def test_the_oldest_litert_is_the_same_in_the_extra_and_when_it_is_loaded() -> None:
    (requirement,) = map(Requirement, EXTRAS["tflite"])
    _, oldest = PACKAGES[requirement.name]

    assert f">={'.'.join(map(str, oldest))}" == str(requirement.specifier)


def test_every_direct_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins: dict[str, list[Requirement]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            pin = Requirement(line)
            assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), line
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    wanted = [*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)]
    direct = [Requirement(text) for text in wanted]
    direct = [requirement for requirement in direct if requirement.name != "calexnet"]

    assert [] == sorted({r.name for r in direct} - set(pins))
    for requirement in direct:
        for pin in pins[canonicalize_name(requirement.name)]:
            (specifier,) = pin.specifier
            assert requirement.specifier.contains(Version(specifier.version)), requirement


def test_no_pin_stands_twice_for_one_python() -> None:
    seen: set[tuple[str, str]] = set()
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            for python in ("3.10", "3.11", "3.13"):
                if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                    assert (pin.name, python) not in seen, line
                    seen.add((pin.name, python))


def test_the_oldest_python_is_said_the_same_everywhere() -> None:
    (specifier,) = Requirement(f"calexnet{PROJECT['requires-python']}").specifier
    oldest = specifier.version

    assert f"Programming Language :: Python :: {oldest}" in PROJECT["classifiers"]
    assert f"py{oldest.replace('.', '')}" == CONFIG["tool"]["ruff"]["target-version"]
    assert f"({oldest.replace('.', ', ')})" in (ROOT / "Makefile").read_text("utf-8")


def test_the_source_archive_holds_what_its_tests_need() -> None:
    """Setuptools takes the packages by itself; all else that a clone has is in MANIFEST.in."""
    lines = [line.split() for line in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines()]
    named = {word for verb, *words in lines if verb in ("graft", "include") for word in words}

    assert {
        "tests",
        "benchmarks",
        "campaigns",
        "docs",
        "examples",
        ".ci",
        "Makefile",
        "constraints.txt",
    } <= named
    assert all((ROOT / name).exists() for name in named)


def test_the_version_is_the_same_where_one_cites_it() -> None:
    (line,) = re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.M)

    assert PROJECT["version"] == line
