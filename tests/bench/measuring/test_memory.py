"""Peak memory, of real processes that run real bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calexnet.bench.measuring import memory
from calexnet.bench.measuring.memory import measure_memory, memory_rows
from calexnet.bench.report.document import Report
from calexnet.bench.report.memory import NETWORKS, Failure, MemoryRow, Network
from calexnet.bench.words.tables.memory import memory_tables, why
from calexnet.files import schema
from tests.support.onnx_bundle import write_bundle
from tests.support.sample_report import SUBJECT, sample_report

MIB = 2**20


def peak_of(folder: Path, network: Network = "plain", batch: int = 1) -> int:
    row = measure_memory(folder, *SUBJECT, network, batch, 1)
    assert row.failure is None
    assert row.peak_bytes is not None
    assert row.before_bytes is not None
    assert 0 < row.before_bytes < row.peak_bytes
    return row.peak_bytes


@pytest.mark.slow
def test_the_peak_is_of_the_child_alone(tmp_path: Path) -> None:
    """What a child inherits in ``ru_maxrss`` must not count."""
    write_bundle(tmp_path / "bundle")
    alone = peak_of(tmp_path / "bundle")

    ballast = np.ones(512 * MIB, np.uint8)
    beside = peak_of(tmp_path / "bundle")

    assert 512 * MIB == ballast.nbytes
    assert abs(beside - alone) < 16 * MIB


@pytest.mark.slow
def test_weights_are_in_it(tmp_path: Path) -> None:
    """A layer of 2,048 by 2,048 floats is 16 MiB, in plain and in the tail; each runs alone."""
    for name, width in (("small", 16), ("large", 2048)):
        write_bundle(tmp_path / name, width=width)

    for network in NETWORKS:
        weights = peak_of(tmp_path / "large", network) - peak_of(tmp_path / "small", network)
        assert 15 * MIB < weights < 100 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_the_tensors_of_a_batch_are_in_it(tmp_path: Path, network: Network) -> None:
    write_bundle(tmp_path / "bundle")
    images = 200_000 * 8 * 8 * 3  # bytes

    more = peak_of(tmp_path / "bundle", network, 200_000) - peak_of(tmp_path / "bundle", network)

    assert images < more


@pytest.mark.slow
def test_every_build_has_a_row_for_each_network(tmp_path: Path) -> None:
    (build,) = write_bundle(tmp_path / "bundle").compiled
    absent = replace(build, target="tflite")

    rows = memory_rows(tmp_path / "bundle", [build, absent], 4, 1)

    assert [
        ("onnxruntime", "plain", 4, 1),
        ("onnxruntime", "cascade", 4, 1),
        ("tflite", "plain", 4, 1),
        ("tflite", "cascade", 4, 1),
    ] == [(row.target, row.network, row.batch, row.threads) for row in rows]
    assert all(row.peak_bytes for row in rows[:2])
    for row in rows[2:]:
        assert (None, None) == (row.peak_bytes, row.before_bytes)
        assert row.failure
        assert "holds no tflite fp32: got onnxruntime fp32" in why(row.failure)


def test_what_a_child_cannot_do_is_the_reason(tmp_path: Path) -> None:
    row = measure_memory(tmp_path / "nothing", *SUBJECT, "plain", 1, 1)

    assert row.failure
    assert why(row.failure).startswith(
        f"{tmp_path / 'nothing'} is not a bundle: got no such folder"
    )


def test_a_child_that_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "bundle")
    monkeypatch.setattr(memory, "_PATIENCE_S", 0.01)

    row = measure_memory(tmp_path / "bundle", *SUBJECT, "plain", 1, 1)

    assert "the process did not end within 0.01 s" == why(row.failure)


def test_a_system_that_does_not_say_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")

    with pytest.raises(SystemExit, match=r"^the system does not say: no VmHWM in /.*none$"):
        memory.peak_bytes()


def test_the_table_says_what_was_found_and_why_not() -> None:
    rows = (
        MemoryRow(*SUBJECT, "plain", 8, 1, 70 * MIB, 52 * MIB, None),
        MemoryRow(*SUBJECT, "cascade", 8, 1, None, None, Failure("said", "killed")),
    )
    report = sample_report(memory=rows)

    (table,) = memory_tables(report)

    assert (
        ("plain", "8", "1", "70.0", "52.0", ""),
        ("cascade", "8", "1", "n/a", "n/a", "killed"),
    ) == table.rows
    assert () == memory_tables(sample_report())
    assert report == schema.decode(Report, schema.encode(report))


def test_a_process_that_cannot_be_started_is_a_reason_and_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that is gone, as after an upgrade, or no memory left to fork."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))

    row = measure_memory(tmp_path, *SUBJECT, "plain", 1, 1)

    assert (None, "the process could not be started: No such file or directory") == (
        row.peak_bytes,
        why(row.failure),
    )
