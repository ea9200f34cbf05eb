"""What a pool's folder holds: ``pool.json`` and the graphs that it lists.

Its form is told in docs/formats.md. Numpy is enough to read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calexnet.errors import BundleError, InputError
from calexnet.files import jsontext, onnxgraph, schema, selfhash, tflitegraph
from calexnet.files.sealed import SealedFolder
from calexnet.files.storage import is_file, is_folder, recover, regular_bytes
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import GraphRecord

POOL = "pool.json"
SCHEMA = 1

#: Most pieces of one network at one target and precision.
MOST_PIECES = 200

_COPY_AGAIN = "Copy the pool again from where it was made, or make it again"


@dataclass(frozen=True)
class Span:
    """What is compiled as one unit: from one place of a network to the next exit.

    Attributes:
        network: Its name in the pool.
        start: The attach point where the piece before it ended; ``None`` = the image.
        stop: The attach point where it ends, with a branch and its gate; ``None`` = the network's
            end, where everybody leaves.
        head: Name of the branch there; ``None`` at the end, whose head is the network's own.
    """

    network: str
    start: str | None = None
    stop: str | None = None
    head: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is the network alone, from the image to its end."""
        return self.start is None and self.stop is None

    def __str__(self) -> str:
        """Return it as people say it."""
        stop = "its end" if self.stop is None else f"{self.stop} with head {self.head}"
        return f"{self.network} from {self.start or 'the image'} to {stop}"


@dataclass(frozen=True)
class PoolNetwork:
    """One network, and where it can be left.

    Attributes:
        name: Unique in the pool.
        backbone: What was built.
        places: Attach points in running order.
        heads: Names of the branches, one of each at every place.
        classes: How many it tells apart.
        preprocessing: What images look like.
    """

    name: str
    backbone: str
    places: tuple[str, ...]
    heads: tuple[str, ...]
    classes: int
    preprocessing: Preprocessing

    def spans(self) -> Iterator[Span]:
        """Yield every piece of a cascade that ends in this network; see `spans`."""
        yield from spans(self.name, self.places, self.heads)


@dataclass(frozen=True)
class Piece:
    """One graph of the pool.

    Attributes:
        span: Which part of which network.
        target: What runs it.
        precision: Of its numbers.
        graph: Its file, with inputs and outputs.
        macs: Multiply-accumulates of one image; ``None`` = the graph cannot be counted.
    """

    span: Span
    target: str
    precision: str
    graph: GraphRecord
    macs: int | None

    @property
    def weight_bytes(self) -> int:
        """How much it reads that is the same for every image."""
        counts = self.graph.counts
        return self.graph.file.size if counts is None else counts.weight_bytes


@dataclass(frozen=True)
class PoolRecord:
    """The document ``pool.json``.

    Attributes:
        schema: Version of its form.
        networks: In the order in which they were given.
        pieces: Network by network, each at every target and precision.
        versions: Of the packages that wrote it.
    """

    schema: int
    networks: tuple[PoolNetwork, ...]
    pieces: tuple[Piece, ...]
    versions: dict[str, str]

    def __post_init__(self) -> None:
        """Check that the parts speak of the same networks, and that there is one of each piece.

        Raises:
            ValueError: They do not.
        """
        places = {network.name: {None, *network.places} for network in self.networks}
        if len(places) < len(self.networks):
            raise ValueError("two networks have one name")
        seen = set()
        for piece in self.pieces:
            span, key = piece.span, (piece.span, piece.target, piece.precision)
            if key in seen:
                raise ValueError(f"a piece stands there twice: {span}")
            if not {span.start, span.stop} <= places.get(span.network, set()):
                raise ValueError(f"a piece of no network here: {span}")
            seen.add(key)
        builds = {(target, precision) for _, target, precision in seen}
        if not seen >= {(Span(name), *build) for name in places for build in builds}:
            raise ValueError("a network is not there whole at every build")


