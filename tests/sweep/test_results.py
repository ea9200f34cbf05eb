"""Cells on disk: read back as they were written, and what is not whole counts as unfinished."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from calexnet.errors import InputError
from calexnet.sweep import results
from calexnet.sweep.results import FailedCell
from calexnet.sweep.spec import Source
from tests.support.sample_cells import answers, axes, result, save, spec

NAME = "method=calexnet,head=prototype,margin=0,seed=0"


def test_a_cell_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = answers()
    record = save(axes(), written, tmp_path).result

    (cell,) = results.read(tmp_path)

    assert record == cell.result
    assert {f"{NAME}.json", f"{NAME}.npz"} == {path.name for path in tmp_path.iterdir()}
    for name in ("calibration", "test"):
        before, after = getattr(written, name), getattr(cell.answers, name)
        np.testing.assert_array_equal(before.table.labels, after.table.labels)
        np.testing.assert_array_equal(before.table.scores, after.table.scores)
        np.testing.assert_array_equal(before.truth, after.truth)
        np.testing.assert_array_equal(before.positions, after.positions)
        assert (np.int32, np.float32) == (after.table.labels.dtype, after.table.scores.dtype)


def test_answers_are_small_numbers_and_no_pickle(tmp_path: Path) -> None:
    save(axes(), answers(), tmp_path)

    with np.load(tmp_path / f"{NAME}.npz", allow_pickle=False) as arrays:
        kinds = {name: str(arrays[name].dtype) for name in arrays.files}

    assert {
        f"{part}_{name}": kind
        for part in ("calibration", "test")
        for name, kind in (
            ("labels", "int16"),
            ("scores", "float32"),
            ("truth", "int16"),
            ("positions", "int32"),
        )
    } == kinds


@pytest.mark.parametrize("change", ["kind", "shape", "missing"])
def test_answers_that_do_not_fit_together_are_refused(tmp_path: Path, change: str) -> None:
    with np.load(BytesIO(results.pack(answers())), allow_pickle=False) as packed:
        arrays = dict(packed)
    truth = arrays.pop("test_truth")
    if change != "missing":
        arrays["test_truth"] = truth[1:] if change == "shape" else truth.astype(np.int64)
    stream = BytesIO()
    np.savez(stream, **arrays)

    with pytest.raises(InputError, match=r"a\.npz is damaged: got "):
        results.unpack(stream.getvalue(), Path("a.npz"))


def test_the_same_answers_pack_to_the_same_bytes() -> None:
    assert results.pack(answers()) == results.pack(answers())


def test_only_exactly_this_spec_is_finished(tmp_path: Path) -> None:
    save(axes(), answers(), tmp_path)

    assert results.finished(spec(axes()), tmp_path)
    assert not results.finished(spec(axes(seed=1)), tmp_path)
    assert not results.finished(spec(axes(), plan={"backbone": "resnet20"}), tmp_path)
    assert not results.finished(spec(axes()), tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", ["json", "npz"])
@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_a_cell_that_is_not_whole_is_not_finished(
    tmp_path: Path, suffix: str, damage: bytes | None
) -> None:
    save(axes(), answers(), tmp_path)
    path = tmp_path / f"{NAME}.{suffix}"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)

    assert not results.finished(spec(axes()), tmp_path)


def test_answers_of_a_later_run_with_an_earlier_document_are_not_finished(tmp_path: Path) -> None:
    """What a kill between the two files leaves."""
    save(axes(), answers(0), tmp_path)
    (tmp_path / f"{NAME}.npz").write_bytes(results.pack(answers(1)))

    assert not results.finished(spec(axes()), tmp_path)
    with pytest.raises(InputError, match=r"was changed after its cell was finished\. Run the same"):
        _ = results.read(tmp_path)[0].answers


def test_a_success_takes_the_record_of_a_failure_away(tmp_path: Path) -> None:
    failed = FailedCell(1, spec(axes()).fingerprint, spec(axes()), "TrainingError", "loss is nan")
    results.write_failure(failed, tmp_path)
    assert (failed,) == results.failures(tmp_path)
    with pytest.raises(InputError, match=r"no finished cells in .*: got 1 failed cells; expected"):
        results.read(tmp_path)

    save(axes(), answers(), tmp_path)

    assert () == results.failures(tmp_path)


def test_cells_of_two_sweeps_are_not_compared(tmp_path: Path) -> None:
    save(axes(), answers(), tmp_path)
    other = spec(axes(seed=1), weights=Source("w", "00" * 32))
    save(axes(seed=1), answers(), tmp_path, spec=other)

    with pytest.raises(InputError, match=r"cannot be compared: got resnet8 \(0{8}\) on animals"):
        results.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, r"is of another schema: got 9; expected 1\. Run the same sweep"),
        ({"seconds": "x"}, r"is no cell of a sweep: got seconds: expected a float, got 'x'"),
    ],
)
def test_a_damaged_document_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    save(axes(), answers(), tmp_path)
    path = tmp_path / f"{NAME}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(InputError, match=message):
        results.read(tmp_path)
    assert () == results.readable(tmp_path)


def test_a_plan_that_is_no_object_is_refused(tmp_path: Path) -> None:
    save(axes(), answers(), tmp_path)
    path = tmp_path / f"{NAME}.json"
    document = json.loads(path.read_text())
    document["spec"]["plan"] = 7
    path.write_text(json.dumps(document))

    with pytest.raises(InputError, match=r"is no cell of a sweep: got spec\.plan: expected an obj"):
        results.read(tmp_path)


@pytest.mark.parametrize("elsewhere", ["/dev/zero", "../a.npz"])
def test_answers_that_lie_elsewhere_are_not_read(tmp_path: Path, elsewhere: str) -> None:
    save(axes(), answers(), tmp_path)
    path = tmp_path / f"{NAME}.json"
    document = json.loads(path.read_text())
    document["answers"]["path"] = elsewhere
    path.write_text(json.dumps(document))

    (cell,) = results.read(tmp_path)
    with pytest.raises(InputError, match=f"lie elsewhere: got {elsewhere}"):
        _ = cell.answers


def test_damaged_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npz is damaged: got "):
        results.unpack(b"PK nothing", tmp_path / "a.npz")


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no finished cells in .*none: got no folder; expected"):
        results.read(tmp_path / "none")


def test_the_fingerprint_is_that_of_the_spec() -> None:
    assert spec(axes()).fingerprint == result(axes()).fingerprint
