"""Optimised graphs kept between loads: a shortcut that never changes an answer or fails a load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import BundleError
from calexnet.export import export_if
from calexnet.files.storage import sha256, staged_file
from calexnet.runtimes import load
from calexnet.runtimes.engines import cache
from calexnet.runtimes.engines.cache import GraphCache, user_cache
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import random_images, write_bundle

KEPT, FOUND = ["bundle; kept"] * 3, ["cache"] * 3


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder that is not there yet, the cache switched on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(cache.VARIABLE)
    return tmp_path / "home"


def origins(runner: Runner) -> list[str]:
    return [engine.origin for engine in runner.engines]  # type: ignore[attr-defined]


def graphs(home: Path) -> list[Path]:
    return sorted(home.rglob("*.onnx"))


def is_same(one: Runner, other: Runner) -> bool:
    images = random_images(40)
    pairs = zip(one(images, probabilities=True), other(images, probabilities=True), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs if a is not None and b is not None)


def test_the_second_load_opens_what_the_first_has_kept(hand_made: Path, home: Path) -> None:
    plain = load_runner(open_bundle(hand_made), threads=1)

    first, second = load(hand_made, threads=1), load(hand_made, threads=1)

    assert KEPT == origins(first)
    assert FOUND == origins(second)
    assert is_same(plain, first)
    assert is_same(plain, second)
    assert np.array_equal(
        plain.plain(random_images(3)).scores, second.plain(random_images(3)).scores
    )
    (folder,) = {path.parent for path in graphs(home)}
    assert open_bundle(hand_made).sha256 == folder.parent.name
    assert folder.name.startswith(f"onnxruntime-{onnxruntime.__version__}-")
    assert home / "calexnet" == folder.parent.parent
    assert 4 == len(graphs(home)), "plain too, when it was asked for"
    assert 0 == (home / "calexnet").stat().st_mode & 0o077


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-symmetric"])
def test_narrow_builds_answer_the_same_from_the_cache(
    small_narrow_bundle: Path, home: Path, precision: str
) -> None:
    runners = [
        load(small_narrow_bundle, "onnxruntime", precision, threads=1, cache=wanted)
        for wanted in (False, True, True)
    ]

    assert [["bundle"] * 3, KEPT, FOUND] == [origins(runner) for runner in runners]
    images = np.random.default_rng(0).integers(
        0, 256, (24, *runners[0].preprocessing.batch_shape()), np.uint8
    )
    for runner in runners[1:]:
        wanted, found = (one.ask_every_exit(images) for one in (runners[0], runner))
        assert np.array_equal(wanted.labels, found.labels)
        assert np.array_equal(wanted.scores, found.scores)


def test_layout_if_is_not_kept(tmp_path: Path, home: Path) -> None:
    """ONNX Runtime does not read again what it writes of a graph with subgraphs."""
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")

    runner = load(tmp_path / "bundle", layout="if", threads=1)

    assert ["bundle"] == origins(runner)
    assert not home.exists()


def test_a_lazy_segment_is_taken_from_the_cache_when_it_is_opened(
    hand_made: Path, home: Path
) -> None:
    load(hand_made, threads=1)

    runner = load(hand_made, threads=1, lazy=True)

    assert is_same(load_runner(open_bundle(hand_made), threads=1), runner)
    assert FOUND == [engine.opened().origin for engine in runner.engines]  # type: ignore[attr-defined]


def change_a_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


@pytest.mark.parametrize(
    "damage",
    [
        change_a_byte,
        lambda path: path.write_bytes(path.read_bytes() + b"0"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".sha256").unlink(),
        lambda path: path.with_suffix(".sha256").write_bytes(b"\xff\xfe"),
    ],
)
def test_what_was_tampered_with_is_not_used_and_is_kept_anew(
    hand_made: Path, home: Path, damage: Callable[[Path], Any]
) -> None:
    wanted = load(hand_made, threads=1)
    for path in graphs(home):
        damage(path)

    found = load(hand_made, threads=1)

    assert KEPT == origins(found)
    assert is_same(wanted, found)
    assert FOUND == origins(load(hand_made, threads=1))


def test_what_does_not_open_is_not_kept_again_and_again(hand_made: Path, home: Path) -> None:
    wanted = load(hand_made, threads=1)
    for path in graphs(home):
        path.write_bytes(b"no graph")
        path.with_suffix(".sha256").write_text(sha256(b"no graph"))

    found = load(hand_made, threads=1)

    assert all(o.startswith("bundle; not kept: ONNX Runtime") for o in origins(found))
    assert is_same(wanted, found)
    assert b"no graph" == graphs(home)[0].read_bytes()


def test_a_kept_graph_gives_way_to_a_bundle_that_was_changed(
    hand_made: Path, tmp_path: Path, home: Path
) -> None:
    shutil.copytree(hand_made, tmp_path / "bundle")
    load(tmp_path / "bundle", threads=1)
    (tmp_path / "bundle" / "onnxruntime" / "segment2.onnx").write_bytes(b"changed")

    with pytest.raises(BundleError, match=r"segment2\.onnx was cut or changed"):
        load(tmp_path / "bundle", threads=1)


def a_file(home: Path) -> None:
    home.write_text("in the way")


def a_file_below(home: Path) -> None:
    home.mkdir()
    (home / "calexnet").write_text("in the way")


def a_folder_that_takes_nothing(home: Path) -> None:
    home.mkdir(mode=0o500)


@pytest.mark.parametrize("place", [a_file, a_file_below, a_folder_that_takes_nothing])
def test_where_nothing_can_be_kept_the_bundle_is_opened_and_the_reason_noted(
    hand_made: Path, home: Path, place: Callable[[Path], None]
) -> None:
    place(home)
    if place is a_folder_that_takes_nothing and os.access(home, os.W_OK):
        pytest.skip("this user may write anywhere")

    runner = load(hand_made, threads=1)

    assert all(origin.startswith("bundle; not kept: ") for origin in origins(runner))
    assert is_same(load_runner(open_bundle(hand_made), threads=1), runner)


def test_a_disk_that_is_full_is_no_obstacle(
    hand_made: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    @contextmanager
    def full(path: Path, *, durable: bool) -> Iterator[Path]:
        with staged_file(path, durable=durable) as stage:
            yield stage
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "staged_file", full)

    runner = load(hand_made, threads=1)

    assert all("not kept: " in origin and "No space" in origin for origin in origins(runner))
    assert is_same(load_runner(open_bundle(hand_made), threads=1), runner)


def test_it_can_be_switched_off_and_on(
    hand_made: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = ["bundle"] * 3
    assert off == origins(load(hand_made, cache=False))
    assert off == origins(load_runner(open_bundle(hand_made)))
    monkeypatch.setenv(cache.VARIABLE, "0")
    assert off == origins(load(hand_made))
    assert not home.exists()

    assert KEPT == origins(load(hand_made, cache=True))


@pytest.mark.parametrize("variable", ["relative/path", ""])
def test_without_a_usable_folder_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """A relative one is to be ignored, says the specification; an empty one means the default."""
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", str(tmp_path))

    found = user_cache("b" * 64, "onnxruntime-1", wanted=True)

    assert found is None if variable else found is not None
    if found is not None:
        assert found.folder.is_relative_to(tmp_path / ".cache" / "calexnet" / ("b" * 64))


def test_another_processor_or_runtime_has_a_folder_of_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(cpuinfo: str, runtime: str = "onnxruntime-1") -> Path | None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
        monkeypatch.setattr(cache, "_CPUINFO", tmp_path / "cpuinfo")
        found = user_cache("b" * 64, runtime)
        return None if found is None else found.folder

    x86 = "vendor_id : A\nmodel name : B\ncpu MHz : {}\nflags : fpu avx2{}\n\nvendor_id : A"
    arm = "processor : 0\nFeatures : fp asimd\nCPU implementer : 0x41\nCPU part : 0xd08\n"
    told = [x86.format(1, ""), x86.format(1, " avx512f"), arm]

    assert 4 == len({*map(folder, told), folder(told[0], "onnxruntime-2")})
    assert folder(x86.format(1, "")) == folder(x86.format(2, "")), "its clock is nothing"
    assert folder("nothing : known") is None


def test_the_bundles_longest_unused_make_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = [GraphCache(home / "calexnet" / (letter * 64) / "onnxruntime-1") for letter in "abcd"]
    (home / "calexnet" / "somebody-elses").mkdir(parents=True)
    monkeypatch.setattr(cache, "MOST_BYTES", 1000)

    def keep(one: GraphCache, age_s: int, size: int = 300) -> None:
        one.write("1" * 64, lambda path: path.write_bytes(bytes(size)))
        os.utime(one.folder.parent, (1e9 - age_s,) * 2)

    for one, age_s in zip(caches[:3], (3, 2, 1), strict=True):
        keep(one, age_s, 200)
    assert all(one.read("1" * 64) == bytes(200) for one in caches[1:3])  # used now
    keep(caches[3], 0, 500)

    assert caches[0].read("1" * 64) is None
    assert bytes(500) == caches[3].read("1" * 64)
    assert (home / "calexnet" / "somebody-elses").is_dir()
    keep(caches[3], 0, 5000)
    assert bytes(5000) == caches[3].read("1" * 64), "what is used is kept, whatever it takes"
    assert caches[1].read("1" * 64) is None


def test_threads_that_load_together_leave_whole_graphs(hand_made: Path, home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runners = list(pool.map(lambda _: load(hand_made, threads=1), range(8)))

    assert all(is_same(runners[0], runner) for runner in runners[1:])
    assert FOUND == origins(load(hand_made, threads=1))
    assert not list(home.rglob("*.partial"))


@pytest.mark.slow
def test_processes_that_load_together_leave_whole_graphs(hand_made: Path, home: Path) -> None:
    code = "import sys, calexnet; print(*(e.origin for e in calexnet.load(sys.argv[1]).engines))"
    command = [sys.executable, "-c", code, str(hand_made)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate()[0] for process in running]

    assert all(process.returncode == 0 for process in running), said
    assert FOUND == origins(load(hand_made, threads=1))


def test_the_bundle_itself_stays_as_it_is(hand_made: Path, tmp_path: Path, home: Path) -> None:
    shutil.copytree(hand_made, tmp_path / "bundle")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "bundle").rglob("*")}

    load(tmp_path / "bundle", threads=1)

    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "bundle").rglob("*")}
    assert isinstance(open_bundle(tmp_path / "bundle"), Bundle)
