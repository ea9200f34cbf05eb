"""What a report holds of energy: joules an image, and how they were measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from calexnet.bench.report.times import Untold, Verdict
from calexnet.devices.energy import SourceRecord


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
        message: What the sensor said where it gave nothing; ``None`` without one.
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
    message: str | None
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
        message: What the sensor said where it gave nothing; ``None`` without one.
    """

    target: str
    precision: str
    exit: int
    rate: float
    gross: EnergyCost | None
    net: EnergyCost | None
    message: str | None


@dataclass(frozen=True)
class EnergyCrossoverRow:
    """Where the cascade starts to save energy at one batch size.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        break_even_exit_rate: Share that must leave early, the observed mix kept; ``None`` if even 1
            uses more, or for `reason`. Predicted: for single images on one thread from the exits'
            own joules, else from the foretold time and the power that the cascade drew.
        break_even_low: Lower end of its band, as in time.
        break_even_high: Upper end; ``None`` if it may be that no share is enough.
        observed_exit_rate: Share that does.
        recombined_j: The exits' joules, weighted with the observed shares; ``None`` where they were
            not measured.
        cascade_j: The cascade's own, measured on images in their mixed order.
        reason: Why no rate can be told.
    """

    target: str
    precision: str
    batch: int
    threads: int
    break_even_exit_rate: float | None
    break_even_low: float | None
    break_even_high: float | None
    observed_exit_rate: float
    recombined_j: float | None
    cascade_j: float
    reason: Untold | None = None


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
        refused: Sensors that could not be used, and what the device says of each.
        remedies: What the device says would let each of these be used, or measure in its stead.
        windows: For each figure; 0 = none were asked for.
        window_s: Of each, at least.
        idle_before_w: Power of the idle device before the first window.
        idle_after_w: And after the last.
        idle_message: What the sensor said where an idle power is missing.
        probe: What reading cost; ``None`` if another machine reads.
        cpu_tdp_w: As given for the estimate.
    """

    source: SourceRecord | None
    refused: dict[str, str]
    windows: int = 0
    window_s: float = 0.0
    idle_before_w: float | None = None
    idle_after_w: float | None = None
    idle_message: str | None = None
    probe: ProbeCost | None = None
    cpu_tdp_w: float | None = None
    remedies: dict[str, str] = field(default_factory=dict)
