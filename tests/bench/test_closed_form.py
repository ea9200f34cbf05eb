"""A clock that only engines move, by costs that are known: every figure is its closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet import load as load_bundle
from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.timing import Stopwatch
from calexnet.bench.report.document import Report
from calexnet.bundle import open_bundle
from calexnet.costs import binomial, exit_profile
from calexnet.data.split import divide
from calexnet.devices.base import Probe
from calexnet.devices.cpu import CpuDevice
from calexnet.files import schema
from calexnet.manifest import Compiled
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.onnxruntime import OnnxRuntime
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import LOOSE, STRICT, USUAL, WIDE, sample_data
from tests.support.synthetic_power import PowerMeter, SyntheticTime

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


#: ms to gather a sample that stays.
GATHER = 0.0625
WATTS = 10.0
POINT_NAMES = (STRICT, USUAL, LOOSE)


class World(Stopwatch):
    """A clock that stands still while nothing runs, on a device that always draws the same."""

    name = "fake"

    def __init__(self) -> None:
        self.time = SyntheticTime(WATTS)

    def spend(self, ms: float) -> None:
        self.time.sleep(ms / 1e3)

    def seconds(self, call: Callable[[], object]) -> float:
        start = self.time.now()
        call()
        return self.time.now() - start


class Priced(Engine):
    """An ONNX Runtime engine that takes the time it is told to."""

    target = "onnxruntime"

    def __init__(self, inner: Engine, world: World) -> None:
        super().__init__(inner.record)
        self.inner, self.world = inner, world

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        samples = max(len(array) for name, array in feeds.items() if name != "threshold")
        fixed, each = COSTS[self.record.name]
        self.world.spend(fixed + each * samples)
        return self.inner.run(feeds, outputs)


class Metered(CpuDevice):
    """A processor with a meter that reads exactly."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.meter = PowerMeter(world.time)

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("meter", self.meter),)


def priced_report(folder: Path, point: str) -> Report:
    bundle, world = open_bundle(folder), World()

    class Lane(HostLane):
        def keep(self, rows: NDArray[np.intp]) -> None:
            world.spend(GATHER * len(rows))
            super().keep(rows)

    runs = OnnxRuntime()

    def load(build: Compiled, threads: int) -> Runner:
        *engines, plain = (
            Priced(
                runs.load(record, bundle.read(record.file), provider=None, threads=threads),
                world,
            )
            for record in (*build.segments, build.plain)
        )
        table = bundle.manifest.operating_point(point, build).table()
        return Runner(bundle, build, engines, lambda: plain, table, Lane)

    plan = BenchPlan(
        batches=BATCHES,
        threads=(1,),
        blocks=4,
        seconds=1.0,
        operating_point=point,
        energy=EnergyPlan(2, 0.5, 0.1),
        memory=False,
        allow_unstable=True,
    )
    data = sample_data(WIDE)
    return measure(folder, data, Metered(world), plan, stopwatch=world, load=load, time=world.time)


@pytest.fixture(scope="module")
def exits_in_order(bench_bundle: Path) -> dict[str, NDArray[np.int32]]:
    """By operating point, the exit of each test image, in the order in which they are walked."""
    data = sample_data(WIDE)
    test = divide(data, seed=0).indices["test"]
    order = np.random.default_rng(0).permutation(len(test))
    found = {}
    for point in POINT_NAMES:
        runner = load_bundle(bench_bundle, threads=1, operating_point=point)
        found[point] = runner(data.images[test][order]).exits
    return found


@pytest.fixture(scope="module", params=[STRICT, USUAL, LOOSE])
def priced(bench_bundle: Path, request: pytest.FixtureRequest) -> Report:
    return priced_report(bench_bundle, request.param)


def call_ms(name: str, samples: int) -> float:
    fixed, each = COSTS[name]
    return fixed + each * samples if samples else 0.0


