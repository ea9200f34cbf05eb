"""What was chosen, as facts: ``choice.json`` is this dataclass, versioned, with its own hash.

Words are made when it is read (`words`, `page`). Shares and drops are 0..1, times are ms an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calexnet.bench.report.interval import Interval
from calexnet.certify import Counts, Outcome
from calexnet.choosing.pool import Chain, Exit
from calexnet.errors import InputError
from calexnet.files import jsontext, schema, selfhash
from calexnet.files.storage import is_folder, regular_bytes

SCHEMA = 1
JSON, HTML, BUNDLE = "choice.json", "choice.html", "bundle"

#: What is made small. ``ms`` stands for images a second too: one image at a time.
Objective = Literal["ms", "joules", "macs"]

#: What became of a contender: of its test (`calexnet.certify`); or accuracy is held against it; or
#: it was not tested, as one that is surer costs less, or as it breaks a limit.
Standing = Literal["reference", "no use", "breaks a limit"] | Outcome


@dataclass(frozen=True)
class Limit:
    """Something that what is shipped has to keep, such as ``p95_ms<=8``.

    Attributes:
        text: As it was asked for.
        metric: One of those that ``calexnet-bench --fail-if`` knows.
        operator: ``<``, ``<=``, ``>`` or ``>=``.
        value: What it is held against.
    """

    text: str
    metric: str
    operator: str
    value: float


@dataclass(frozen=True)
class ClassLimit:
    """What one class may lose at most: a share of its images' accuracy."""

    name: str
    max_drop: float


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        models: As they were named; the last one is the reference.
        objective: What is made small.
        max_drop: Share of accuracy that may be lost.
        limits: What else has to be kept.
        classes: What single classes may lose.
        effort: How much was tried.
        command: As it was typed.
    """

    models: tuple[str, ...]
    objective: Objective
    max_drop: float
    limits: tuple[Limit, ...]
    classes: tuple[ClassLimit, ...]
    effort: str
    command: str


@dataclass(frozen=True)
class NetworkRecord:
    """A network of the pool: its places, and the MACs of one image."""

    name: str
    places: tuple[str, ...]
    macs: int


@dataclass(frozen=True)
class DataRecord:
    """The images: their set, and how many trained, calibrated and tested."""

    name: str
    train: int
    calibration: int
    test: int
    test_sha256: str


@dataclass(frozen=True)
class Candidate:
    """A chain that was looked at, at the best rung of its ladder.

    Attributes:
        chain: Its exits.
        price: Of the rung; ``None`` without gates.
        cost: Predicted mean of an image, in `Choice.unit`.
        counts: Against the reference on the calibration part, by cross-fitting.
        rates: Share that leaves at each exit there.
        hit: Whether it looked as if it could be certified.
        precision: Of the build that it costs this much at.
    """

    chain: tuple[Exit, ...]
    price: float | None
    cost: float
    counts: Counts
    rates: tuple[float, ...]
    hit: bool
    precision: str


@dataclass(frozen=True)
class Figure:
    """What a limit's metric came to; ``None`` = nobody knows."""

    text: str
    value: float | None
    kept: bool


@dataclass(frozen=True)
class ClassTest:
    """One class of a contender, on its test images; `p` is ``None`` if it was not tested."""

    name: str
    test: Counts
    p: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Contender:
    """A build that was measured.

    Attributes:
        chain: Its exits.
        target: What runs it.
        precision: Of its numbers.
        point: Its operating point; ``None`` without gates.
        predicted: Mean cost of an image as the search saw it, in `Choice.unit`.
        ms: Measured, on calibration images; ``None`` if it was not.
        ratio: `ms` over that of the reference, from the same blocks; likewise.
        objective: What is made small: the ratio of times, or joules or MACs of an image.
        figures: What limits ask about.
        calibration: Against the reference, by its own answers.
        test: Likewise on the test part, which chose nothing.
        standing: What became of it.
        p: Of its test.
        upper: Share of accuracy that it loses at most, as sure as the chain is; ``None`` if it was
            not tested.
        by_class: Of the classes with limits.
    """

    chain: tuple[Exit, ...]
    target: str
    precision: str
    point: str | None
    predicted: float
    ms: float | None
    ratio: Interval | None
    objective: float
    figures: tuple[Figure, ...]
    calibration: Counts
    test: Counts
    standing: Standing
    p: float | None = None
    upper: float | None = None
    by_class: tuple[ClassTest, ...] = ()


@dataclass(frozen=True)
class Choice:
    """All of it.

    Attributes:
        schema: Version of this document's form.
        asked: What for.
        data: The images.
        networks: The smallest first.
        reference: Of which accuracy may be lost.
        reference_right: So many test images it answers rightly.
        unit: Of predicted costs: ``macs`` or ``ms``.
        candidates: Every chain that was looked at, the best first.
        contenders: Those that were measured, in the order of their tests.
        chosen: Place of what to ship among them.
        needed: So many test images would certify the first that failed, if they are like these.
        alpha: 1 - confidence of the chain.
        fallen: Claims about times that do not stand on this machine; empty if all do.
        machine: That it was measured on, and processor features that answered.
        versions: Of the packages that took part.
        seconds: All of it took.
    """

    schema: int
    asked: Asked
    data: DataRecord
    networks: tuple[NetworkRecord, ...]
    reference: str
    reference_right: int
    unit: Literal["macs", "ms"]
    candidates: tuple[Candidate, ...]
    contenders: tuple[Contender, ...]
    chosen: int
    needed: int | None
    alpha: float
    fallen: tuple[str, ...]
    machine: tuple[str, ...]
    versions: dict[str, str]
    seconds: float

    @property
    def winner(self) -> Contender:
        """What to ship."""
        return self.contenders[self.chosen]

    @property
    def plain(self) -> Contender:
        """The reference itself."""
        return next(one for one in self.contenders if one.standing == "reference")


def kind(chain: Chain, reference: str) -> Literal["plain", "network", "cut network", "cascade"]:
    """Return what a chain is: the reference alone, another network, one cut short, a cascade."""
    if len(chain) > 1:
        return "cascade"
    if chain[0].place is not None:
        return "cut network"
    return "plain" if chain[0].network == reference else "network"


def dump(choice: Choice) -> bytes:
    """Return the document's bytes."""
    return selfhash.signed(schema.encode(choice))


def _decoded(data: bytes) -> Choice:
    document = jsontext.parse(data)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"no document of schema {SCHEMA}")
    _, content = selfhash.verified(data, document)
    return schema.decode(Choice, content)


def read(path: Path) -> Choice:
    """Return the choice in a file, or in a folder.

    Raises:
        InputError: There is none, it was altered, or is of another version.
    """
    file = path / JSON if is_folder(path) else path
    try:
        data = regular_bytes(file, jsontext.MOST_BYTES)
        return _decoded(data)
    except (OSError, ValueError) as problem:
        raise InputError(
            f"cannot read {file} as a choice",
            got=problem,
            expected="what calexnet choose wrote",
            fix="Choose again",
        ) from problem
