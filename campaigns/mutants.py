"""How many small faults in the core the tests notice: ``python -m campaigns.mutants --help``.

Each mutant lives in a forked process alone, which imports the changed source in place of the file;
no file is touched. It meets only the tests that reach its lines, of the files that mirror the
module. A test that starts processes of its own does not see the mutant there.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.machinery
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import hypothesis
import pytest

from campaigns.mutation import Mutant, mutants

_ROOT = Path(__file__).parents[1]
#: Mutants that no test can tell from what was written, each with the reason.
EQUIVALENTS = Path(__file__).with_name("equivalents.json")
#: What is mutated, and the tests that hold it.
CORE = json.loads(Path(__file__).with_name("core.json").read_text())
#: Loaded once, before any fork: what is slow to import and is not ours.
_SLOW = (
    "numpy",
    "onnxruntime",
    "onnx",
    "onnx_ir",
    "hypothesis.strategies",
    "hypothesis.extra.numpy",
)
#: Share of each module's mutants, in percent, of those that are not equivalent, that must be
#: noticed: what once was, rounded down. It is raised with the tests and never lowered.
FLOORS: dict[str, int] = json.loads(Path(__file__).with_name("floors.json").read_text())
#: What is aimed at, over all.
AIM = 0.95
#: Seconds of the processor for the tests of one mutant, and of the clock for one that waits for
#: ever; one that takes longer is noticed too.
_LIMIT_S, _WAIT_S = 20, 300


@dataclass(frozen=True)
class Subject:
    """A mutant beside the module that it changes.

    Attributes:
        path: Of the module, from the root.
        mutant: What is changed.
    """

    path: str
    mutant: Mutant

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is told in the list of equivalents, wherever its lines move."""
        return self.path, self.mutant.before, self.mutant.after


class Reached:
    """A plugin of pytest that notes which lines of a file each test runs.

    What a shared fixture runs counts for all tests of its file, and what an import runs for all.

    Attributes:
        by_test: Lines by test.
    """

    def __init__(self, path: str) -> None:
        self._path = str(_ROOT / path)
        self._now: set[int] = set()
        self.by_test: dict[str, set[int]] = {}
        self._shared: dict[str, set[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Note what fixtures run."""
        with _Tracing(self._shared.setdefault(_file(item.nodeid), set()), self._path):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Note what the test itself runs."""
        with _Tracing(self.by_test.setdefault(item.nodeid, set()), self._path):
            return (yield)

    def tests(self) -> dict[str, list[int]]:
        """Return the lines by test, with those of its file's fixtures."""
        return {
            test: sorted(lines | self._shared.get(_file(test), set()))
            for test, lines in self.by_test.items()
        }


class _Tracing:
    """Puts the lines of the file at `path` that run meanwhile into `lines`."""

    def __init__(self, lines: set[int], path: str) -> None:
        self._lines, self._path = lines, path

    def __enter__(self) -> None:
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: object) -> Any:
        if not _same(frame.f_code.co_filename, self._path):
            return None
        self._lines.add(frame.f_lineno)
        return self._line

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        self._lines.add(frame.f_lineno)
        return self._line


class Only:
    """A plugin of pytest that keeps some tests, those that failed last in front."""

    def __init__(self, tests: list[str]) -> None:
        self._tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep them, in the given order."""
        place = {test: number for number, test in enumerate(self._tests)}
        items[:] = sorted(
            (item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid]
        )


class First:
    """A plugin of pytest that notes the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note it."""
        if report.failed and not self.failed:
            self.failed = report.nodeid


@cache
def _same(found: str, path: str) -> bool:
    """Tell whether a file is the one at `path`: rooms are linked into the package."""
    return os.path.realpath(found) == path


def _file(test: str) -> str:
    return test.partition("::")[0]


def in_child(work: Callable[[], object], limit_s: float) -> Any:
    """Return what `work` returns in a forked process, by JSON; ``None`` if it died.

    So it does after `limit_s` seconds of the processor.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(work, writing, limit_s)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return json.loads(data) if data else None


def _run_child(work: Callable[[], object], writing: int, limit_s: float) -> None:
    os.setsid()
    signal.setitimer(signal.ITIMER_PROF, limit_s)  # both end the process
    signal.alarm(_WAIT_S)
    silent = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(silent, number)
    try:
        os.write(writing, json.dumps(work()).encode())
    finally:
        os._exit(0)


def _pytest(files: list[str], *plugins: object) -> int:
    options = [
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not slow and not data",
    ]
    return int(pytest.main([*options, *files], plugins=list(plugins)))


def reached(path: str, files: list[str]) -> dict[str, list[int]]:
    """Return the lines of the module at `path` by the tests that run them.

    Raises:
        SystemExit: The tests fail as it is.
    """

    def run() -> object:
        plugin = Reached(path)
        code = _pytest(files, plugin)
        return [code, plugin.tests()]

    code, tests = in_child(run, 10 * _LIMIT_S) or (1, {})
    if code != 0 or not tests:
        raise SystemExit(f"{path}: its tests fail before anything is changed: {' '.join(files)}")
    return dict(tests)


def meets(subject: Subject, tests: list[str]) -> str | None:
    """Return what notices the mutant: the test, or what became of the process; else ``None``."""

    def run() -> object:
        _plant(str(_ROOT / subject.path), subject.mutant.source)
        first = First()
        code = _pytest(sorted({_file(test) for test in tests}), Only(tests), first)
        return first.failed or (None if code in (0, 5) else "at the import")

    if not tests:
        return None
    answer = in_child(lambda: [run()], _LIMIT_S)
    return "no end, or the process died" if answer is None else answer[0]


def _plant(path: str, source: str) -> None:
    """Let the module at `path` be imported as `source`, in this process."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("calexnet", "tests")]:
        del sys.modules[name]
    loader: Any = importlib.machinery.SourceFileLoader
    real = loader.get_code

    def get_code(self: Any, name: str) -> CodeType | None:
        found: CodeType | None = (
            compile(source, path, "exec", dont_inherit=True)
            if _same(self.path, path)
            else real(self, name)
        )
        return found

    loader.get_code = get_code


def concerned(mutant: Mutant, tests: dict[str, list[int]], source: str) -> list[str]:
    """Return the tests that run a mutant's lines; all, if they run at the import."""
    lines = set(range(mutant.lines[0], mutant.lines[1] + 1))
    if not lines & _inside_functions(source):
        return list(tests)
    return [test for test, ran in tests.items() if lines & set(ran)]


def _inside_functions(source: str) -> set[int]:
    """Return the lines of functions' bodies."""
    import ast

    return {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.Lambda))
        for first in [node.body[0] if isinstance(node.body, list) else node.body]
        for line in range(first.lineno, (node.end_lineno or first.lineno) + 1)
    }