def path_ms(number: int, samples: int) -> float:
    return sum(call_ms(f"segment{k}", samples) for k in range(1, number + 1))


def expected_ms(batch: int, rates: Sequence[float], *, compacted: bool = True) -> float:
    """Return ms a call: over all ways to split a batch, one exit after the other."""
    total, reach = 0.0, {batch: 1.0}
    for k, rate in enumerate(rates, start=1):
        stays = 1 - sum(rates[:k])
        keep = min(1.0, max(0.0, stays / (stays + rate))) if stays + rate > 0 else 0.0
        later: dict[int, float] = {}
        for left, chance in reach.items():
            total += chance * call_ms(f"segment{k}", left if compacted or left == 0 else batch)
            for stay, part in enumerate(binomial(left, keep)):
                later[stay] = later.get(stay, 0.0) + chance * part
                if k < len(rates) and stay < left and compacted:
                    total += chance * part * GATHER * stay
        reach = later
    return total


def batch_ms(exits: NDArray[np.int32]) -> float:
    """Return ms of the call on images that leave at `exits`."""
    total, before = 0.0, len(exits)
    for k in range(1, 4):
        left = int((exits >= k).sum())
        if left == 0:
            break
        total += call_ms(f"segment{k}", left) + GATHER * left * (left < before)
        before = left
    return total


def blocks_ms(exits: NDArray[np.int32], batch: int, calls: int) -> list[float]:
    """Return ms an image in each of the four blocks, of so many calls each."""
    ms = [
        batch_ms(exits[np.arange(n * batch, (n + 1) * batch) % len(exits)])
        for n in range(4 * calls)
    ]
    return [sum(ms[b * calls : (b + 1) * calls]) / calls / batch for b in range(4)]


def rates_of(report: Report) -> list[float]:
    return [row.rate for row in report.exits]


