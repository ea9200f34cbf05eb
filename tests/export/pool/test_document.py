"""A pool on disk: which pieces there are, and that nothing else is taken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.errors import BundleError, InputError
from calexnet.export.pool.document import POOL, Span, dump, is_pool, open_pool, refuse_many, spans
from calexnet.files import selfhash


@pytest.fixture
def pool(small_pool: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_pool, tmp_path / "pool"))


def test_pieces_of_two_places_and_two_heads() -> None:
    found = [(span.start, span.stop, span.head) for span in spans("n", ("a", "b"), ("x", "y"))]

    assert [
        *((None, "a", "x"), (None, "a", "y")),
        *((None, "b", "x"), (None, "b", "y"), ("a", "b", "x"), ("a", "b", "y")),
        *((None, None, None), ("a", None, None), ("b", None, None)),
    ] == found


@given(st.integers(0, 12), st.integers(1, 3))
def test_how_many_pieces_there_are(places: int, heads: int) -> None:
    names = tuple(map(str, range(places)))
    found = list(spans("n", names, tuple("xyz"[:heads])))

    assert heads * places * (places + 1) // 2 + places + 1 == len(found) == len(set(found))


def test_too_many_pieces_are_refused() -> None:
    refuse_many("n", tuple(map(str, range(10))), tuple("xyz"))  # 3 * 55 + 11

    with pytest.raises(InputError, match="n comes in too many pieces: got 210, of 11 places"):
        refuse_many("n", tuple(map(str, range(11))), tuple("xyz"))


def test_a_pool_holds_every_piece_at_every_build(small_pool: Path) -> None:
    pool = open_pool(small_pool)

    assert (("onnxruntime", "fp32"), ("tflite", "int8")) == pool.builds()
    wanted = set(spans("tints", ("layer1", "layer2"), ("prototype",)))
    for build in pool.builds():
        assert wanted == set(pool.pieces(*build))
        assert Span("tints") == pool.largest(*build)
    assert ("layer1", "layer2") == pool.network("tints").places
    assert is_pool(small_pool)


def test_pieces_are_counted(small_pool: Path) -> None:
    """MACs of parts add up to those of the whole, the head apart: a cut brings no work."""
    pieces = open_pool(small_pool).pieces("tflite", "int8")
    macs = {span: piece.macs or 0 for span, piece in pieces.items()}
    to_second = macs[Span("tints", None, "layer2", "prototype")]
    first = macs[Span("tints", None, "layer1", "prototype")]
    between = macs[Span("tints", "layer1", "layer2", "prototype")]
    tails = [macs[Span("tints", start)] for start in (None, "layer1", "layer2")]

    head_of_first = first - (tails[0] - tails[1])
    assert to_second + head_of_first == first + between
    assert 0 < tails[2] < tails[1] < tails[0]


def test_it_is_refused_without_its_document(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a pool of pieces: got no such folder"):
        open_pool(tmp_path / "nothing")


def test_a_changed_document_is_refused(pool: Path) -> None:
    text = (pool / POOL).read_text()
    (pool / POOL).write_text(text.replace('"tints"', '"other"'))

    with pytest.raises(BundleError, match=r"pool.json was altered"):
        open_pool(pool)


def test_a_changed_graph_is_refused(pool: Path) -> None:
    path = next(pool.rglob("*.onnx"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(BundleError, match=r"piece\d.onnx was changed"):
        open_pool(pool)


def test_an_unlisted_file_is_refused(pool: Path) -> None:
    (pool / "more.onnx").write_bytes(b"x")

    with pytest.raises(BundleError, match=r"holds a file that its pool.json does not list"):
        open_pool(pool)


def test_a_path_that_leaves_the_folder_is_refused(pool: Path) -> None:
    document = json.loads((pool / POOL).read_text())
    document["pieces"][0]["graph"]["file"]["path"] = "../x.onnx"
    (pool / POOL).write_bytes(selfhash.signed(document))

    with pytest.raises(BundleError, match="leaves the pool"):
        open_pool(pool)


def test_another_schema_is_refused(pool: Path) -> None:
    document = json.loads((pool / POOL).read_text())
    (pool / POOL).write_bytes(selfhash.signed({**document, "schema": 7}))

    with pytest.raises(BundleError, match=r"of another schema: got 7; expected 1. Make the pool"):
        open_pool(pool)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pieces: [*pieces, pieces[0]], "a piece stands there twice"),
        (lambda pieces: pieces[:-6], "a network is not there whole at every build"),
        (
            lambda pieces: [{**pieces[0], "span": {**pieces[0]["span"], "stop": "x"}}],
            "a piece of no network here",
        ),
    ],
)
def test_a_document_that_does_not_fit_itself_is_refused(
    pool: Path, change: object, message: str
) -> None:
    document = json.loads((pool / POOL).read_text())
    document["pieces"] = change(document["pieces"])  # type: ignore[operator]
    (pool / POOL).write_bytes(selfhash.signed(document))

    with pytest.raises(BundleError, match=f"is damaged: got {message}"):
        open_pool(pool)


def test_what_is_written_is_what_is_read(small_pool: Path) -> None:
    assert (small_pool / POOL).read_bytes() == dump(open_pool(small_pool).record)
