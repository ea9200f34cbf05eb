"""The manifest: what a bundle holds, as one typed, versioned, self-hashed JSON document.

Read by export, runtimes and bench alike; numpy and the standard library are enough.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from calexnet import schema
from calexnet.calibration import OperatingPoint
from calexnet.costs import Macs
from calexnet.data.split import SplitRecord
from calexnet.errors import BundleError
from calexnet.preprocessing import Preprocessing
from calexnet.registry import Part

MANIFEST = "manifest.json"
SCHEMA = 2

#: The next step for whoever holds a damaged bundle.
COPY_AGAIN = "Copy the bundle again from where it was made, or export it again"


@dataclass(frozen=True)
class TensorRecord:
    """One input or output of a graph.

    Attributes:
        name: The tensor's name in the graph.
        dtype: Its numpy dtype's name.
        shape: Its dimensions; the batch is ``"n"``.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class FileRecord:
    """One file of the bundle: a relative path with forward slashes, and its bytes' hash."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class GraphRecord:
    """One compiled unit: a segment, or the plain backbone.

    Attributes:
        name: ``segment1`` ... ``segmentN`` or ``plain``.
        file: The engine's or graph's file.
        inputs: In the graph's order.
        outputs: In the graph's order.
        buckets: Batch sizes it was built for, ``None`` = any.
    """

    name: str
    file: FileRecord
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    buckets: tuple[int, ...] | None


@dataclass(frozen=True)
class Parity:
    """How closely compiled graphs followed the cascade on real samples at export.

    Attributes:
        samples: How many real samples were run.
        bound: Largest score difference that counts as rounding.
        score_difference: Largest one seen, over all exits.
        label_flips: Answers that differ, over all exits and samples.
        exit_flips: Exit decisions that differ, over all operating points and samples.
        within_bound: Share of decisions whose score lies within `bound` of its threshold, so that
            rounding may decide them.
    """

    samples: int
    bound: float
    score_difference: float
    label_flips: int
    exit_flips: int
    within_bound: float


@dataclass(frozen=True)
class Compiled:
    """A cascade compiled for one target at one precision.

    Attributes:
        target: ``onnxruntime``, ...
        precision: ``fp32``, ...
        layout: How the cascade is cut; ``segments``.
        segments: In running order; the last is the tail.
        plain: The backbone alone, the cascade's rival.
        parity: Found at export, or ``None``.
        parity_reason: Why `parity` is ``None``.
    """

    target: str
    precision: str
    layout: str
    segments: tuple[GraphRecord, ...]
    plain: GraphRecord
    parity: Parity | None
    parity_reason: str | None


@dataclass(frozen=True)
class BranchRecord:
    """Where a branch is attached, what head it has, and how large that is."""

    attach: str
    head: str
    parameters: int


@dataclass(frozen=True)
class Provenance:
    """Where a bundle comes from.

    Attributes:
        source: SHA-256 of the run it was exported from; bundles of one run share it.
        versions: Of the packages that built it.
        machine: The builder's machine.
        created: UTC, ISO 8601.
    """

    source: str
    versions: dict[str, str]
    machine: str
    created: str


@dataclass(frozen=True)
class Manifest:
    """Everything a runner or a benchmark needs to know about a cascade.

    Attributes:
        schema: Version of this document's form.
        backbone: Name of the backbone.
        classes: Names in label order.
        preprocessing: From camera bytes to what the backbone was trained on.
        branches: One a branch.
        compiled: One a (target, precision); the first usable one is the default.
        operating_points: Threshold tables; the strictest first.
        default_operating_point: Name of the one used unless told otherwise.
        method: How the branches were trained.
        rule: How thresholds are found, to calibrate again.
        macs: Multiply-accumulates of one image.
        split: Which samples of which data set trained, calibrated and may test.
        provenance: Where it comes from.
    """

    schema: int
    backbone: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    branches: tuple[BranchRecord, ...]
    compiled: tuple[Compiled, ...]
    operating_points: tuple[OperatingPoint, ...]
    default_operating_point: str
    method: Part
    rule: Part
    macs: Macs
    split: SplitRecord
    provenance: Provenance

    def __post_init__(self) -> None:
        """Check that the parts speak of the same branches and classes.

        Raises:
            BundleError: They do not.
        """
        self.operating_point(None)
        shape = len(self.branches), len(self.classes)
        for point in self.operating_points:
            if point.table().shape != shape:
                raise BundleError(
                    f"the thresholds of {point.name} do not fit",
                    got=point.table().shape,
                    expected=f"{shape}, branches x classes",
                )
        for build in self.compiled:
            if len(build.segments) != len(self.branches) + 1:
                raise BundleError(
                    f"{build.target} {build.precision} does not fit",
                    got=f"{len(build.segments)} segments",
                    expected=f"{len(self.branches) + 1}, one more than branches",
                )

    def files(self) -> tuple[FileRecord, ...]:
        """Return every file that the bundle holds besides the manifest."""
        return tuple(
            graph.file for build in self.compiled for graph in (*build.segments, build.plain)
        )

    def operating_point(self, name: str | None) -> OperatingPoint:
        """Return the operating point `name`, the default one for ``None``.

        Raises:
            BundleError: There is none of that name.
        """
        wanted = self.default_operating_point if name is None else name
        for point in self.operating_points:
            if point.name == wanted:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise BundleError("unknown operating point", got=repr(wanted), expected=f"one of {known}")


def dump(manifest: Manifest) -> bytes:
    """Return the manifest as JSON bytes, its own hash included."""
    document = schema.encode(manifest)
    document["sha256"] = schema.fingerprint(document)
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse(data: bytes, where: str) -> tuple[Manifest, str]:
    """Return the manifest in `data`, and its hash.

    Args:
        data: The file's bytes.
        where: Its path, for messages.

    Raises:
        BundleError: It is not JSON, of another schema, altered, or not a manifest.
    """
    document = _document(data, where)
    found = document.get("schema")
    if found != SCHEMA:
        raise BundleError(
            f"{where} is of another schema",
            got=repr(found),
            expected=str(SCHEMA),
            fix="Export the cascade again with this version of calexnet",
        )
    recorded = document.pop("sha256", None)
    actual = schema.fingerprint(document)
    if recorded != actual:
        raise BundleError(
            f"{where} was altered",
            got=f"content with SHA-256 {actual[:12]}...",
            expected=f"{str(recorded)[:12]}..., as it says of itself",
            fix=COPY_AGAIN,
        )
    try:
        return schema.decode(Manifest, document), actual
    except ValueError as problem:  # a SchemaError, or a value that its own class refuses
        raise BundleError(f"{where} is not a manifest: {problem}", fix=COPY_AGAIN) from problem


def _document(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
        schema.canonical(document)  # refuses what `dump` cannot write: NaN, lone surrogates
    except (ValueError, RecursionError) as problem:
        raise BundleError(f"{where} is not JSON", got=problem, fix=COPY_AGAIN) from problem
    if not isinstance(document, dict):
        raise BundleError(f"{where} is not a manifest", expected="an object", fix=COPY_AGAIN)
    return document