def exact(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


@pytest.mark.slow
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
        assert (exact(row.running_on_ms),) * 2 == (row.running_on_low, row.running_on_high)
        assert (exact(row.ratio),) * 2 == (row.ratio_low, row.ratio_high)


def test_the_prediction_at_the_observed_rates(priced: Report) -> None:
    rates = rates_of(priced)
    for row in priced.amortisation:
        assert exact(expected_ms(row.batch, rates) / row.batch) == row.predicted_cascade_ms
    if max(rates) == 1.0:  # nothing is left to chance
        for row in priced.amortisation:
            number = rates.index(1.0) + 1
            assert exact(path_ms(number, row.batch) / row.batch) == row.cascade_ms
            assert row.prediction_holds


def test_gathering_is_told_from_the_segments(priced: Report) -> None:
    assert [2, 3] == [row.segment for row in priced.gathers]
    for row in priced.gathers:
        assert (exact(GATHER),) * 3 == (row.ms, row.low, row.high)
        assert 8 == row.batch


def test_the_cascade_in_the_images_own_order(
    priced: Report, exits_in_order: dict[str, NDArray[np.int32]]
) -> None:
    """Each block walks on through the images; the cascade's time is the median over blocks."""
    exits = exits_in_order[priced.bundle.operating_point]
    for row in priced.amortisation:
        (sample,) = (s for s in priced.samples if (s.network, s.batch) == ("cascade", row.batch))
        for calls in range(1, 200):
            wanted = blocks_ms(exits, row.batch, calls)
            if sample.ms == pytest.approx(wanted, rel=1e-9):
                break
        else:
            pytest.fail(f"no number of calls explains {sample}")
        median = float(np.exp(np.median(np.log(wanted))))
        assert exact(median) == row.cascade_ms
        assert exact(row.cascade_ms / row.plain_ms) == row.ratio
        assert row.cascade_low is not None
        assert row.cascade_high is not None
        assert row.cascade_low <= row.cascade_ms <= row.cascade_high
        assert (exact(row.plain_ms),) * 2 == (row.plain_low, row.plain_high)


def test_operating_points(priced: Report, exits_in_order: dict[str, NDArray[np.int32]]) -> None:
    """Strict and loose: all images take one path. MACs: 1728, 864 and 704; heads 256 and 96."""
    to_exit = np.cumsum([1728 + 256, 864 + 96, 704])
    rows = {row.name: row for row in priced.operating_points}
    assert {*POINT_NAMES} == rows.keys()
    for name, number in ((STRICT, 3), (LOOSE, 1)):
        row = rows[name]
        assert exact(path_ms(number, 1)) == row.ms
        assert exact(path_ms(number, 1) / 5.5) == row.ratio
        assert (exact(row.ratio),) * 2 == (row.ratio_low, row.ratio_high)
        assert ("plain" if number == 3 else "cascade") == row.verdict
    for name, row in rows.items():
        rates = [float((exits_in_order[name] == k).mean()) for k in (1, 2, 3)]
        assert rates == pytest.approx(row.exit_rates)
        assert exact(float(np.dot(to_exit, rates))) == row.macs
        assert exact(row.macs / (1728 + 864 + 704)) == row.macs_ratio
    default = rows[priced.bundle.operating_point]
    assert exact(2 * default.macs) == priced.flops.cascade
    assert exact(1 - default.macs_ratio) == priced.flops.saved
    assert exact(1 - default.ratio) == priced.flops.time_saved


def test_break_even_at_every_batch(priced: Report) -> None:
    """Where the foretold cost, moved to meet the measured one, is plain's; the last such share."""
    rates = rates_of(priced)
    costs = {row.batch: row for row in priced.amortisation}
    assert [*BATCHES] == [row.batch for row in priced.crossover]
    for row in priced.crossover:
        cost = costs[row.batch]
        assert (rates[-1] == 1.0) == (row.reason == "nobody leaves")
        if rates[-1] == 1.0:
            continue
        expected = crossing(row.batch, rates, cost.cascade_ms, cost.plain_ms)
        assert (expected is None) == (row.break_even_exit_rate is None)
        assert expected is None or pytest.approx(expected, abs=1e-3) == row.break_even_exit_rate
        if max(rates) == 1.0:  # every batch is alike: no noise
            band = (row.break_even_low, row.break_even_high)
            assert pytest.approx((row.break_even_exit_rate,) * 2, abs=1e-9) == band


def crossing(batch: int, rates: Sequence[float], ours: float, plain: float) -> float | None:
    moved = ours * batch - expected_ms(batch, rates)

    def loss(early: float) -> float:
        return expected_ms(batch, exit_profile(early, rates[:-1])) + moved - plain * batch

    losing = [early for early in np.linspace(0, 1, 2001) if loss(float(early)) > 1e-9]
    if not losing:
        return 0.0
    return None if losing[-1] == 1.0 else float(losing[-1])


def test_energy_is_ten_watts_times_the_time(priced: Report) -> None:
    """A window walks the test images in whole calls, so its mean is known; nothing is net."""
    for row in priced.energy:
        assert row.gross is not None
        assert row.net is not None
        cost = next(r for r in priced.amortisation if r.batch == row.batch)
        assert pytest.approx(WATTS * cost.plain_ms / 1e3, rel=1e-6) == row.gross.plain.joules
        assert pytest.approx(0.0, abs=1e-9) == row.net.plain.joules
        assert row.gross.ratio is not None
        assert pytest.approx(row.gross.cascade.joules / row.gross.plain.joules) == row.gross.ratio
    for one in priced.exit_energy:
        assert one.gross is not None
        assert pytest.approx(WATTS * path_ms(one.exit, 1) / 1e3, rel=1e-6) == one.gross.joules
    grosses = {row.batch: row.gross for row in priced.energy}
    costs = {row.batch: row for row in priced.amortisation}
    for told in priced.foretold:
        gross = grosses[told.batch]
        assert gross is not None
        part = told.ms / costs[told.batch].cascade_ms
        assert exact(gross.cascade.joules * part) == told.joules
        assert gross.ratio is not None
        assert exact(gross.ratio * part) == told.joules_ratio


@pytest.mark.slow
def test_joules_break_even_where_time_does_at_the_same_power(priced: Report) -> None:
    """Plain and cascade draw the same, so what is saved in time is saved in joules."""
    assert [*BATCHES] == [row.batch for row in priced.energy_crossover]
    rates = rates_of(priced)
    for row, energy in zip(priced.energy_crossover, priced.energy, strict=True):
        assert energy.gross is not None
        ours = energy.gross.cascade.joules / WATTS * 1e3
        expected = crossing(row.batch, rates, ours, energy.gross.plain.joules / WATTS * 1e3)
        if rates[-1] == 1.0:
            assert (None, "nobody leaves") == (row.break_even_exit_rate, row.reason)
        elif max(rates) == 1.0:
            assert (expected is None) == (row.break_even_exit_rate is None)
            assert expected is None or pytest.approx(expected, abs=2e-3) == row.break_even_exit_rate


def test_break_even_at_batch_one_is_where_the_saving_pays_for_the_heads(priced: Report) -> None:
    """Late minus plain, over what an early exit saves on the observed mix, both from the clock."""
    rates = rates_of(priced)
    (crossing,) = (row for row in priced.crossover if row.batch == 1)
    (cost,) = (row for row in priced.amortisation if row.batch == 1)
    if rates[-1] == 1.0:
        assert crossing.break_even_exit_rate is None
        return
    mix = exit_profile(1.0, rates[:-1])
    late, early = path_ms(3, 1), sum(r * path_ms(k, 1) for k, r in enumerate(mix, start=1))
    moved = cost.cascade_ms - cost.predicted_cascade_ms
    expected = (late + moved - cost.plain_ms) / (late - early)
    assert pytest.approx(min(1.0, max(0.0, expected)), abs=1e-9) == crossing.break_even_exit_rate


def test_the_decision(priced: Report) -> None:
    """Strict: nobody leaves, 6.375 ms against 5.5. Loose: 1.5 ms, but half are wrong."""
    kinds = ("plain", "cascade")
    rows = {row.operating_point: row for row in priced.alternatives if row.kind in kinds}
    assert exact(5.5) == rows[None].ms
    assert exact(6.375) == rows[STRICT].ms
    assert exact(1.5) == rows[LOOSE].ms
    standings = [one.standing for p in (None, STRICT, LOOSE) if (one := rows[p].certificate)]
    assert ["reference", "no use"] == standings[:2]
    assert standings[2] in ("failed", "not reached")
    assert (True, False) == (rows[None].keeps(0.01), rows[LOOSE].keeps(0.01))
    assert rows[STRICT].keeps(0.01) is None, "it was not tested: it is slower than the reference"
    assert exact(6.375 / 5.5) == rows[STRICT].ratio.value


#: What a run of the same seed on the same data may say differently: all else is the same.
CLOCKS = {"started", "seconds", "device", "device_after", "validity", "cpu_share"}


@pytest.mark.slow
def test_the_same_seed_and_data_give_the_same_report_but_for_when_it_was(
    bench_bundle: Path,
) -> None:
    documents = [schema.encode(priced_report(bench_bundle, USUAL)) for _ in range(2)]

    assert [] == [path for path in differing(*documents) if not CLOCKS & {*path.split(".")}]
    assert "fake" == documents[0]["provenance"]["clock"]


def differing(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what differs, keys joined by dots; processor-seconds are the machine's."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            if not key.endswith("_cpu_s"):
                yield from differing(a[key], b[key], f"{path}.{key}" if path else key)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for one, other in zip(a, b, strict=True):
            yield from differing(one, other, path)
    elif a != b:
        yield path