def examine(path: str, chosen: list[Subject], files: list[str]) -> list[Subject]:
    """Print what notices each of a module's mutants, and return the survivors."""
    source = (_ROOT / path).read_text()
    tests = reached(path, files)
    survivors, before = [], time.monotonic()
    for subject in chosen:
        able = concerned(subject.mutant, tests, source)
        killer = meets(subject, able)
        if killer in tests:  # what noticed one may well notice the next: ask it first
            tests = {killer: tests[killer], **tests}
        if killer is None:
            survivors.append(subject)
            why = "" if able else "  (no test reaches it)"
            print(subject.mutant.diff(path) + why, flush=True)
    killed = len(chosen) - len(survivors)
    seconds = time.monotonic() - before
    print(f"{path}: {killed} of {len(chosen)} noticed, {seconds:.0f} s", flush=True)
    return survivors


def equivalents() -> set[tuple[str, str, str]]:
    """Return the keys of mutants that are known to change nothing."""
    listed = json.loads(EQUIVALENTS.read_text())
    return {(one["path"], one["before"], one["after"]) for one in listed}


def subjects(paths: list[str]) -> list[Subject]:
    """Return all mutants of modules but the equivalent ones."""
    known = equivalents()
    every = [
        Subject(path, mutant) for path in paths for mutant in mutants((_ROOT / path).read_text())
    ]
    return [one for one in every if one.key not in known]


def fallen(path: str, survivors: int) -> bool:
    """Tell whether a module has more survivors than its floor allows of all its mutants.

    So a sample, which has some of them only, tells it too.
    """
    return survivors > len(subjects([path])) * (100 - FLOORS[path]) / 100


def main() -> int:
    """Print the survivors and the share that was noticed; 1 if a module is below its floor."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", help="modules of the core only, such as calexnet/")
    parser.add_argument("--all", action="store_true", help="every mutant instead of a sample")
    parser.add_argument("--sample", type=int, default=150, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (%(default)s)")
    asked = parser.parse_args()
    paths = [path for path in CORE if not asked.paths or path.startswith(tuple(asked.paths))]
    chosen = subjects(paths)
    if not asked.all:
        random.Random(asked.seed).shuffle(chosen)
        chosen = chosen[: asked.sample]
    _prepare()
    survivors, below = 0, []
    for path in paths:
        mine = [subject for subject in chosen if subject.path == path]
        found = len(examine(path, mine, CORE[path])) if mine else 0
        survivors += found
        below += [path] if fallen(path, found) else []
    noticed = len(chosen) - survivors
    print(f"{noticed} of {len(chosen)} noticed: {noticed / max(len(chosen), 1):.1%}; aim {AIM:.0%}")
    for path in below:
        print(f"{path}: fewer noticed than its floor, {FLOORS[path]} % (campaigns/floors.json)")
    return 1 if below else 0


def _prepare() -> None:
    """Load what is slow, and let hypothesis draw the same examples every time."""
    os.chdir(_ROOT)
    for name in _SLOW:
        importlib.import_module(name)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")


if __name__ == "__main__":
    raise SystemExit(main())
