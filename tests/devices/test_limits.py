"""Quotas of control groups, as the kernel writes them, and processors that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.devices import limits
from calexnet.devices.limits import Quota, emulated, quota, usable_cores
from calexnet.devices.system import System

HELD = "nr_periods 90\nnr_throttled 7\nthrottled_usec 120000"


def group(root: Path, folder: str, **files: str) -> None:
    place = root / "sys/fs/cgroup" / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name.replace("_", ".", 1)).write_text(text)


def test_a_machine_without_groups_bounds_nothing(tmp_path: Path) -> None:
    assert Quota(None, None) == quota(System(tmp_path))


def test_a_quota_of_version_2_is_cores_and_counts_what_it_held(tmp_path: Path) -> None:
    """150 ms of every 100 ms are one core and a half."""
    group(tmp_path, "", cpu_max="150000 100000\n", cpu_stat=HELD)

    assert Quota(1.5, 7) == quota(System(tmp_path))


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/pod/box\n")
    group(tmp_path, "pod", cpu_max="50000 100000", cpu_stat="nr_throttled 3")
    group(tmp_path, "pod/box", cpu_max="max 100000", cpu_stat="nr_throttled 0")

    assert Quota(0.5, 3) == quota(System(tmp_path))


@pytest.mark.parametrize("folder", ["", "docker/abc"])
def test_a_quota_of_version_1_is_found_in_its_tree(tmp_path: Path, folder: str) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:memory:/m\n4:cpu,cpuacct:/docker/abc\n")
    place = tmp_path / "sys/fs/cgroup/cpu,cpuacct" / folder
    place.mkdir(parents=True)
    (place / "cpu.cfs_quota_us").write_text("200000\n")
    (place / "cpu.cfs_period_us").write_text("100000\n")
    (place / "cpu.stat").write_text(HELD)

    assert Quota(2.0, 7) == quota(System(tmp_path))


def test_no_quota_of_version_1_is_minus_one(tmp_path: Path) -> None:
    place = tmp_path / "sys/fs/cgroup/cpu"
    place.mkdir(parents=True)
    (place / "cpu.cfs_quota_us").write_text("-1")
    (place / "cpu.cfs_period_us").write_text("100000")

    assert Quota(None, None) == quota(System(tmp_path))


@pytest.mark.parametrize(
    ("bound", "expected"),
    [("max 100000", 8), ("50000 100000", 1), ("350000 100000", 3), ("900000 100000", 8)],
)
def test_threads_stay_within_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, expected: int
) -> None:
    monkeypatch.setattr(limits, "available_cores", lambda: 8)
    group(tmp_path, "", cpu_max=bound)

    assert expected == usable_cores(System(tmp_path))


@pytest.mark.parametrize(
    ("modalias", "told", "expected"),
    [
        ("cpu:type:x86,ven0000fam0006mod0055:feature:,0000", "x86_64", None),
        ("cpu:type:x86,ven0000fam0006mod0055:feature:,0000", "i686", None),
        ("cpu:type:x86,ven0000fam0006mod0055:feature:,0000", "aarch64", "x86"),
        ("cpu:type:aarch64:feature:,0000,0001", "aarch64", None),
        ("cpu:type:aarch64:feature:,0000,0001", "armv7l", None),
        ("cpu:type:aarch64:feature:,0000,0001", "x86_64", "aarch64"),
        ("cpu:type:s390x:feature:", "x86_64", None),
    ],
)
def test_a_processor_of_another_family_is_emulated(
    tmp_path: Path, modalias: str, told: str, expected: str | None
) -> None:
    path = tmp_path / "sys/devices/system/cpu/modalias"
    path.parent.mkdir(parents=True)
    path.write_text(modalias)

    assert expected == emulated(System(tmp_path), told)


def test_a_machine_that_does_not_say_is_not_called_emulated(tmp_path: Path) -> None:
    assert emulated(System(tmp_path), "aarch64") is None


def test_instruction_sets_that_choose_kernels_are_told(tmp_path: Path) -> None:
    path = tmp_path / "proc/cpuinfo"
    path.parent.mkdir()
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 sse4_1 avx avx512_vnni\n\nflags\t: none\n")

    assert ("sse4_1", "avx", "avx2", "avx512_vnni") == limits.features(System(tmp_path))
    path.write_text("Features\t: fp asimd evtstrm crc32 asimddp\n")
    assert ("asimd", "asimddp") == limits.features(System(tmp_path))
    assert () == limits.features(System(tmp_path / "nowhere"))
