"""The manifest: what a bundle holds, as one typed, versioned, self-hashed JSON document.

Read by export, runtimes and bench alike; numpy and the standard library are enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calexnet.calibration import CutNetwork, OperatingPoint
from calexnet.certify import Counts
from calexnet.costs import Macs
from calexnet.counts import GraphCounts
from calexnet.data.split import SplitRecord
from calexnet.errors import BundleError
from calexnet.files import jsontext, schema, selfhash
from calexnet.files.targets import READS
from calexnet.images.preprocessing import Preprocessing
from calexnet.parity import Parity
from calexnet.registry import Part

MANIFEST = "manifest.json"
SCHEMA = 2

#: How a cascade is cut into graphs: one a segment, or one alone with nested ``If``.
SEGMENTS, IF = "segments", "if"

#: Names that the segments' own tensors have.
RESERVED = {"image", "threshold", "label", "score", "exit", "probabilities", "logits"}

#: The head of an early exit that is a whole network.
NETWORK = "network"

#: The precision that a cascade is trained at, and the reference of all others.
FULL = "fp32"

#: The next step for whoever holds a damaged bundle.
COPY_AGAIN = "Copy the bundle again from where it was made, or export it again"


@dataclass(frozen=True)
class TensorRecord:
    """One input or output of a graph.

    Attributes:
        name: The tensor's name in the graph.
        dtype: Its numpy dtype's name.
        shape: Its dimensions; the batch is ``"n"``.
        scale: Of a quantised tensor: it stands for ``scale * (number - zero_point)``.
        zero_point: Likewise.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    scale: float | None = None
    zero_point: int | None = None

    @property
    def has_batch(self) -> bool:
        """Whether it has a row a sample."""
        return "n" in self.shape

    def shape_for(self, rows: int) -> tuple[int, ...]:
        """Return the shape at a batch of `rows`."""
        return tuple(rows if isinstance(size, str) else size for size in self.shape)

    def bytes_for(self, rows: int) -> int:
        """Return how many bytes it takes at a batch of `rows`."""
        return int(np.prod(self.shape_for(rows))) * np.dtype(self.dtype).itemsize


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
        counts: Its work, parameters and bytes; ``None`` where the file is no ONNX graph.
    """

    name: str
    file: FileRecord
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    buckets: tuple[int, ...] | None
    counts: GraphCounts | None = None


@dataclass(frozen=True)
class Fingerprint:
    """What built the engines of one GPU, and alone can run them.

    Attributes:
        runtime: Name and version of what built them.
        gpu: The GPU's name; this and the next are ``None`` for engines built without one.
        compute_capability: Such as ``8.7``.
        driver: The newest CUDA version that the driver can serve.
    """

    runtime: str
    gpu: str | None
    compute_capability: str | None
    driver: str | None


@dataclass(frozen=True)
class CalibrationRecord:
    """The real samples by which a build was quantised and its thresholds found.

    Attributes:
        data: The data set's name.
        samples: How many thresholds were calibrated on; labelled, none trained on or to be tested.
        ranged: How many of them activations' ranges were found on.
        sha256: Of the samples' keys and labels.
    """

    data: str
    samples: int
    ranged: int
    sha256: str


@dataclass(frozen=True)
class Compiled:
    """A cascade compiled for one target at one precision.

    Attributes:
        target: ``onnxruntime``, ...
        precision: ``fp32``, ...
        layout: How the cascade is cut; `SEGMENTS` or `IF`.
        segments: In running order; the last is the tail. In layout `IF`, the one graph.
        plain: The backbone alone, the cascade's rival.
        parity: Found at export, or ``None``.
        parity_reason: Why `parity` is ``None``.
        operating_points: The manifest's, carried over to this build's own scores; ``None`` for
            a build that follows the manifest's.
        calibration: What they were calibrated on.
        plain_counts: Calibration samples on which its plain and plain at full precision are not
            both right or both wrong; ``None`` if not recorded, or for a build that follows the
            manifest's.
        cuts: Its networks cut after each branch's stage, likewise.
        fingerprint: Of engines, which run only where they were built; ``None`` for files that run
            anywhere.
    """

    target: str
    precision: str
    layout: str
    segments: tuple[GraphRecord, ...]
    plain: GraphRecord
    parity: Parity | None
    parity_reason: str | None
    operating_points: tuple[OperatingPoint, ...] | None = None
    calibration: CalibrationRecord | None = None
    fingerprint: Fingerprint | None = None
    plain_counts: Counts | None = None
    cuts: tuple[CutNetwork, ...] = ()

    @property
    def name(self) -> str:
        """Target and precision, and the layout where that is not segments."""
        return f"{self.target} {self.precision}" + f" {self.layout}" * (self.layout != SEGMENTS)

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """Its graphs' files, plain last."""
        return tuple(graph.file for graph in (*self.segments, self.plain))


