"""What a run, a bundle or a cell names is never imported, unless its reader was told to."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calexnet import export, manifest
from calexnet.cli import main
from calexnet.errors import InputError
from calexnet.files import selfhash
from calexnet.registry import Allowed, Part, find
from calexnet.rules.threshold import ThresholdRule
from tests.support.sample_cells import answers, axes, save

#: Says that it ran, and is of use as a rule and a backbone.
PAYLOAD = """
from pathlib import Path
Path("it ran").touch()
from calexnet.rules.threshold import ThresholdRule
class Rule(ThresholdRule): ...
def build(classes): ...
"""

#: Where in ``cascade.json`` a part is named.
PLACES: dict[str, tuple[str, ...]] = {
    "backbone": ("backbone", "name"),
    "method": ("recipe", "method", "name"),
    "head": ("recipe", "head"),
    "score": ("recipe", "score"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, as a program sees it, with the folder ``evil`` and its ``payload.py``."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "payload.py").write_text(PAYLOAD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != ""])
    for name in ("evil", "evil.payload", "payload", "mine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return tmp_path


def evil_run(run: Path, place: Path, where: tuple[str, ...], name: str) -> None:
    shutil.copytree(run, place / "evil", dirs_exist_ok=True)
    path = place / "evil" / "cascade.json"
    document = json.loads(path.read_text())
    inner: Any = document["cascade"]
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = name
    path.write_bytes(selfhash.signed(document))


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("name", ["evil.payload:build", "os:abort", "builtins:exec"])
def test_evaluating_a_run_imports_nothing_that_it_names(
    small_run: Path, place: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evil_run(small_run, place, PLACES[kind], name)
    before, path = set(sys.modules), list(sys.path)

    assert 2 == main(["evaluate", "evil", "--data", "none.npz"])

    top = name.partition(":")[0].partition(".")[0]
    assert (
        f"calexnet evaluate: error: will not import the {kind} {name}: got a module that was not "
        "allowed; expected the name of a built-in one, or a module that you trust. If you trust "
        f"its code, add --allow {top}, or in Python allow=['{top}'].\n"
    ) == capsys.readouterr().err
    assert path == sys.path
    assert not {one for one in set(sys.modules) - before if "payload" in one or "evil" in one}
    assert not (place / "it ran").exists()


@pytest.mark.parametrize("folder", [".", "evil"])
def test_a_data_folder_gives_no_module_even_if_its_name_is_allowed(
    small_run: Path, place: Path, folder: str, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    name = "evil.payload" if folder == "." else "payload"
    evil_run(small_run, place, PLACES["backbone"], f"{name}:build")
    monkeypatch.chdir(folder)
    run = "evil" if folder == "." else "."

    code = main(["evaluate", run, "--data", "x.npz", "--allow", name.partition(".")[0]])

    assert 2 == code
    error = capfd.readouterr().err
    assert (
        f"will not import the backbone {name}:build: got {place}/evil/payload.py, a file" in error
    )
    assert "expected code that lies outside of data. If it is your own, move it out" in error
    assert not list(place.rglob("it ran"))


def test_nor_does_another_data_folder(place: Path, small_run: Path) -> None:
    shutil.copy(small_run / "cascade.json", "evil")
    sys.path.insert(0, "")

    with pytest.raises(InputError, match=r"payload\.py, a file in the data folder .*evil; expec"):
        find("evil.payload:build", {}, "backbone", Allowed(("evil",)))

    assert not (place / "it ran").exists()


@pytest.mark.parametrize("folder", [None, "lib"])
def test_an_allowed_part_is_imported(place: Path, folder: str | None) -> None:
    """From a module, or a namespace package, beside a manifest.json that is none of ours."""
    module = "mine" if folder is None else f"{folder}.mine"
    Path(folder or ".").mkdir(exist_ok=True)
    Path(folder or ".", "mine.py").write_text(PAYLOAD)
    Path("manifest.json").touch()
    sys.path.insert(0, "")

    found = find(f"{module}:Rule", {}, "rule", Allowed((module.partition(".")[0],)))

    assert issubclass(found, ThresholdRule)
    sys.modules.pop(module)


@pytest.mark.parametrize(
    ("allowed", "name"), [("mine", "minerals:x"), ("mine.own", "mine:x"), ("", "mine:x")]
)
def test_a_name_allows_itself_and_what_is_in_it(allowed: str, name: str) -> None:
    with pytest.raises(InputError, match=r"^will not import the rule "):
        find(name, {}, "rule", Allowed((allowed,)))


@pytest.mark.slow
def test_a_bundle_imports_no_rule(
    small_bundle: Path, small_npz: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from calexnet.cli.export import main as calexnet_export

    shutil.copytree(small_bundle, "bundle")
    content, _ = manifest.parse(Path("bundle/manifest.json").read_bytes(), "")
    changed = replace(content, rule=Part("evil.payload:Rule"))
    Path("bundle/manifest.json").write_bytes(manifest.dump(changed))
    words = ["bundle", "--precision", "int8", "--calib-data", str(small_npz)]

    assert 2 == calexnet_export(words)

    assert "will not import the threshold rule evil.payload:Rule" in capsys.readouterr().err
    assert not (place / "it ran").exists()
    with pytest.raises(InputError, match=r"^will not import the threshold rule evil\.payload:Rule"):
        export.export_bundle(
            "bundle", target="onnxruntime", precision="int8", calib_data=str(small_npz)
        )


def test_an_analysis_imports_no_rule_of_a_cell_but_an_allowed_one(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(axes(), answers(), place / "cells", rule=Part("mine:Rule"))
    Path("mine.py").write_text(PAYLOAD)
    words = ["analyse", "pareto", "cells", "--out", "out", "--no-figures"]

    assert 2 == main(words)
    assert "will not import the threshold rule mine:Rule" in capsys.readouterr().err
    assert not (place / "it ran").exists()

    assert 0 == main([*words, "--allow", "mine"])
    assert (place / "it ran").exists()
    assert 2 == main([*words, "--rule", "own"])
    assert 0 == main([*words, "--rule", "mine:Rule"])  # typed is allowed
