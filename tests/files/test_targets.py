"""A target stands in three tables, which agree: its files, what compiles it, what runs it."""

from __future__ import annotations

from pathlib import Path

import calexnet
from calexnet.export import targets
from calexnet.files.targets import ENDINGS
from calexnet.runtimes import loading


def test_every_target_has_files_a_compiler_and_a_runtime() -> None:
    assert set(targets.TARGETS) == set(loading.RUNTIMES)
    assert set(targets.CHECKS) == set(loading.CHECKS)
    assert set(targets.TARGETS | targets.CHECKS) == set(ENDINGS)


def test_every_entry_gives_what_its_name_says() -> None:
    for name in targets.TARGETS | targets.CHECKS:
        assert name.replace("-", "") == type(targets.target_of(name)).__name__.lower()
        assert name.replace("-", "") == type(loading.runtime(name)).__name__.lower()


def test_the_library_in_cpp_knows_the_same_files() -> None:
    """It takes those that it does not name for engines."""
    root = Path(calexnet.__file__).parents[1]
    text = (root / "runtimes" / "cpp" / "src" / "bundle.cpp").read_text()
    code = text[text.index("void refuse_type") :].partition("\n}")[0]

    for target, ending in ENDINGS.items():
        assert (ending != ".engine") == (f'"{target}"' in code), target
        assert f'"{ending}"' in code
