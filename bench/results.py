"""The report as data: ``report.json`` is this dataclass, versioned.

Times are ms an image unless a name says otherwise; shares and accuracies are 0..1; ``ratio`` is
cascade over plain, so under 1 the cascade is faster. Intervals are 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from calexnet.bench.counts import CountRow
from calexnet.bench.interval import Interval
from calexnet.bench.memory import MemoryRow
from calexnet.bench.rivals import RivalRecord
from calexnet.costs import Macs
from calexnet.devices.base import DeviceRecord, DeviceState
from calexnet.devices.energy import SourceRecord

SCHEMA = 3

Verdict = Literal["cascade", "plain", "unclear"]
#: What can be shipped; the last two are rivals that the user named.
Kind = Literal["plain", "cascade", "smaller model", "other cascade"]


@dataclass(frozen=True)
class Span:
    """The lowest and the highest that was seen."""

    low: float
    high: float


@dataclass(frozen=True)
class AmortisationRow:
    """What an image costs at one batch size (after the paper's table A3.1).

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        plain_ms: The backbone alone, at the usual pace of the machine.
        cascade_ms: The cascade on images in their mixed order, likewise.
        ratio: Cascade over plain, from the same blocks.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        predicted_cascade_ms: From the exit paths' times and the exit rates. Predicted.
        cascade_low: Lower end of the interval of `cascade_ms`, against the prediction in the same
            blocks: the prediction holds if it lies inside.
        cascade_high: Upper end.
    """

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
    cascade_low: float
    cascade_high: float

    @property
    def prediction_holds(self) -> bool:
        """Whether the predicted time lies in the interval of the measured one."""
        return self.cascade_low <= self.predicted_cascade_ms <= self.cascade_high


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
        break_even_low: What the lower end of the ratio's interval would give.
        break_even_high: What the upper end would give.
        observed_exit_rate: Share that does, on the test part. Measured.
        verdict: Who is faster, ``unclear`` if the interval of the ratio holds 1.
    """

    target: str
    precision: str
    batch: int
    threads: int
    break_even_exit_rate: float | None
    break_even_low: float | None
    break_even_high: float | None
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
        quantiles_ms: Of all calls that were timed: the least, each twentieth, the largest.
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
    quantiles_ms: tuple[float, ...]
    forced: bool


@dataclass(frozen=True)
class SegmentRow:
    """One segment, or ``plain`` as segment 0, at one batch size.

    A segment's time is that of leaving after it less that of leaving before it: what it adds in
    the runner, in the order of an app. What the report foretells is made of these. A segment of
    next to no time may come out under 0 by noise.
    """

    target: str
    precision: str
    segment: int
    batch: int
    threads: int
    ms: float


@dataclass(frozen=True)
class LatencyRow:
    """The latency of one call; of the cascade at batch 1 recombined from its exits.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        network: ``plain``, ``cascade`` at the default operating point, ``one file`` (the same in
            layout `if`), or a rival's name.
        batch: Samples a call.
        threads: Within an operator.
        calls: That were timed.
        mean_ms: Of all of them; nothing is left out.
        p50_ms: Half of all calls take at most this; ``None`` where too few calls were timed.
        p90_ms: Likewise 90 %.
        p95_ms: Likewise 95 %.
        p99_ms: Likewise 99 %.
    """

    target: str
    precision: str
    network: str
    batch: int
    threads: int
    calls: int
    mean_ms: Interval
    p50_ms: Interval | None
    p90_ms: Interval | None
    p95_ms: Interval | None
    p99_ms: Interval | None


@dataclass(frozen=True)
class ForetoldRow:
    """What an image would cost at another exit rate, the mix among branches kept. Predicted.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        early: Share that leaves before the tail.
        ms: An image, survivors gathered.
        low: Lower end of its interval at the machine's usual pace.
        high: Upper end.
        running_on_ms: The same if the whole batch goes on while one image has not left.
        ratio: `ms` over plain's.
        joules: An image, from the power that the cascade was measured to draw at this batch and
            thread setting; ``None`` where no sensor was read.
    """

    target: str
    precision: str
    batch: int
    threads: int
    early: float
    ms: float
    low: float
    high: float
    running_on_ms: float
    ratio: float
    joules: float | None


@dataclass(frozen=True)
class WorstRow:
    """Every image late: nobody leaves before the tail, and all heads were in vain.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        ms: An image.
        ratio: Over plain's, from the same blocks.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
    """

    target: str
    precision: str
    batch: int
    threads: int
    ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class SampleRow:
    """Everything that was timed under one name, so that another run can be compared with it.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        network: ``plain``, ``cascade``, ``exit1`` and on (all leave there), ``point NAME`` (the
            cascade at another operating point), ``one file`` (the cascade in layout `if`), or a
            rival's name.
        batch: Samples a call.
        threads: Within an operator.
        ms: The mean of an image in each block, as the clock showed it.
    """

    target: str
    precision: str
    network: str
    batch: int
    threads: int
    ms: tuple[float, ...]


@dataclass(frozen=True)
class Conditions:
    """How the machine was while it was measured.

    Attributes:
        looks: How often it was looked at between blocks.
        clocks_mhz: Of each clock, the lowest and highest seen at work.
        governors: Who chooses each clock.
        hottest_c: Of any sensor, at any look.
        slowed_down: Why it was, at any time.
        foreign: Other processes that used the device.
        foreign_share: Of the cores' time that other processes used; ``None`` if unknown.
        steal_share: Of the cores' time that the host of a virtual machine took; ``None`` likewise.
    """

    looks: int
    clocks_mhz: dict[str, Span]
    governors: dict[str, str]
    hottest_c: float | None
    slowed_down: tuple[str, ...]
    foreign: tuple[str, ...]
    foreign_share: float | None
    steal_share: float | None


@dataclass(frozen=True)
class Breach:
    """A rule that the run broke: what was found, and what would have been allowed."""

    rule: str
    found: str
    limit: str


@dataclass(frozen=True)
class Validity:
    """Whether the numbers count.

    Attributes:
        valid: No rule was broken.
        allowed: ``--allow-unstable``: the user keeps them whatever they are worth.
        breaches: Rule by rule.
        conditions: Of the machine.
        drift: By threads, how much slower the last quarter of the blocks was than the first.
        swing: By threads, how much slower the slowest block was than the fastest.
        effective_blocks: By threads, how many independent blocks tell as much as those timed.
    """

    valid: bool
    allowed: bool
    breaches: tuple[Breach, ...]
    conditions: Conditions
    drift: dict[str, float]
    swing: dict[str, float]
    effective_blocks: dict[str, float]

    @property
    def counts(self) -> bool:
        """Whether the numbers may decide: no rule was broken, or the user keeps them anyway."""
        return self.valid or self.allowed


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
    """One network that could be shipped, at batch 1 on one thread, all timed in the same blocks.

    Attributes:
        name: In words that tell it from the others.
        kind: The backbone alone, the cascade at one operating point, or a rival.
        target: Of the bundle, or the rival's runtime.
        precision: Of the bundle, or of the rival.
        operating_point: Of a cascade.
        accuracy: On the test part.
        drop: Accuracy of the reference, plain at the first precision of the bundle, less this.
        ms: An image.
        ratio: `ms` over that of the fastest plain network of all targets and precisions.
        eligible: Loses at most the tolerance; ``None`` if the interval of `drop` spans it.
    """

    name: str
    kind: Kind
    target: str
    precision: str
    operating_point: str | None
    accuracy: Interval
    drop: Interval
    ms: float
    ratio: Interval
    eligible: bool | None


@dataclass(frozen=True)
class Decision:
    """What to ship, at batch 1 on one thread.

    Attributes:
        choice: What kind of network, ``unclear`` if the intervals do not decide.
        name: Of the network, of the likeliest one if it is unclear.
        tolerance: Share of accuracy that may be lost, 0..1.
        against: Name of the best network of another kind.
        ratio: Time of `name` over that of `against`; ``None`` if nothing else keeps the accuracy.
        reasons: A sentence each, with the numbers that decide.
    """

    choice: Literal["plain", "cascade", "smaller model", "other cascade", "unclear"]
    name: str
    tolerance: float
    against: str | None
    ratio: Interval | None
    reasons: tuple[str, ...]


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
        ratio: `cascade` over `plain`; ``None`` where either lies in the noise above idle.
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
        blocks: Interleaved blocks.
        clock: What timed a call.
        load: How calls arrived: ``closed``, or ``rate:R`` calls a second.
        seed: Of the order of images and blocks.
        kinds: For each figure that is not plainly measured, what it is.
        notes: What a reader should know about this run.
        providers: By target and precision, the runtime's back end that was in use.
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
    notes: tuple[str, ...]
    providers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All of it. `headline` says in a few sentences what the tables come to.

    Rows name their target and precision; `accuracy` and `flops` are about the first.
    """

    schema: int
    headline: tuple[str, ...]
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
