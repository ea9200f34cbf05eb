"""Old import paths: they give the very modules that moved, with a word."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from calexnet import moved
from calexnet.training.heads.base import Head


def test_a_plug_in_finds_the_same_class_at_the_old_path() -> None:
    sys.modules.pop("calexnet.heads.base", None)

    with pytest.warns(DeprecationWarning, match=r"calexnet\.heads\.base has moved to calexnet\.tr"):
        old = importlib.import_module("calexnet.heads.base")

    assert Head is old.Head


@pytest.mark.slow
def test_the_old_path_works_in_every_form() -> None:
    """In a process of its own, where nothing was imported before."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import calexnet.methods.softmax\n"
        "from calexnet.heads import linear\n"
        "from calexnet import backbones\n"
        "import calexnet.training.methods.softmax as new\n"
        "assert calexnet.methods.softmax.Softmax is new.Softmax\n"
        "assert 'calexnet.training.methods.softmax' == new.__spec__.name\n"
        "assert backbones.__name__ == 'calexnet.training.backbones'\n"
    )

    done = subprocess.run([sys.executable, "-Ic", code], capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(("old", "new"), [*moved.MOVED.items()])
def test_every_new_path_is_there(old: str, new: str) -> None:
    assert importlib.util.find_spec(new) is not None
    assert new.rpartition(".")[2] == old.rpartition(".")[2]


def test_a_module_that_never_was_is_missed_as_ever() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'calexnet\.nothing'"):
        importlib.import_module("calexnet.nothing")
