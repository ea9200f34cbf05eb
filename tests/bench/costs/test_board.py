"""``board.json``: written and read alike, and of one pool alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calexnet.bench.costs.board import read, said, write
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.task import Setting
from calexnet.errors import InputError
from calexnet.export.pool.document import Span, open_pool
from calexnet.files import selfhash
from tests.support.sample_board import board

WHOLE = Span("tints")
TIMES = {(WHOLE, 1): (2.0, 3.0)}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    expected = board(TIMES, watts=5.0)
    write(expected, tmp_path / "board.json")

    assert expected == read(tmp_path / "board.json")


def test_it_says_what_a_piece_costs() -> None:
    found, setting = board(TIMES, watts=5.0), Setting("onnxruntime", "fp32")

    assert Interval(2.0, 1.8, 2.2) == found.ms(WHOLE, setting)
    assert 3.0 == found.row(WHOLE, setting).cold_ms.value
    assert 0.01 == pytest.approx(found.joules(2.0))  # 5 W for 2 ms
    assert None is board(TIMES).joules(2.0)
    assert [1] == [*found.batches("onnxruntime", "fp32", 1)]


def test_it_is_said_in_lines() -> None:
    assert [
        "onnxruntime fp32, batch 1, threads 1: 1 pieces",
        "      2.000 ms warm     3.000 ms cold  tints from the image to its end",
    ] == [*said(board(TIMES))]


def test_a_setting_that_was_not_measured_is_told() -> None:
    with pytest.raises(InputError, match="got tflite int8, batch 4, threads 2; expected onnxrunt"):
        board(TIMES).ms(WHOLE, Setting("tflite", "int8", 4, 2))


def test_the_costs_of_its_pool_are_taken(small_pool: Path, tmp_path: Path) -> None:
    pool = open_pool(small_pool)
    expected = board(TIMES, pool=pool.sha256)
    write(expected, tmp_path / "board.json")

    assert expected == read(tmp_path / "board.json", pool)


def test_the_costs_of_another_pool_are_refused(small_pool: Path, tmp_path: Path) -> None:
    write(board(TIMES), tmp_path / "board.json")

    with pytest.raises(InputError, match="the costs of another pool: got pool 000000000000; exp"):
        read(tmp_path / "board.json", open_pool(small_pool))


def test_a_piece_that_the_pool_has_not_is_refused(small_pool: Path, tmp_path: Path) -> None:
    pool = open_pool(small_pool)
    write(board({(Span("x"), 1): (1.0, 1.0)}, pool=pool.sha256), tmp_path / "board.json")

    with pytest.raises(InputError, match="another pool: got x from the image to its end at onnx"):
        read(tmp_path / "board.json", pool)


def test_an_altered_board_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    write(board(TIMES), path)
    path.write_text(path.read_text().replace("2.0", "1.0"))

    with pytest.raises(InputError, match="holds no costs that can be read: got content with SHA"):
        read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 9}'])
def test_what_is_no_board_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    path.write_text(text)

    with pytest.raises(InputError, match="holds no costs that can be read"):
        read(path)


def test_a_board_with_a_field_too_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    write(board(TIMES), path)
    path.write_bytes(selfhash.signed({**json.loads(path.read_text()), "more": 1}))

    with pytest.raises(InputError, match="no field 'more'"):
        read(path)
