"""The report as data: ``report.json`` is this dataclass, versioned.

Its rows stand in the modules ``*_records``, by what they are about.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from calexnet.bench.report.counts import CountRow
from calexnet.bench.report.decision import Alternative, ClassDrop, Decision
from calexnet.bench.report.energy import EnergyCrossoverRow, EnergyMethod, EnergyRow, ExitEnergyRow
from calexnet.bench.report.memory import MemoryRow
from calexnet.bench.report.rivals import RivalRecord
from calexnet.bench.report.settled import Settled
from calexnet.bench.report.times import (
    AmortisationRow,
    CrossoverRow,
    ExitRow,
    Flip,
    ForetoldRow,
    GatherRow,
    LatencyRow,
    LayoutRow,
    OperatingPointRow,
    SampleRow,
    SegmentRow,
    WorstRow,
)
from calexnet.bench.report.validity import Validity
from calexnet.costs import Macs
from calexnet.devices.base import DeviceRecord, DeviceState

SCHEMA = 7


@dataclass(frozen=True)
class Accuracy:
    """Plain and cascade on the same test images, at the default operating point.

    `change` is cascade minus plain, with its paired interval; `plain_right_only` and
    `cascade_right_only` are the images on which only one of them is right. What stands for classes
    is ``None`` where an older version did not record it.
    """

    target: str
    precision: str
    samples: int
    plain: float
    cascade: float
    change: float
    change_low: float
    change_high: float
    plain_right_only: int
    cascade_right_only: int
    plain_balanced: float | None
    cascade_balanced: float | None
    worst_class: ClassDrop | None


@dataclass(frozen=True)
class Flops:
    """Work an image, from the manifest; FLOPs = 2 x MACs.

    Attributes:
        macs: Stage by stage, branch by branch.
        plain: FLOPs of the backbone.
        cascade: Mean FLOPs at the default operating point, all visited heads counted.
        cascade_own_head: The same, counting only the head that an image leaves by.
        saved: 1 - cascade / plain.
        time_saved: 1 - ratio of the default operating point, at batch 1 on one thread.
    """

    macs: Macs
    plain: float
    cascade: float
    cascade_own_head: float
    saved: float
    time_saved: float


@dataclass(frozen=True)
class BuildRecord:
    """One build that a bundle holds."""

    target: str
    precision: str
    layout: str


@dataclass(frozen=True)
class BundleRecord:
    """What was measured, and in `builds` all that the bundle holds."""

    path: str
    sha256: str
    backbone: str
    attach: tuple[str, ...]
    head: str
    operating_point: str
    method: str
    builds: tuple[BuildRecord, ...] = ()


@dataclass(frozen=True)
class DataRecord:
    """What it was measured on.

    Attributes:
        source: The data set.
        part: ``test``, or ``all`` if the user vouched that none was trained on.
        samples: How many images.
        sha256: Of the test part's keys and labels; ``None`` for ``all``.
        group: By what images belong together, ``None`` = each by itself, or it was not recorded.
        groups: How many groups, by which accuracy was told and certified; ``None`` without any, or
            where an older version took each image by itself all the same.
    """

    source: str
    part: str
    samples: int
    sha256: str | None
    group: str | None = None
    groups: int | None = None


@dataclass(frozen=True)
class LeftOut:
    """A build that was asked for and does not work here.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        message: What was said when it was tried.
    """

    target: str
    precision: str
    message: str


@dataclass(frozen=True)
class StandIn:
    """A tree of files that stood in for those of the machine.

    Attributes:
        origin: ``recorded`` on a board, or ``reconstructed`` from documents.
        board: What it is a tree of.
    """

    origin: str
    board: str


@dataclass(frozen=True)
class Provenance:
    """How the numbers came to be.

    Attributes:
        versions: Of the packages that took part.
        command: As it was typed.
        started: UTC, ISO 8601.
        seconds: The whole run took.
        blocks: Interleaved blocks.
        clock: What timed a call.
        load: How calls arrived: ``closed``, or ``rate:R`` calls a second.
        seed: Of the order of images and blocks.
        kinds: For each figure that is not plainly measured, what it is.
        providers: By target and precision, the runtime's back end that was in use.
        resumed: How many of the blocks an earlier run left, which was cut short.
        tree: What stood in for the machine's own files, if anything did.
        schema: Of the report as it was written; ``None`` = as it stands.
        old_notes: What an older version told its readers of the run, as it was written.
    """

    versions: dict[str, str]
    command: str
    started: str
    seconds: float
    blocks: int
    clock: str
    load: str
    seed: int
    kinds: dict[str, str]
    providers: dict[str, str] = field(default_factory=dict)
    resumed: int = 0
    tree: StandIn | None = None
    schema: int | None = None
    old_notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it, codes and numbers: what they come to in words is said when it is read.

    Rows name their target and precision; `accuracy` and `flops` are about the first.
    """

    schema: int
    validity: Validity
    decision: Decision
    bundle: BundleRecord
    data: DataRecord
    device: DeviceRecord
    accuracy: Accuracy
    alternatives: tuple[Alternative, ...]
    rivals: tuple[RivalRecord, ...]
    amortisation: tuple[AmortisationRow, ...]
    crossover: tuple[CrossoverRow, ...]
    flips: tuple[Flip, ...]
    latency: tuple[LatencyRow, ...]
    operating_points: tuple[OperatingPointRow, ...]
    exits: tuple[ExitRow, ...]
    worst: tuple[WorstRow, ...]
    foretold: tuple[ForetoldRow, ...]
    segments: tuple[SegmentRow, ...]
    flops: Flops
    energy: tuple[EnergyRow, ...]
    provenance: Provenance
    samples: tuple[SampleRow, ...]
    exit_energy: tuple[ExitEnergyRow, ...] = ()
    energy_crossover: tuple[EnergyCrossoverRow, ...] = ()
    energy_method: EnergyMethod | None = None
    device_after: DeviceState | None = None
    counts: tuple[CountRow, ...] = ()
    memory: tuple[MemoryRow, ...] = ()
    layouts: tuple[LayoutRow, ...] = ()
    gathers: tuple[GatherRow, ...] = ()
    settled: Settled | None = None
    left_out: tuple[LeftOut, ...] = ()