@dataclass(frozen=True)
class BranchRecord:
    """An early exit: a branch, or a whole network before the last one.

    Attributes:
        attach: Where the branch is attached; of a network, its name.
        head: Of what kind it is; `NETWORK` for a whole one, which reads the image.
        parameters: Numbers that it has learnt.
    """

    attach: str
    head: str
    parameters: int

    @property
    def is_network(self) -> bool:
        """Whether it is a whole network."""
        return self.head == NETWORK


@dataclass(frozen=True)
class ModelRecord:
    """One whole network of a model cascade.

    Attributes:
        name: In the cascade.
        sha256: Of the file, or of the run, that it came from.
        licence: As given; ``None`` = nobody said.
        preprocessing: From an image of its own size to its input.
        temperature: What its logits are divided by in the average that the last gate answers for;
            ``None`` where the last network answers alone.
        weight: Of it in that average, likewise.
    """

    name: str
    sha256: str
    licence: str | None
    preprocessing: Preprocessing
    temperature: float | None = None
    weight: float | None = None


@dataclass(frozen=True)
class CutRecord:
    """Of a bundle that holds no cascade but the network cut after a stage, with the head there.

    Attributes:
        number: Of the stage, from 1.
        after: The branch that is its head.
        whole_macs: Multiply-accumulates of the network that it was cut from.
        calibration: What it did on calibration samples, against that network.
    """

    number: int
    after: BranchRecord
    whole_macs: int
    calibration: CutNetwork


