"""A cut TFLite file is refused before a runtime that does not look sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.errors import InputError
from calexnet.runtimes.classifier import open_classifier
from calexnet.runtimes.tflite.flatbuffer import require_whole
from tests.support.classifier_files import write_tflite
from tests.support.onnx_bundle import CLASSES, preprocessing


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tflite(tmp_path_factory.mktemp("whole") / "a.tflite").read_bytes()


def test_a_whole_file_is_whole(whole: bytes, tmp_path: Path) -> None:
    require_whole(whole)
    quantised = write_tflite(tmp_path / "q.tflite", dtype="uint8", quantisation=(1 / 255, 0))
    require_whole(quantised.read_bytes())


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere_is_refused(whole: bytes, share: float) -> None:
    """All but the last few bytes, which may be there for their number alone."""
    with pytest.raises(ValueError, match=r"^(the file is cut: |no TFLite file: )"):
        require_whole(whole[: int(share * (len(whole) - 16))])


@given(place=st.integers(8, 200), value=st.integers(0, 255))
def test_a_file_that_was_changed_ends_in_an_answer(whole: bytes, place: int, value: int) -> None:
    data = bytearray(whole)
    data[place % len(data)] = value
    try:
        require_whole(bytes(data))
    except ValueError as problem:
        assert str(problem).startswith(("the file is cut", "no TFLite"))  # noqa: PT017


def test_a_cut_rival_is_one_message(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match=r"^tflite refuses .*cut.tflite: got the file is cut: \d+"):
        open_classifier(path, preprocessing(), len(CLASSES))
