"""Every metric that a gate can name, read off a report made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench.gates import change as change_metrics
from calexnet.bench.gates.grammar import check, parse
from calexnet.bench.gates.report import METRICS
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.memory import Failure, MemoryRow
from calexnet.bench.report.times import LatencyRow
from tests.support.sample_report import AMORTISATION, LATENCY, POINTS, SUBJECT, sample_report

ROOT = Path(__file__).resolve().parents[3]
OTHER = ("tflite", "fp32")
RIVAL = LatencyRow("onnxruntime", "", "net.onnx", 1, 1, 9, Interval(7.0, 6.9, 7.1), *[None] * 4)


def by_hand() -> Report:
    """The sample, with a second target, a sensor, memory, and a rival."""
    sample = sample_report()
    gross = EnergyComparison(
        EnergyCost(0.05, 0.048, 0.052), EnergyCost(0.02, 0.019, 0.021), 0.4, 0.38, 0.43, "cascade"
    )
    noisy = replace(gross, ratio=None, ratio_low=None, ratio_high=None)
    one, eight = sample.energy
    return replace(
        sample,
        amortisation=(*AMORTISATION, replace(AMORTISATION[0], target="tflite", ratio=0.9)),
        operating_points=(*POINTS, replace(POINTS[1], target="tflite", change=-0.02)),
        latency=(*LATENCY, RIVAL),
        energy=(
            replace(one, gross=gross, message=None),
            eight,
            replace(one, target="tflite", gross=noisy, message=None),
        ),
        memory=(
            MemoryRow(*SUBJECT, "plain", 8, 1, 64 * 2**20, 2**20, None),
            MemoryRow(*SUBJECT, "cascade", 8, 1, 80 * 2**20, 2**20, None),
            MemoryRow(*OTHER, "cascade", 8, 1, None, None, Failure("said", "it was killed")),
        ),
    )


def words(text: str, found: Report | None = None) -> str:
    (outcome,) = check([parse(text, METRICS)], found or by_hand(), METRICS)
    return outcome.words.removeprefix(f"{text}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean_ms>0", "mean_ms is 12.6 (12.1 to 13.1)"),
        ("p50_ms>0", "p50_ms is 6.6 (6.5 to 6.8)"),
        ("p90_ms>0", "p90_ms is 22.6 (22.3 to 23.1)"),
        ("p95_ms[network=plain]>0", "p95_ms is 22.5 (21.4 to 25)"),
        ("p99_ms>0", "n/a, too few calls were timed for this percentile"),
        ("mean_ms[network=net.onnx]>0", "mean_ms is 7 (6.9 to 7.1)"),
        ("mean_ms[network=plain,batch=8]>0", "mean_ms is 120 (118 to 122)"),
        ("cascade_ms>0", "cascade_ms is 12 (11.64 to 12.36)"),
        ("plain_ms[threads=4]>0", "plain_ms is 8 (7.76 to 8.24)"),
        ("ratio>0", "ratio is 0.6 (0.58 to 0.62)"),
        ("ratio[target=tflite]>0", "ratio is 0.9 (0.58 to 0.62)"),
        ("ratio[batch=8]>0", "ratio is 1.2 (1.15 to 1.25)"),
        ("worst_ratio>0", "worst_ratio is 1.12 (1.1 to 1.14)"),
        ("prediction_error_pct[batch=4]>0", "prediction_error_pct is 5.303"),
        ("top1>0", "top1 is 90.5 (89.1 to 91.8)"),
        ("top1_drop>0", "top1_drop is 0.8 (0.3 to 1.3)"),
        ("top1_drop[target=tflite]>0", "top1_drop is 2 (0.3 to 1.3)"),
        ("early_pct>0", "early_pct is 62.5"),
        ("macs_ratio>0", "macs_ratio is 0.6"),
        ("cascade_mj>0", "cascade_mj is 20 (19 to 21)"),
        ("plain_mj>0", "plain_mj is 50 (48 to 52)"),
        ("energy_ratio>0", "energy_ratio is 0.4 (0.38 to 0.43)"),
        ("energy_ratio[target=tflite]>0", "n/a, plain's energy lies in the noise"),
        (
            "cascade_mj[batch=8]>0",
            "n/a, rapl: no energy counter is readable: /sys/class/powercap is missing",
        ),
        ("peak_mib>0", "peak_mib is 80"),
        ("peak_mib[network=plain]>0", "peak_mib is 64"),
        ("peak_mib[target=tflite]>0", "n/a, it was killed"),
    ],
)
def test_a_metric_is_read_off_its_row(text: str, expected: str) -> None:
    assert expected == words(text)


def test_every_metric_can_be_read() -> None:
    known = {name for name in METRICS if words(f"{name}>0").startswith(f"{name} is")}

    assert {"p99_ms"} == set(METRICS) - known


@pytest.mark.slow
def test_a_measured_report_has_them_or_says_why(report: Report) -> None:
    for name in METRICS:
        said = words(f"{name}>0", report)
        assert said.startswith((f"{name} is ", "n/a, ")), said
        assert "nothing was measured" not in said


@pytest.mark.parametrize("known", [METRICS, change_metrics.METRICS])
def test_every_metric_is_in_the_docs(known: dict[str, Any]) -> None:
    text = (ROOT / "docs/formats.md").read_text("utf-8")

    for name, metric in known.items():
        assert f"`{name}`" in text
        assert metric.meaning


def test_a_row_that_was_not_measured_is_said() -> None:
    assert (
        "n/a, nothing was measured for target onnxruntime, precision fp32, batch 3, threads 1"
    ) == words("ratio[batch=3]>1")
    assert ("n/a, nothing was measured for network other.onnx, batch 1, threads 1") == words(
        "p95_ms[network=other.onnx]>1"
    )
    assert "nothing was measured for target cuda, precision fp32" in words("top1[target=cuda]>1")


def test_what_was_not_measured_at_all_is_said() -> None:
    bare = replace(by_hand(), memory=(), latency=())

    assert "n/a, memory was not measured" == words("peak_mib>1", bare)
    assert "n/a, nothing of the kind was measured" == words("p95_ms>1", bare)


def test_the_ends_of_a_time_are_those_of_its_own_interval() -> None:
    """Not those within which a prediction would hold."""

    def failed(text: str) -> bool:
        (outcome,) = check([parse(text, METRICS)], by_hand(), METRICS)
        return outcome.failed

    assert [True, False] == [failed(f"plain_ms.high>{limit}") for limit in (20.5, 20.7)]
    assert [True, False] == [failed(f"cascade_ms.low<{limit}") for limit in (11.7, 11.6)]
