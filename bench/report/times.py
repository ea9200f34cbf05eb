"""What a report holds of times: by batch, exit rate, exit, segment and operating point.

Times are ms an image unless a name says otherwise; shares and accuracies are 0..1; ``ratio`` is
cascade over plain, so under 1 the cascade is faster. Intervals are 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calexnet.bench.report.decision import ClassDrop
from calexnet.bench.report.interval import Interval

Verdict = Literal["cascade", "plain", "unclear"]
#: Why a break-even rate is not told: nobody leaves early, so that there is no mix among several
#: branches to keep.
Untold = Literal["nobody leaves"]


@dataclass(frozen=True)
class AmortisationRow:
    """What an image costs at one batch size (after the paper's table A3.1).

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        plain_ms: The backbone alone, at the usual pace of the machine.
        plain_low: Lower end of its interval, the machine's swings included; ``None``, as the three
            after it, where an older version did not record it.
        plain_high: Upper end.
        cascade_ms: The cascade on images in their mixed order, likewise.
        cascade_low: Lower end of its interval, the machine's swings included.
        cascade_high: Upper end.
        ratio: Cascade over plain, from the same blocks.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
        predicted_cascade_ms: From the exit paths' times and the exit rates. Predicted.
        prediction_low: The prediction holds if it lies from here, by the noise of measured and
            predicted in the same blocks,
        prediction_high: to here.
    """

    target: str
    precision: str
    batch: int
    threads: int
    plain_ms: float
    plain_low: float | None
    plain_high: float | None
    cascade_ms: float
    cascade_low: float | None
    cascade_high: float | None
    ratio: float
    ratio_low: float
    ratio_high: float
    predicted_cascade_ms: float
    prediction_low: float
    prediction_high: float

    @property
    def prediction_holds(self) -> bool:
        """Whether the predicted time lies in the interval of the measured one."""
        return self.prediction_low <= self.predicted_cascade_ms <= self.prediction_high


@dataclass(frozen=True)
class CrossoverRow:
    """Where the cascade starts to pay at one batch size (after the paper's table A3.2).

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        batch: Samples a call.
        threads: Within an operator.
        break_even_exit_rate: Share that must leave before the tail, the observed mix among
            branches kept, for both to cost the same; ``None`` if even 1 loses, or for `reason`.
            Predicted.
        break_even_low: Lower end of its band, in which neither surely costs less; ``None`` if no
            share is enough for sure.
        break_even_high: Upper end; ``None`` if it may be that no share is enough.
        observed_exit_rate: Share that does, on the test part. Measured.
        verdict: Who is faster, ``unclear`` if the interval of the ratio holds 1.
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
    verdict: Verdict
    reason: Untold | None = None


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
        balanced: Mean over the classes of the cascade's accuracy on each; ``None`` where an older
            version did not record it.
        worst_class: The class that loses most against the backbone; ``None`` likewise.
        keeps: Whether it is certified to lose no more than may be lost against the reference:
            ``False`` if it surely loses more, ``None`` if that is not sure.
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
    balanced: float | None
    worst_class: ClassDrop | None
    keeps: bool | None
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
    the runner, in the order of an app. What the report foretells is made of these. Where the
    interval of such a difference holds 0 the segment is lost in the noise, and `ms` may be under 0.
    """

    target: str
    precision: str
    segment: int
    batch: int
    threads: int
    ms: float
    low: float
    high: float

    @property
    def in_the_noise(self) -> bool:
        """Whether the time cannot be told from nothing."""
        return self.low <= 0


@dataclass(frozen=True)
class GatherRow:
    """What it costs to gather one surviving image before a segment, ms.

    From a batch of which half leaves before it, less the segments that run.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        segment: From 2.
        batch: At which it was measured.
        threads: Within an operator.
        ms: May be under 0 by noise.
        low: Lower end of its interval.
        high: Upper end.
        counted: It is in what is foretold: told from nothing by at least a standard error.
    """

    target: str
    precision: str
    segment: int
    batch: int
    threads: int
    ms: float
    low: float
    high: float
    counted: bool


@dataclass(frozen=True)
class LatencyRow:
    """The latency of one call at the usual pace; the cascade's at batch 1 is made of its exits'.

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
        running_on_low: Lower end of its interval.
        running_on_high: Upper end.
        ratio: `ms` over plain's.
        ratio_low: Lower end of its interval, from the same blocks.
        ratio_high: Upper end.
        joules: An image, from the power that the cascade was measured to draw at this batch and
            thread setting; ``None`` where no sensor was read.
        joules_low: Lower end of its interval.
        joules_high: Upper end.
        joules_ratio: Over plain's; ``None`` also where either lies in the noise.
        joules_ratio_low: Lower end of its interval.
        joules_ratio_high: Upper end.
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
    running_on_low: float
    running_on_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    joules: float | None
    joules_low: float | None
    joules_high: float | None
    joules_ratio: float | None
    joules_ratio_low: float | None
    joules_ratio_high: float | None


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
class LayoutRow:
    """The cascade as one graph (layout `if`) against its segments, on single images.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        threads: Within an operator.
        exit: By which all of them leave; ``None``: the images as they come.
        segments_ms: An image, segment by segment.
        one_file_ms: An image, in one graph.
        ratio: `one_file_ms` over `segments_ms`, from the same blocks.
        ratio_low: Lower end of its interval.
        ratio_high: Upper end.
    """

    target: str
    precision: str
    threads: int
    exit: int | None
    segments_ms: float
    one_file_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class SampleRow:
    """Everything that was timed under one name, so that another run can be compared with it.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        network: ``plain``, ``cascade``, ``exit1`` and on (all leave there), ``half1`` and on
            (half leave there, half at the next), ``point NAME`` (the cascade at another operating
            point), ``cut1`` and on (the network cut there, without a gate), ``one file`` (the
            cascade in layout `if`), ``one file exit1`` and on (likewise), or a rival's name.
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
