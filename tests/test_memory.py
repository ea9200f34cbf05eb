"""How much memory may still be taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet import memory


def test_it_is_what_the_system_says_is_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")

    assert memory.available_bytes() == 5000 * 1024

    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() == 5000 * 1024

    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert memory.available_bytes() == 600_000


def test_without_proc_it_is_all_that_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)

    assert memory.available_bytes() > 1 << 28


@pytest.mark.parametrize(
    ("count", "words"),
    [(950, "0.95 kB"), (1_500_000_000, "1.5 GB"), (12_345, "12.3 kB"), (8 << 40, "8.8 TB")],
)
def test_amounts_in_words(count: int, words: str) -> None:
    assert memory.amount(count) == words
