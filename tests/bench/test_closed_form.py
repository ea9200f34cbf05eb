"""A clock that only engines move, by costs that are known: every figure is its closed form."""

# The expected value comes first in every comparison.
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from calexnet.bench.energy import EnergyPlan
from calexnet.bench.measure import measure
from calexnet.bench.plan import BenchPlan
from calexnet.bench.results import Report
from calexnet.bench.timing import Stopwatch
from calexnet.bundle import open_bundle
from calexnet.costs import binomial, exit_profile
from calexnet.devices.cpu import CpuDevice
from calexnet.manifest import Compiled
from calexnet.runtimes import onnxruntime
from calexnet.runtimes.base import Array, Engine
from calexnet.runtimes.runner import Runner
from tests.bench.conftest import WIDTH
from tests.onnx_bundle import LOOSE, STRICT, USUAL, sample_data

#: ms of a call on n samples: the first number, and the second for each sample.
COSTS = {
    "segment1": (0.5, 1.0),
    "segment2": (0.25, 0.5),
    "segment3": (0.125, 4.0),
    "plain": (0.5, 5.0),
}
BATCHES = (1, 2, 4, 8)
#: All 30 test images, at every batch, in whole calls: 120 is divisible by 1, 2, 4 and 8.
IMAGES_A_BLOCK = 120


class World(Stopwatch):
    """A clock that stands still while nothing runs."""

    name = "fake"

    def __init__(self) -> None:
        self.ms = 0.0

    def seconds(self, call: Callable[[], object]) -> float:
        start = self.ms
        call()
        return (self.ms - start) / 1e3


class Priced(Engine):
    """An ONNX Runtime engine that takes the time it is told to."""

    target = "onnxruntime"

    def __init__(self, inner: Engine, world: World) -> None:
        super().__init__(inner.record)
        self.inner, self.world = inner, world

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        samples = max(len(array) for name, array in feeds.items() if name != "threshold")
        fixed, each = COSTS[self.record.name]
        self.world.ms += fixed + each * samples
        return self.inner.run(feeds, outputs)


def priced_report(folder: Path, point: str) -> Report:
    bundle, world = open_bundle(folder), World()

    def load(build: Compiled, threads: int) -> Runner:
        *engines, plain = (
            Priced(
                onnxruntime.load(record, bundle.read(record.file), provider=None, threads=threads),
                world,
            )
            for record in (*build.segments, build.plain)
        )
        table = bundle.manifest.operating_point(point, build).table()
        return Runner(bundle, build, engines, lambda: plain, table)

    plan = BenchPlan(
        batches=BATCHES,
        threads=(1,),
        blocks=4,
        seconds=1.0,
        operating_point=point,
        energy=EnergyPlan(0),
        memory=False,
        allow_unstable=True,
    )
    return measure(folder, sample_data(WIDTH), CpuDevice(), plan, stopwatch=world, load=load)


@pytest.fixture(scope="module", params=[STRICT, USUAL, LOOSE])
def priced(bench_bundle: Path, request: pytest.FixtureRequest) -> Report:
    return priced_report(bench_bundle, request.param)


def call_ms(name: str, samples: int) -> float:
    fixed, each = COSTS[name]
    return fixed + each * samples if samples else 0.0


def path_ms(number: int, samples: int) -> float:
    return sum(call_ms(f"segment{k}", samples) for k in range(1, number + 1))


def expected_ms(batch: int, rates: Sequence[float], *, compacted: bool = True) -> float:
    """Return ms a call: linear costs, so a segment costs its fixed part if anyone reaches it."""
    total = 0.0
    for k, left in enumerate(np.cumsum([0.0, *rates[:-1]]), start=1):
        chances = binomial(batch, 1 - left)
        sizes = [n if compacted or n == 0 else batch for n in range(batch + 1)]
        total += float(np.dot(chances, [call_ms(f"segment{k}", n) for n in sizes]))
    return total


def rates_of(report: Report) -> list[float]:
    return [row.rate for row in report.exits]