@dataclass(frozen=True)
class Pool:
    """An opened pool: nothing of it has changed since it was written.

    Attributes:
        folder: Where it is.
        record: What it holds.
        sha256: The document's own hash, which names the pool.
    """

    folder: Path
    record: PoolRecord
    sha256: str

    def network(self, name: str) -> PoolNetwork:
        """Return the network of this name."""
        return next(one for one in self.record.networks if one.name == name)

    def builds(self) -> tuple[tuple[str, str], ...]:
        """Return every (target, precision), in their order."""
        return tuple(dict.fromkeys((p.target, p.precision) for p in self.record.pieces))

    def pieces(self, target: str, precision: str) -> dict[Span, Piece]:
        """Return the pieces of a build."""
        wanted = target, precision
        return {p.span: p for p in self.record.pieces if (p.target, p.precision) == wanted}

    def largest(self, target: str, precision: str) -> Span:
        """Return the network, run whole, that reads the most weights."""
        found = [p for s, p in self.pieces(target, precision).items() if s.is_whole]
        return max(found, key=lambda piece: piece.weight_bytes).span

    def read_graph(self, piece: Piece) -> bytes:
        """Return a piece's bytes, checked against the document, and what they hold.

        Raises:
            BundleError: The file is missing, cut or changed, or is not the graph that the document
                declares.
        """
        data = _sealed(self.folder).read(piece.graph.file)
        looks = tflitegraph if piece.graph.file.path.endswith(".tflite") else onnxgraph
        looks.refuse_misfit(piece.graph, data)
        return data


def spans(network: str, places: tuple[str, ...], heads: tuple[str, ...]) -> Iterator[Span]:
    """Yield the pieces that cascades over a network can be put together from.

    With A places and H heads there are H A (A + 1) / 2 that end in a branch, A tails, and the
    network alone. Each is in some cascade of at most four exits, so the search needs them all.

    Args:
        network: Its name.
        places: In running order.
        heads: One of each at every place.
    """
    for number, stop in enumerate(places):
        for start in (None, *places[:number]):
            for head in heads:
                yield Span(network, start, stop, head)
    for start in (None, *places):
        yield Span(network, start)


def refuse_many(network: str, places: tuple[str, ...], heads: tuple[str, ...]) -> None:
    """Do nothing if a network has at most `MOST_PIECES` pieces.

    Raises:
        InputError: It has more.
    """
    count = sum(1 for _ in spans(network, places, heads))
    if count > MOST_PIECES:
        raise InputError(
            f"{network} comes in too many pieces",
            got=f"{count}, of {len(places)} places with {len(heads)} heads each",
            expected=f"at most {MOST_PIECES}",
            fix="Choose fewer places, or fewer heads",
        )


def dump(record: PoolRecord) -> bytes:
    """Return the document as JSON bytes, its own hash included."""
    return selfhash.signed(schema.encode(record))


def open_pool(folder: Path) -> Pool:
    """Return the pool in `folder` after checking all of it.

    Raises:
        BundleError: It is no pool, is damaged or altered, holds a file that its document does not
            list, or lists a path that leaves the folder.
    """
    recover(folder)
    path = folder / POOL
    if not is_file(path):
        raise BundleError(
            f"{folder} is not a pool of pieces",
            got=f"no {POOL}" if is_folder(folder) or is_file(folder) else "no such folder",
            expected="what calexnet choose --pool writes",
        )
    sealed = _sealed(folder)
    sealed.refuse_escape(POOL)
    with sealed.readable(path):
        data = regular_bytes(path, jsontext.MOST_BYTES)
    record, identity = _parsed(data, path)
    files = [piece.graph.file for piece in record.pieces]
    for file in files:
        sealed.refuse_escape(file.path)
    sealed.refuse_unlisted(files)
    sealed.check_all(files)
    return Pool(folder, record, identity)


def is_pool(folder: Path) -> bool:
    """Tell whether there is a pool in `folder`, sound or not."""
    return is_file(folder / POOL)


def _sealed(folder: Path) -> SealedFolder:
    return SealedFolder(folder, POOL, "pool", _COPY_AGAIN)


def _parsed(data: bytes, path: Path) -> tuple[PoolRecord, str]:
    try:
        document: Any = jsontext.parse(data)
        _refuse_schema(document, path)
        identity, content = selfhash.verified(data, document)
        return schema.decode(PoolRecord, content), identity
    except selfhash.AlteredError as altered:
        raise BundleError(
            f"{path} was altered",
            got=f"content with SHA-256 {altered.actual[:12]}...",
            expected=f"{altered.recorded[:12]}..., as it says of itself",
            fix=_COPY_AGAIN,
        ) from None
    except BundleError:
        raise
    except ValueError as problem:  # no JSON, a SchemaError, or a value that its class refuses
        raise BundleError(f"{path} is damaged", got=problem, fix=_COPY_AGAIN) from problem


def _refuse_schema(document: Any, path: Path) -> None:
    found = document.get("schema") if isinstance(document, dict) else None
    if found != SCHEMA:
        raise BundleError(
            f"{path} is of another schema",
            got=repr(found),
            expected=str(SCHEMA),
            fix="Make the pool again with this version of calexnet",
        )
