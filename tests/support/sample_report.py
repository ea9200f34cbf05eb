"""A report made by hand, with the cases that are easy to get wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calexnet.bench.report.decision import Alternative, Certificate, ClassDrop, Decision
from calexnet.bench.report.document import (
    SCHEMA,
    Accuracy,
    BundleRecord,
    DataRecord,
    Flops,
    Provenance,
    Report,
)
from calexnet.bench.report.energy import EnergyMethod, EnergyRow, ExitEnergyRow
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.rivals import RivalRecord, TensorForm
from calexnet.bench.report.task import Setting, Task
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
from calexnet.bench.report.validity import Breach, Claim, Conditions, Span, Validity
from calexnet.certify import Counts
from calexnet.costs import Macs
from calexnet.devices.base import Clock, DeviceRecord, DeviceState

HOSTILE = 'cats <script>alert("1")</script> & | `dogs`'
SUBJECT = ("onnxruntime", "fp32")


def amortised(
    batch: int, threads: int, plain: float, cascade: float, ratio: Interval, predicted: Interval
) -> AmortisationRow:
    """Return a row whose times are sure to 3 %; `predicted` with where it would have to lie."""
    return AmortisationRow(
        *SUBJECT,
        batch,
        threads,
        *(plain, 0.97 * plain, 1.03 * plain),
        *(cascade, 0.97 * cascade, 1.03 * cascade),
        *(ratio.value, ratio.low, ratio.high),
        *(predicted.value, predicted.low, predicted.high),
    )


AMORTISATION = (
    amortised(1, 1, 20.0, 12.0, Interval(0.6, 0.58, 0.62), Interval(11.4, 11.2, 12.8)),
    amortised(2, 1, 18.0, 13.5, Interval(0.75, 0.72, 0.78), Interval(13.5, 12.9, 14.1)),
    amortised(4, 1, 16.0, 15.84, Interval(0.99, 0.96, 1.02), Interval(15.0, 15.2, 16.4)),
    amortised(8, 1, 15.0, 18.0, Interval(1.2, 1.15, 1.25), Interval(17.1, 17.0, 19.0)),
    amortised(1, 4, 8.0, 6.0, Interval(0.75, 0.7, 0.8), Interval(6.06, 5.8, 6.2)),
)
CROSSOVER = (
    CrossoverRow(*SUBJECT, 1, 1, 0.25, 0.2, 0.31, 0.625, "cascade"),
    CrossoverRow(*SUBJECT, 2, 1, 0.5, 0.45, 0.56, 0.625, "cascade"),
    CrossoverRow(*SUBJECT, 4, 1, 0.6, 0.55, 0.66, 0.625, "unclear"),
    CrossoverRow(*SUBJECT, 8, 1, None, 0.98, None, 0.625, "plain"),
    CrossoverRow(*SUBJECT, 1, 4, 0.0, 0.0, 0.04, 0.625, "cascade"),
)
#: Of ten classes, the one that loses most.
WORST_CLASS = ClassDrop("cat", 200, Interval(0.03, -0.005, 0.085))
POINTS = (
    OperatingPointRow(
        *SUBJECT, "margin-0", 0.0, False,
        0.912, 0.899, 0.924, -0.001, -0.004, 0.002, 0.911, WORST_CLASS, True, (0.1, 0.15, 0.75),
        480e6, 470e6, 0.96, 1, 1, 20.0, 19.8, 0.99, 0.97, 1.01, "unclear",
    ),
    OperatingPointRow(
        *SUBJECT, "margin-0.02", 0.02, True,
        0.905, 0.891, 0.918, -0.008, -0.013, -0.003, 0.9, WORST_CLASS, True, (0.4, 0.225, 0.375),
        300e6, 290e6, 0.6, 1, 1, 20.0, 12.4, 0.62, 0.6, 0.64, "cascade",
    ),
    OperatingPointRow(
        *SUBJECT, "margin-0.1", 0.1, False,
        0.88, 0.865, 0.894, -0.033, -0.041, -0.025, 0.86, WORST_CLASS, False, (0.6, 0.25, 0.15),
        200e6, 190e6, 0.4, 1, 1, 20.0, 9.0, 0.45, 0.43, 0.47, "cascade",
    ),
)  # fmt: skip
EXITS = (
    ExitRow(*SUBJECT, 1, 0.625, 0.961, 6.5, 6.4, 6.7, (6.1, 6.4, 6.5, 6.7, 9.9), False),
    ExitRow(*SUBJECT, 2, 0.0, None, 13.2, 13.0, 13.5, (12.8, 13.0, 13.2, 13.4, 15.0), True),
    ExitRow(*SUBJECT, 3, 0.375, 0.812, 22.4, 22.0, 22.9, (21.0, 22.0, 22.4, 22.9, 31.0), False),
)
ALTERNATIVES = (
    Alternative(
        "plain on onnxruntime fp32", "plain", *SUBJECT, None,
        Interval(0.913, 0.9, 0.925), 0.91, Interval(0.0, 0.0, 0.0),
        ClassDrop("plane", 200, Interval(0.0, -0.02, 0.02)), 20.0, Interval(1.0, 1.0, 1.0),
        Certificate("reference", None, 0.025, Counts(500, 0, 0), Counts(2000, 0, 0)),
    ),
    Alternative(
        "the cascade on onnxruntime fp32 at margin-0.02", "cascade", *SUBJECT, "margin-0.02",
        Interval(0.905, 0.891, 0.918), 0.9, Interval(0.008, 0.003, 0.013), WORST_CLASS, 12.4,
        Interval(0.62, 0.6, 0.64),
        Certificate(
            "passed", 1, 0.025, Counts(500, 4, 2), Counts(2000, 31, 15), 0.0002, 0.0143,
        ),
    ),
    Alternative(
        "the cascade on onnxruntime fp32 at margin-0.1", "cascade", *SUBJECT, "margin-0.1",
        Interval(0.88, 0.865, 0.894), 0.86, Interval(0.033, 0.025, 0.041), WORST_CLASS, 9.0,
        Interval(0.45, 0.43, 0.47),
        Certificate(
            "failed", 2, 0.025, Counts(500, 20, 2), Counts(2000, 76, 10), 0.99, 0.043,
        ),
    ),
    Alternative(
        f"net {HOSTILE}.onnx", "smaller model", "onnxruntime", "", None,
        Interval(0.897, 0.883, 0.91), 0.89, Interval(0.016, 0.008, 0.024), WORST_CLASS, 7.0,
        Interval(0.35, 0.34, 0.36),
        Certificate("failed", 1, 0.025, None, Counts(2000, 52, 20), 0.16, 0.0243),
    ),
)  # fmt: skip
RIVALS = (
    RivalRecord(
        f"net {HOSTILE}.onnx", "smaller model", "/models/net.onnx", "ef" * 32, "onnxruntime",
        None, None, TensorForm("float32", ("n", 3, 32, 32), "normalised"),
        TensorForm("float32", ("n", 10), "one number a class"), None, ("Flatten",),
    ),
)  # fmt: skip
DECISION = Decision(
    "cascade", "the cascade on onnxruntime fp32 at margin-0.02", 0.02, "plain on onnxruntime fp32",
    Interval(0.62, 0.6, 0.64), (5, 4), needed=9100,
    doubt=f"net {HOSTILE}.onnx", lossy="the cascade on onnxruntime fp32 at margin-0.1",
)  # fmt: skip
ABSOLUTE: tuple[Claim, ...] = ("time", "percentile", "energy")
#: A task of the verdict that had not settled.
UNSETTLED = Breach(
    "not settled", 1.2, 0.1, ("verdict", "ratio", "time", "percentile"),
    "", 1, Task(Setting(*SUBJECT), "plain"),
)  # fmt: skip
VALIDITY = Validity(
    allowed=True,
    breaches=(
        Breach("foreign process", None, None, ABSOLUTE, HOSTILE),
        Breach("throttling", None, None, ABSOLUTE, "it got too hot"),
    ),
    conditions=Conditions(
        12, {"cpu0-3": Span(2200.0, 2400.0)}, {"cpu0-3": "schedutil"}, 71.5,
        ("it got too hot",), (HOSTILE,), 0.02, None,
    ),
    drift={"1": 1.02, "4": 0.97},
    swing={"1": 1.31, "4": 1.12},
    effective_blocks={"1": 21.5, "4": 40.0},
)  # fmt: skip
LATENCY = (
    LatencyRow(
        *SUBJECT, "plain", 1, 1, 120, Interval(20.4, 20.0, 20.8), Interval(20.0, 19.8, 20.2),
        Interval(21.0, 20.6, 21.9), Interval(22.5, 21.4, 25.0), None,
    ),
    LatencyRow(
        *SUBJECT, "cascade", 1, 1, 360, Interval(12.6, 12.1, 13.1), Interval(6.6, 6.5, 6.8),
        Interval(22.6, 22.3, 23.1), Interval(23.0, 22.6, 24.0), None,
    ),
    LatencyRow(*SUBJECT, "plain", 8, 1, 5, Interval(120.0, 118.0, 122.0), None, None, None, None),
)  # fmt: skip
WORST = (
    WorstRow(*SUBJECT, 1, 1, 22.4, 1.12, 1.1, 1.14),
    WorstRow(*SUBJECT, 8, 1, 19.5, 1.3, 1.25, 1.35),
)
FORETOLD = tuple(
    ForetoldRow(
        *SUBJECT,
        batch,
        1,
        early,
        *(ms, 0.97 * ms, 1.03 * ms),
        *(1.1 * ms, 1.07 * ms, 1.13 * ms),
        *(ms / plain, 0.98 * ms / plain, 1.02 * ms / plain),
        *(None,) * 6,
    )
    for batch, plain, late in ((1, 20.0, 22.75), (8, 15.0, 19.5))
    for early in (0.0, 0.5, 1.0)
    for ms in (late - early * (late - 6.25),)
)
LAYOUTS = (
    LayoutRow(*SUBJECT, 1, None, 12.0, 9.0, 0.75, 0.7, 0.8),
    LayoutRow(*SUBJECT, 1, 1, 6.5, 5.2, 0.8, 0.75, 0.85),
    LayoutRow(*SUBJECT, 1, 2, 13.2, 13.2, 1.0, 0.9, 1.1),
    LayoutRow(*SUBJECT, 1, 3, 22.4, 24.64, 1.1, 1.05, 1.15),
)
SAMPLES = (
    SampleRow(*SUBJECT, "plain", 1, 1, (20.1, 19.9, 20.0)),
    SampleRow(*SUBJECT, "cascade", 1, 1, (12.0, 12.1, 11.9)),
)
SEGMENTS = (
    SegmentRow(*SUBJECT, 0, 1, 1, 20.0, 19.75, 20.25),
    SegmentRow(*SUBJECT, 1, 1, 1, 6.25, 6.0, 6.5),
    SegmentRow(*SUBJECT, 2, 1, 1, 7.0, 6.75, 7.25),
    SegmentRow(*SUBJECT, 3, 1, 1, 9.5, 9.25, 9.75),
    *(
        SegmentRow(*SUBJECT, segment, batch, threads, ms, 0.9 * ms, 1.1 * ms)
        for batch, threads, cells in (
            (2, 1, (18.0, 5.6, 6.3, 8.6)),
            (4, 1, (16.0, 5.0, 5.6, 7.6)),
            (8, 1, (15.0, 5.0, 6.0, 8.5)),
            (1, 4, (8.0, 2.6, 2.8, 3.8)),
        )
        for segment, ms in enumerate(cells)
    ),
)
GATHERS = (
    GatherRow(*SUBJECT, 2, 8, 1, 0.05, 0.04, 0.06, True),
    GatherRow(*SUBJECT, 3, 8, 1, 0.02, -0.03, 0.07, False),
)
NO_SENSOR = "no energy counter is readable: /sys/class/powercap is missing"


def sample_report(**changes: Any) -> Report:
    """Return the sample with the given fields of `Report` replaced."""
    report = Report(
        schema=SCHEMA,
        validity=VALIDITY,
        decision=DECISION,
        bundle=BundleRecord(
            "/runs/<script>&\"'/bundle", "ab" * 32, "resnet18", ("layer1", "layer2"),
            "pool-linear", "margin-0.02", "calexnet",
        ),
        data=DataRecord(HOSTILE, "test", 2000, "cd" * 32),
        device=DeviceRecord(
            "cpu", "ARM Cortex-A76", "Linux 6.6 aarch64", 4, 8 * 2**30,
            DeviceState(0.31, (Clock("cpu0-3", 2400.0),)),
            unreadable={"temperature": "no sensor <here>"},
        ),
        accuracy=Accuracy(
            *SUBJECT, 2000, 0.913, 0.905, -0.008, -0.013, -0.003, 31, 15, 0.91, 0.9, WORST_CLASS,
        ),
        amortisation=AMORTISATION,
        crossover=CROSSOVER,
        flips=(Flip(*SUBJECT, 1, 2, "cascade", 8, "plain"),),
        operating_points=POINTS,
        exits=EXITS,
        segments=SEGMENTS,
        gathers=GATHERS,
        flops=Flops(
            Macs((100_000_000, 150_000_000, 250_000_000), (10_000_000, 5_000_000), (0, 0)),
            1e9, 600e6, 580e6, 0.4, 0.38,
        ),
        energy=(
            EnergyRow(*SUBJECT, 1, 1, None, None, None, 0.0201, 0.0124),
            EnergyRow(*SUBJECT, 8, 1, None, None, None, 0.0152, 0.0181),
        ),
        alternatives=ALTERNATIVES,
        rivals=RIVALS,
        latency=LATENCY,
        worst=WORST,
        foretold=FORETOLD,
        samples=SAMPLES,
        provenance=Provenance(
            {"numpy": "2.3.5", "onnxruntime": "1.23.2"},
            'calexnet-bench "<script>&" --data photos',
            "2026-01-02T03:04:05Z",
            312.4,
            9,
            "wall",
            "closed",
            7,
            {"amortisation.predicted_cascade_ms": "predicted", "flops": HOSTILE},
            old_notes=("Another process used the processor during 2 of 9 blocks & more.",),
        ),
        exit_energy=tuple(
            ExitEnergyRow(*SUBJECT, row.exit, row.rate, None, None, None) for row in EXITS
        ),
        energy_method=EnergyMethod(None, {"rapl": NO_SENSOR}),
        layouts=LAYOUTS,
    )  # fmt: skip
    return replace(report, **changes)


def one_batch_report() -> Report:
    """Return the sample cut down to one batch on one thread, on which nothing can flip."""
    return sample_report(amortisation=AMORTISATION[:1], crossover=CROSSOVER[:1], flips=())