def exact(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


def test_plain_and_worst_case(priced: Report) -> None:
    for row in priced.amortisation:
        assert exact(call_ms("plain", row.batch) / row.batch) == row.plain_ms
    for worst in priced.worst:
        late = path_ms(3, worst.batch)
        assert exact(late / worst.batch) == worst.ms
        assert exact(late / call_ms("plain", worst.batch)) == worst.ratio
        assert exact(worst.ratio) == worst.ratio_low
        assert exact(worst.ratio) == worst.ratio_high


def test_segments_are_the_differences_of_paths(priced: Report) -> None:
    for row in priced.segments:
        name = f"segment{row.segment}" if row.segment else "plain"
        assert exact(call_ms(name, row.batch) / row.batch) == row.ms


def test_exits(priced: Report) -> None:
    for row in priced.exits:
        assert exact(path_ms(row.exit, 1)) == row.latency_ms
        assert (exact(row.latency_ms),) * 2 == (row.latency_low, row.latency_high)
        assert (exact(row.latency_ms),) * 21 == row.quantiles_ms


def test_the_mixture_of_single_images(priced: Report) -> None:
    rates = rates_of(priced)
    (row,) = (r for r in priced.latency if (r.network, r.batch) == ("cascade", 1))
    assert exact(sum(rate * path_ms(k, 1) for k, rate in enumerate(rates, start=1))) == (
        row.mean_ms.value
    )
    reached = np.cumsum(rates)
    for percent, found in ((50, row.p50_ms), (90, row.p90_ms), (95, row.p95_ms), (99, row.p99_ms)):
        if found is not None:
            exit_taken = int(np.searchsorted(reached, percent / 100 - 1e-9)) + 1
            assert exact(path_ms(exit_taken, 1)) == found.value


def test_what_is_foretold_at_any_exit_rate_gathered_or_not(priced: Report) -> None:
    mix = rates_of(priced)[:-1]
    for row in priced.foretold:
        rates = exit_profile(row.early, mix)
        assert exact(expected_ms(row.batch, rates) / row.batch) == row.ms
        running_on = expected_ms(row.batch, rates, compacted=False) / row.batch
        assert exact(running_on) == row.running_on_ms
        assert exact(row.ms / (call_ms("plain", row.batch) / row.batch)) == row.ratio
        assert (exact(row.ms),) * 2 == (row.low, row.high)
        assert row.joules is None


def test_the_prediction_at_the_observed_rates(priced: Report) -> None:
    rates = rates_of(priced)
    for row in priced.amortisation:
        assert exact(expected_ms(row.batch, rates) / row.batch) == row.predicted_cascade_ms
    if max(rates) == 1.0:  # nothing is left to chance
        for row in priced.amortisation:
            number = rates.index(1.0) + 1
            assert exact(path_ms(number, row.batch) / row.batch) == row.cascade_ms
            assert row.prediction_holds


def test_break_even_at_batch_one_is_where_the_saving_pays_for_the_heads(priced: Report) -> None:
    """Late minus plain, over what an early exit saves on the observed mix, both from the clock."""
    rates = rates_of(priced)
    (crossing,) = (row for row in priced.crossover if row.batch == 1)
    (cost,) = (row for row in priced.amortisation if row.batch == 1)
    mix = exit_profile(1.0, rates[:-1])
    late, early = path_ms(3, 1), sum(r * path_ms(k, 1) for k, r in enumerate(mix, start=1))
    moved = cost.cascade_ms - cost.predicted_cascade_ms
    expected = (late + moved - cost.plain_ms) / (late - early)
    assert pytest.approx(min(1.0, max(0.0, expected)), abs=1e-9) == crossing.break_even_exit_rate


def test_the_decision(priced: Report) -> None:
    """Strict: nobody leaves, 6.375 ms against 5.5. Loose: 1.5 ms, but half are wrong."""
    rows = {row.operating_point: row for row in priced.alternatives}
    assert exact(5.5) == rows[None].ms
    assert exact(6.375) == rows[STRICT].ms
    assert exact(1.5) == rows[LOOSE].ms
    assert (True, True, False) == tuple(rows[p].eligible for p in (None, STRICT, LOOSE))
    assert exact(6.375 / 5.5) == rows[STRICT].ratio.value


def test_the_same_seed_and_data_give_the_same_report_but_for_when_it_was(
    bench_bundle: Path,
) -> None:
    first, second = (priced_report(bench_bundle, USUAL) for _ in range(2))

    def timeless(report: Report) -> Report:
        made = dataclasses.replace(report.provenance, started="", seconds=0.0)
        return dataclasses.replace(
            report,
            provenance=made,
            device=second.device,
            device_after=None,
            validity=second.validity,
            headline=(),
            energy=(),
        )

    assert timeless(first) == timeless(second)
    assert "fake" == first.provenance.clock
