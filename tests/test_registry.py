"""Parts by name: built in, one's own, and what is told about the rest."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path

import pytest

from calexnet import registry
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.registry import Allowed, Part

OWN = Allowed(("ownparts", "brokenparts", "nowhere", "", "calexnet", "sys", __name__))
KNOWN = {"part": "calexnet.registry:Part", "text": "builtins:str"}


@dataclasses.dataclass(frozen=True)
class Base:
    """What is wanted."""

    width: int = 3
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Derived(Base):
    """One that refuses some values itself."""

    depth: int = 1

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise InputError("the depth cannot be used", got=self.depth)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the working folder: ``ownparts``, and ``brokenparts``, which does not import."""
    (tmp_path / "ownparts.py").write_text("def mine(): ...\n\nnumber = 3\n")
    (tmp_path / "brokenparts.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "ownparts", raising=False)
    importlib.invalidate_caches()


def test_a_built_in_name_stands_for_its_thing() -> None:
    assert Part is registry.find("part", KNOWN, "thing")


def test_one_of_ones_own_is_found_in_the_working_folder(own: None) -> None:
    assert "mine" == registry.find("ownparts:mine", KNOWN, "thing", OWN).__name__


def test_the_code_of_ones_own_parts_is_known_by_its_files_hash(own: None, tmp_path: Path) -> None:
    names = ["part", "ownparts:mine", "ownparts:mine", "text"]

    before = registry.code_of(names, OWN)
    (tmp_path / "ownparts.py").write_text("def mine(): return 4\n")
    after = registry.code_of(names, OWN)

    assert ["ownparts:mine"] == list(before) == list(after)
    assert 64 == len(before["ownparts:mine"])
    assert before != after
    assert {} == registry.code_of(KNOWN)
    with pytest.raises(InputError, match=r"^cannot tell the code of sys:exit: got <module"):
        registry.code_of(["sys:exit"], OWN)


@pytest.mark.parametrize("name", ["prat", "", "ownparts", "ownparts.mine"])
def test_an_unknown_name_lists_the_known_ones(own: None, name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^unknown thing: got '{name}'; expected one of part, text, or your own as "
        r"package\.module:name$",
    ):
        registry.find(name, KNOWN, "thing")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere:mine", "No module named 'nowhere'"),
        ("ownparts:yours", "has no attribute 'yours'"),
        ("brokenparts:mine", "No module named 'not_installed_anywhere'"),
        ("ownparts:number", "3 is not a callable object"),
        (":mine", "Empty module name"),
        ("ownparts:", "has no attribute ''"),
    ],
)
def test_what_cannot_be_found_says_why(own: None, name: str, why: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^cannot find the thing {name}: got .*{why}.*; expected package\.module:name, "
        r"importable from here\. Check the name, or run from the folder that holds the module\.$",
    ):
        registry.find(name, KNOWN, "thing", OWN)


def test_a_part_is_built_with_its_options_and_defaults_for_the_rest() -> None:
    module = sys.modules[__name__]
    built = registry.build(Part(f"{__name__}:Derived", {"names": ["a"]}), {}, "thing", object, OWN)

    assert module.Derived(names=("a",)) == built


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 1}, r"expected no field 'height', got .*; expected options among width, names"),
        ({"width": "3"}, r"\.width: expected a int, got '3'; expected options among width, names"),
        ({"depth": 0}, r"^the depth cannot be used: got 0$"),
    ],
)
def test_options_that_do_not_fit_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        registry.build(Part(f"{__name__}:Derived", options), {}, "thing", object, OWN)


@pytest.mark.parametrize("name", ["ownparts:mine", "calexnet.gating:ExitTable"])
def test_something_else_is_refused(own: None, name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^{name} is no thing: got <.*>; expected a subclass of calexnet\.registry\.Part$",
    ):
        registry.build(Part(name), {}, "thing", Part, OWN)


def test_a_part_survives_json() -> None:
    part = Part("price", {"costs": [0.5, 1.0], "pooling": 0.3, "deep": {"a": None}})

    assert part == schema.decode(Part, schema.encode(part))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("0.5", 0.5), ("3", 3), ("null", None), ("warm", "warm"), ("[1, 2]", [1, 2])],
)
def test_an_options_text_means_what_it_says(text: str, expected: object) -> None:
    assert expected == registry.option_value(text)