@dataclass(frozen=True)
class Provenance:
    """Where a bundle comes from.

    Attributes:
        source: SHA-256 of the run it was exported from; bundles of one run share it.
        versions: Of the packages that built it.
        machine: The builder's machine.
        created: UTC, ISO 8601.
        models: The whole networks of a model cascade, in running order; else empty.
    """

    source: str
    versions: dict[str, str]
    machine: str
    created: str
    models: tuple[ModelRecord, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything a runner or a benchmark needs to know about a cascade.

    Attributes:
        schema: Version of this document's form.
        backbone: Name of the backbone.
        classes: Names in label order.
        preprocessing: From camera bytes to what the backbone was trained on.
        branches: One a branch; none = one network without gates.
        compiled: One a (target, precision, layout); the first usable one is the default.
        operating_points: Threshold tables of the cascade itself; the strictest first. A narrow
            build has its own of the same names.
        default_operating_point: Name of the one used unless told otherwise.
        method: How the branches were trained.
        rule: How thresholds are found, to calibrate again.
        macs: Multiply-accumulates of one image.
        split: Which samples of which data set trained, calibrated and may test.
        provenance: Where it comes from.
        cuts: The network cut after each branch's stage, on calibration samples; empty if not
            recorded. A narrow build has its own.
        cut: Of the network cut after a stage, which has no branches; ``None`` = a cascade, or a
            whole network.
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
    cuts: tuple[CutNetwork, ...] = ()
    cut: CutRecord | None = None

    def __post_init__(self) -> None:
        """Check that the parts speak of the same branches and classes.

        Raises:
            BundleError: They do not.
        """
        self.operating_point(None)
        if self.cut is not None and self.branches:
            raise BundleError(
                "the branches do not fit",
                got=len(self.branches),
                expected="none of a network cut short",
            )
        networks = [branch.attach for branch in self.branches if branch.is_network]
        names = [model.name for model in self.provenance.models]
        if networks != names[:-1]:
            raise BundleError(
                "the networks do not fit",
                got=f"early exits {', '.join(networks) or 'without any'}",
                expected=f"{', '.join(names[:-1]) or 'none'}, as the provenance has them",
            )
        shape = len(self.branches), len(self.classes)
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise BundleError("two classes have one name", got=repr(twice))
        for build in (None, *self.compiled):
            for point in self.points_of(build):
                if (point.thresholds or self.branches) and point.table().shape != shape:
                    raise BundleError(
                        f"the thresholds of {point.name} do not fit",
                        got=point.table().shape,
                        expected=f"{shape}, branches x classes",
                    )
        for build in self.compiled:
            self.operating_point(None, build)
            self._refuse_misfit(build)
        for cuts in (self.cuts, *(build.cuts for build in self.compiled)):
            if len(cuts) not in (0, len(self.branches)):
                raise BundleError(
                    "the networks cut short do not fit",
                    got=len(cuts),
                    expected=f"{len(self.branches)}, one a branch, or none",
                )

    def _refuse_misfit(self, build: Compiled) -> None:
        graphs, branches = len(build.segments), len(self.branches)
        expected = {SEGMENTS: f"{branches + 1}, one more than branches", IF: "1 in layout if"}
        if build.layout not in expected:
            raise BundleError(
                f"unknown layout of {build.target} {build.precision}",
                got=repr(build.layout),
                expected=f"one of {', '.join(expected)}",
                fix="Update calexnet, or export the cascade again with this version",
            )
        if graphs != (1 if build.layout == IF else branches + 1):
            raise BundleError(
                f"{build.target} {build.precision} does not fit",
                got=f"{graphs} segments",
                expected=expected[build.layout],
            )

    @property
    def networks(self) -> int:
        """How many early exits are whole networks: none in an early-exit cascade."""
        return sum(branch.is_network for branch in self.branches)

    def files(self) -> tuple[FileRecord, ...]:
        """Return every file that the bundle holds besides the manifest."""
        return tuple(file for build in self.compiled for file in build.files)

    @property
    def builds(self) -> tuple[Compiled, ...]:
        """What was compiled, and then what other targets can run of it as it is."""
        held = {(one.target, one.precision, one.layout) for one in self.compiled}
        return self.compiled + tuple(
            _as_they_are(one, target)
            for target, (source, precisions) in READS.items()
            for one in self.compiled
            if one.target == source
            and one.precision in precisions
            and (target, one.precision, one.layout) not in held
        )

    @property
    def rounding(self) -> float | None:
        """How far rounding alone moves the cascade's scores, if the export of its run measured it.

        See `calexnet.parity`.
        """
        found = [build.parity.rounding for build in self.compiled if build.parity is not None]
        return max((one for one in found if one is not None), default=None)

    def points_of(self, build: Compiled | None) -> tuple[OperatingPoint, ...]:
        """Return the operating points of `build`; ``None`` = of the cascade itself."""
        if build is None or build.operating_points is None:
            return self.operating_points
        return build.operating_points

    def cuts_of(self, build: Compiled) -> tuple[CutNetwork | None, ...]:
        """Return the network of `build` cut after each branch's stage; ``None`` = not recorded."""
        known = self.cuts if build.operating_points is None else build.cuts
        return known or (None,) * len(self.branches)

    def plain_counts_of(self, build: Compiled) -> Counts | None:
        """Return how plain of `build` did against plain at full precision on calibration samples.

        At full precision these are one network, so no sample tells them apart; ``None`` if it was
        not recorded.
        """
        if build.operating_points is not None:
            return build.plain_counts
        known = self.operating_points[0].counts
        return None if known is None else Counts(known.images, 0, 0)

    def operating_point(self, name: str | None, build: Compiled | None = None) -> OperatingPoint:
        """Return the operating point `name` of `build`, the default one for ``None``.

        Raises:
            BundleError: There is none of that name.
        """
        wanted = self.default_operating_point if name is None else name
        for point in self.points_of(build):
            if point.name == wanted:
                return point
        known = ", ".join(point.name for point in self.points_of(build))
        raise BundleError("unknown operating point", got=repr(wanted), expected=f"one of {known}")


def _as_they_are(source: Compiled, target: str) -> Compiled:
    """Return the build of `target` that runs the files of `source`."""
    reason = f"it runs the files of {source.target} as they are, and was not compared"
    return replace(source, target=target, parity=None, parity_reason=reason)


def with_build(content: Manifest, build: Compiled) -> Manifest:
    """Return `content` with `build` in the place of an earlier such entry, else as the last.

    What is at full precision comes before what is not, and segments before what is made of them:
    the first is the default. What was made of an entry goes with it, and so do those that run
    files of it which are other ones now.
    """
    mine = build.target, build.precision, build.layout
    stale = (build.target, build.precision, IF) if build.layout == SEGMENTS else None
    held = {(c.target, c.precision, c.layout): c for c in content.compiled}
    files = {file.path: file for file in build.files}
    entries = {
        key: entry
        for key, entry in held.items()
        if key == mine
        or (key != stale and all(files.get(file.path, file) == file for file in entry.files))
    } | {mine: build}
    ordered = sorted(entries.values(), key=lambda one: (one.precision != FULL, one.layout == IF))
    return replace(content, compiled=tuple(ordered))


def dump(manifest: Manifest) -> bytes:
    """Return the manifest as JSON bytes, its own hash included."""
    return selfhash.signed(schema.encode(manifest))


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
    try:
        identity, content = selfhash.verified(data, document)
    except selfhash.AlteredError as altered:
        raise BundleError(
            f"{where} was altered",
            got=f"content with SHA-256 {altered.actual[:12]}...",
            expected=f"{altered.recorded[:12]}..., as it says of itself",
            fix=f"{COPY_AGAIN}; after an edit on purpose: calexnet seal {where}",
        ) from None
    try:
        return schema.decode(Manifest, content), identity
    except ValueError as problem:  # a SchemaError, or a value that its own class refuses
        raise BundleError(f"{where} is not a manifest: {problem}", fix=COPY_AGAIN) from problem


def _document(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = jsontext.parse(data)
    except ValueError as problem:
        raise BundleError(f"{where} is not JSON", got=problem, fix=COPY_AGAIN) from problem
    if not isinstance(document, dict):
        raise BundleError(f"{where} is not a manifest", expected="an object", fix=COPY_AGAIN)
    return document
