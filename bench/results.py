"""The report as data: ``report.json`` is this dataclass, versioned.

Times are ms an image unless a name says otherwise; shares and accuracies are 0..1; ``ratio`` is
cascade over plain, so under 1 the cascade is faster. Intervals are 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calexnet.bench.counts import CountRow
from calexnet.bench.memory import MemoryRow
from calexnet.costs import Macs
from calexnet.devices.base import DeviceRecord, DeviceState
from calexnet.devices.energy import SourceRecord

SCHEMA = 2

Verdict = Literal["cascade", "plain", "unclear"]
Network = Literal["plain", "cascade"]


@dataclass(frozen=True)
class AmortisationRow:
    """What an image costs at one batch size (after the paper's table A3.1)."""

    target: str
    precision: str
    batch: int
    threads: int
    plain_ms: float
    cascade_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    predicted_cascade_ms: float


@dataclass(frozen=True)
class CrossoverRow:
    """Where the cascade starts to pay at one batch size (after the paper's table A3.2).

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        break_even_exit_rate: Share that must leave before the tail, the observed mix among
            branches kept, for both to cost the same; ``None`` if even 1 loses. Predicted.
        observed_exit_rate: Share that does, on the test part. Measured.
        verdict: Who is faster, ``unclear`` if the interval of the ratio holds 1.
    """

    target: str
    precision: str
    batch: int
    threads: int
    break_even_exit_rate: float | None
    observed_exit_rate: float
    verdict: Verdict


@dataclass(frozen=True)
class Flip:
    """Two batch sizes between which the verdict changes sides; those between are unclear."""

    target: str
    precision: str
    threads: int
    from_batch: int
    from_verdict: Verdict
    to_batch: int
    to_verdict: Verdict


@dataclass(frozen=True)
class OperatingPointRow:
    """What one margin costs and saves, on the test part, at batch 1 on one thread.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        name: Of the operating point.
        setting: It was made for: a margin, a slack, a threshold or a budget.
        default: Whether it is the one that all other tables are about.
        accuracy: Of the cascade.
        accuracy_low: Lower end of its interval.
        accuracy_high: Upper end.
        change: Accuracy minus the backbone's on the same images.
        change_low: Lower end of its paired interval.
        change_high: Upper end.
        exit_rates: Share of images at each exit.
        macs: Mean MACs an image, all visited heads counted.
        macs_own_head: The same with only the head that the image leaves by.
        macs_ratio: `macs` over the plain backbone's.
        batch: 1.
        threads: 1.
        plain_ms: Measured in the same blocks.
        ms: Measured.
        ratio: `ms` over `plain_ms`.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        verdict: As in the crossover table.
    """

    target: str
    precision: str
    name: str
    setting: float
    default: bool
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    change: float
    change_low: float
    change_high: float
    exit_rates: tuple[float, ...]
    macs: float
    macs_own_head: float
    macs_ratio: float
    batch: int
    threads: int
    plain_ms: float
    ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    verdict: Verdict


@dataclass(frozen=True)
class ExitRow:
    """One exit at the default operating point.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        exit: From 1; the last is the backbone's own head.
        rate: Share of test images that leave here.
        accuracy: Of those; ``None`` if there are none.
        latency_ms: Of an image that leaves here, at batch 1 on one thread.
        latency_low: Lower end of its interval.
        latency_high: Upper end.
        forced: No image leaves here by itself: the gate was forced to time the path.
    """

    target: str
    precision: str
    exit: int
    rate: float
    accuracy: float | None
    latency_ms: float
    latency_low: float
    latency_high: float
    forced: bool


@dataclass(frozen=True)
class SegmentRow:
    """One segment, or ``plain`` as segment 0, alone at one batch size."""

    target: str
    precision: str
    segment: int
    batch: int
    threads: int
    ms: float


@dataclass(frozen=True)
class Accuracy:
    """Plain and cascade on the same test images, at the default operating point.

    `change` is cascade minus plain, with its paired interval; `plain_right_only` and
    `cascade_right_only` are the images on which only one of them is right.
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


@dataclass(frozen=True)
class Alternative:
    """One network that could be shipped, at batch 1 on one thread, all timed in turns.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        network: The backbone alone, or the cascade at the default operating point.
        accuracy: On the test part.
        accuracy_low: Lower end of its interval.
        accuracy_high: Upper end.
        ms: An image.
        ratio: `ms` over that of the fastest plain network of all targets and precisions.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
    """

    target: str
    precision: str
    network: Network
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Flops:
    """Work an image, from the manifest (fvcore); FLOPs = 2 x MACs.

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
class EnergyCost:
    """Joules an image, the median over windows, with its interval."""

    joules: float
    low: float
    high: float


@dataclass(frozen=True)
class EnergyComparison:
    """Plain beside cascade, from windows taken in turns.

    Attributes:
        plain: An image on the backbone alone.
        cascade: An image on the cascade.
        ratio: `cascade` over `plain`; ``None`` where plain lies in the noise above idle.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        verdict: Who uses less, ``unclear`` if the interval holds 1.
    """

    plain: EnergyCost
    cascade: EnergyCost
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: Verdict


@dataclass(frozen=True)
class EnergyRow:
    """Energy and processor time an image.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        gross: All that the device used; ``None`` if nothing measured it.
        net: What it used above idle; ``None`` if nothing measured it.
        reason: Why nothing did.
        plain_cpu_s: Processor-seconds of this process, all threads, in the amortisation's blocks.
        cascade_cpu_s: Likewise.
        plain_estimated_j: From the processor-seconds and ``--cpu-tdp-w``, if that was given.
        cascade_estimated_j: Likewise.
    """

    target: str
    precision: str
    batch: int
    threads: int
    gross: EnergyComparison | None
    net: EnergyComparison | None
    reason: str | None
    plain_cpu_s: float
    cascade_cpu_s: float
    plain_estimated_j: float | None = None
    cascade_estimated_j: float | None = None


@dataclass(frozen=True)
class ExitEnergyRow:
    """Energy of an image that leaves at one exit, at batch 1 on one thread.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        exit: From 1; the last is the backbone's own head.
        rate: Share of test images that leave here.
        gross: All that the device used; ``None`` if nothing measured it.
        net: What it used above idle; ``None`` if nothing measured it.
        reason: Why nothing did.
    """

    target: str
    precision: str
    exit: int
    rate: float
    gross: EnergyCost | None
    net: EnergyCost | None
    reason: str | None


@dataclass(frozen=True)
class EnergyCrossoverRow:
    """Where the cascade starts to save energy, at batch 1 on one thread.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        break_even_exit_rate: Share that must leave early, the observed mix kept; ``None`` if even 1
            uses more. Predicted from the exits' own joules.
        observed_exit_rate: Share that does.
        recombined_j: The exits' joules, weighted with the observed shares.
        cascade_j: The cascade's own, measured on images in their mixed order.
    """

    target: str
    precision: str
    break_even_exit_rate: float | None
    observed_exit_rate: float
    recombined_j: float
    cascade_j: float


@dataclass(frozen=True)
class ProbeCost:
    """What reading the sensor itself cost.

    Attributes:
        readings: Taken in all.
        read_ms: Mean time of one.
        cpu_share: Processor time of the reading thread over wall time; 1 = one core, all the time.
        slowdown: Time of plain beside the probe over its time without, in turns.
        slowdown_low: Lower end of its interval.
        slowdown_high: Upper end.
    """

    readings: int
    read_ms: float
    cpu_share: float
    slowdown: float
    slowdown_low: float
    slowdown_high: float


@dataclass(frozen=True)
class EnergyMethod:
    """How energy was measured.

    Attributes:
        source: The sensor; ``None`` if there is none.
        reason: Why there is none.
        refused: Sensors that could not be used, and why.
        windows: For each figure.
        window_s: Of each, at least.
        idle_before_w: Power of the idle device before the first window.
        idle_after_w: And after the last.
        idle_reason: Why an idle power is missing.
        probe: What reading cost; ``None`` if another machine reads.
        cpu_tdp_w: As given for the estimate.
    """

    source: SourceRecord | None
    reason: str | None
    refused: dict[str, str]
    windows: int = 0
    window_s: float = 0.0
    idle_before_w: float | None = None
    idle_after_w: float | None = None
    idle_reason: str | None = None
    probe: ProbeCost | None = None
    cpu_tdp_w: float | None = None


@dataclass(frozen=True)
class BundleRecord:
    """What was measured."""

    path: str
    sha256: str
    backbone: str
    attach: tuple[str, ...]
    head: str
    operating_point: str
    method: str


@dataclass(frozen=True)
class DataRecord:
    """What it was measured on.

    Attributes:
        source: The data set.
        part: ``test``, or ``all`` if the user vouched that none was trained on.
        samples: How many images.
        sha256: Of the test part's keys and labels; ``None`` for ``all``.
    """

    source: str
    part: str
    samples: int
    sha256: str | None


@dataclass(frozen=True)
class Provenance:
    """How the numbers came to be.

    Attributes:
        versions: Of the packages that took part.
        command: As it was typed.
        started: UTC, ISO 8601.
        seconds: The whole run took.
        blocks: Interleaved blocks a cell.
        seed: Of the order of images and blocks.
        kinds: For each figure that is not plainly measured, what it is.
        notes: What a reader should know about this run.
    """

    versions: dict[str, str]
    command: str
    started: str
    seconds: float
    blocks: int
    seed: int
    kinds: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All of it. `headline` says in a few sentences what the tables come to.

    Rows name their target and precision; `accuracy` and `flops` are about the first.
    """

    schema: int
    headline: tuple[str, ...]
    bundle: BundleRecord
    data: DataRecord
    device: DeviceRecord
    accuracy: Accuracy
    amortisation: tuple[AmortisationRow, ...]
    crossover: tuple[CrossoverRow, ...]
    flips: tuple[Flip, ...]
    operating_points: tuple[OperatingPointRow, ...]
    exits: tuple[ExitRow, ...]
    segments: tuple[SegmentRow, ...]
    flops: Flops
    energy: tuple[EnergyRow, ...]
    alternatives: tuple[Alternative, ...]
    provenance: Provenance
    exit_energy: tuple[ExitEnergyRow, ...] = ()
    energy_crossover: tuple[EnergyCrossoverRow, ...] = ()
    energy_method: EnergyMethod | None = None
    device_after: DeviceState | None = None
    counts: tuple[CountRow, ...] = ()
    memory: tuple[MemoryRow, ...] = ()
