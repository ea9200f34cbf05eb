"""A report made by hand, with the cases that are easy to get wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calexnet.bench.results import (
    SCHEMA,
    Accuracy,
    Alternative,
    AmortisationRow,
    BundleRecord,
    CrossoverRow,
    DataRecord,
    EnergyMethod,
    EnergyRow,
    ExitEnergyRow,
    ExitRow,
    Flip,
    Flops,
    OperatingPointRow,
    Provenance,
    Report,
    SegmentRow,
)
from calexnet.costs import Macs
from calexnet.devices.base import Clock, DeviceRecord, DeviceState

HOSTILE = 'cats <script>alert("1")</script> & | `dogs`'
SUBJECT = ("onnxruntime", "fp32")

AMORTISATION = (
    AmortisationRow(*SUBJECT, 1, 1, 20.0, 12.0, 0.6, 0.58, 0.62, 11.4),
    AmortisationRow(*SUBJECT, 2, 1, 18.0, 13.5, 0.75, 0.72, 0.78, 13.5),
    AmortisationRow(*SUBJECT, 4, 1, 16.0, 15.84, 0.99, 0.96, 1.02, 15.0),
    AmortisationRow(*SUBJECT, 8, 1, 15.0, 18.0, 1.2, 1.15, 1.25, 17.1),
    AmortisationRow(*SUBJECT, 1, 4, 8.0, 6.0, 0.75, 0.7, 0.8, 6.06),
)
CROSSOVER = (
    CrossoverRow(*SUBJECT, 1, 1, 0.25, 0.625, "cascade"),
    CrossoverRow(*SUBJECT, 2, 1, 0.5, 0.625, "cascade"),
    CrossoverRow(*SUBJECT, 4, 1, 0.6, 0.625, "unclear"),
    CrossoverRow(*SUBJECT, 8, 1, None, 0.625, "plain"),
    CrossoverRow(*SUBJECT, 1, 4, 0.0, 0.625, "cascade"),
)
POINTS = (
    OperatingPointRow(
        *SUBJECT, "margin-0", 0.0, False,
        0.912, 0.899, 0.924, -0.001, -0.004, 0.002, (0.1, 0.15, 0.75),
        480e6, 470e6, 0.96, 1, 1, 20.0, 19.8, 0.99, 0.97, 1.01, "unclear",
    ),
    OperatingPointRow(
        *SUBJECT, "margin-0.02", 0.02, True,
        0.905, 0.891, 0.918, -0.008, -0.013, -0.003, (0.4, 0.225, 0.375),
        300e6, 290e6, 0.6, 1, 1, 20.0, 12.4, 0.62, 0.6, 0.64, "cascade",
    ),
    OperatingPointRow(
        *SUBJECT, "margin-0.1", 0.1, False,
        0.88, 0.865, 0.894, -0.033, -0.041, -0.025, (0.6, 0.25, 0.15),
        200e6, 190e6, 0.4, 1, 1, 20.0, 9.0, 0.45, 0.43, 0.47, "cascade",
    ),
)  # fmt: skip
EXITS = (
    ExitRow(*SUBJECT, 1, 0.625, 0.961, 6.5, 6.4, 6.7, False),
    ExitRow(*SUBJECT, 2, 0.0, None, 13.2, 13.0, 13.5, True),
    ExitRow(*SUBJECT, 3, 0.375, 0.812, 22.4, 22.0, 22.9, False),
)
ALTERNATIVES = (
    Alternative(*SUBJECT, "plain", 0.913, 0.9, 0.925, 20.0, 1.0, 1.0, 1.0),
    Alternative(*SUBJECT, "cascade", 0.905, 0.891, 0.918, 12.4, 0.62, 0.6, 0.64),
)
SEGMENTS = (
    SegmentRow(*SUBJECT, 0, 1, 1, 20.0),
    SegmentRow(*SUBJECT, 1, 1, 1, 6.25),
    SegmentRow(*SUBJECT, 2, 1, 1, 7.0),
    SegmentRow(*SUBJECT, 3, 1, 1, 9.5),
)
NO_SENSOR = "no energy counter is readable: /sys/class/powercap is missing"


def sample_report(**changes: Any) -> Report:
    """Return the sample with the given fields of `Report` replaced."""
    report = Report(
        schema=SCHEMA,
        headline=(
            "At batch 1 on 1 thread the cascade takes 38 % less time for 0.8 points of accuracy.",
            "From batch 8 on plain is faster.",
        ),
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
        accuracy=Accuracy(*SUBJECT, 2000, 0.913, 0.905, -0.008, -0.013, -0.003, 31, 15),
        amortisation=AMORTISATION,
        crossover=CROSSOVER,
        flips=(Flip(*SUBJECT, 1, 2, "cascade", 8, "plain"),),
        operating_points=POINTS,
        exits=EXITS,
        segments=SEGMENTS,
        flops=Flops(
            Macs((100_000_000, 150_000_000, 250_000_000), (10_000_000, 5_000_000), (0, 0)),
            1e9, 600e6, 580e6, 0.4, 0.38,
        ),
        energy=(
            EnergyRow(*SUBJECT, 1, 1, None, None, NO_SENSOR, 0.0201, 0.0124),
            EnergyRow(*SUBJECT, 8, 1, None, None, NO_SENSOR, 0.0152, 0.0181),
        ),
        alternatives=ALTERNATIVES,
        provenance=Provenance(
            {"numpy": "2.3.5", "onnxruntime": "1.23.2"},
            'calexnet-bench "<script>&" --data photos',
            "2026-01-02T03:04:05Z",
            312.4,
            9,
            7,
            {"amortisation.predicted_cascade_ms": "predicted", "flops": HOSTILE},
            ("Another process used the processor during 2 of 9 blocks & more.",),
        ),
        exit_energy=tuple(
            ExitEnergyRow(*SUBJECT, row.exit, row.rate, None, None, NO_SENSOR) for row in EXITS
        ),
        energy_method=EnergyMethod(None, NO_SENSOR, {"rapl": NO_SENSOR}),
    )  # fmt: skip
    return replace(report, **changes)


def one_batch_report() -> Report:
    """Return the sample cut down to one batch on one thread, on which nothing can flip."""
    return sample_report(amortisation=AMORTISATION[:1], crossover=CROSSOVER[:1], flips=())
