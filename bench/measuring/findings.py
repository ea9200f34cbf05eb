"""What comes of one subject: from what was timed of it to the rows of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calexnet.bench.measuring.energy.section import (
    EnergySection,
    energy_ratio,
    foretold_energy,
)
from calexnet.bench.measuring.subject import ONE_FILE, Subject, Timing, one_file_at
from calexnet.bench.model import percentiles, prediction, statistics
from calexnet.bench.model.blocks import Blocks
from calexnet.bench.model.prediction import Grid, cascade_at, half_at, halved, path_at, plain_at
from calexnet.bench.report import document, times
from calexnet.bench.report.energy import EnergyComparison, EnergyCrossoverRow
from calexnet.calibration import OperatingPoint
from calexnet.certify.class_drops import balanced_accuracy


@dataclass(frozen=True)
class Found:
    """All rows about one subject."""

    accuracy: document.Accuracy
    amortisation: list[times.AmortisationRow]
    crossover: list[times.CrossoverRow]
    latency: list[times.LatencyRow]
    operating_points: list[times.OperatingPointRow]
    exits: list[times.ExitRow]
    worst: list[times.WorstRow]
    segments: list[times.SegmentRow]
    layouts: list[times.LayoutRow]
    gathers: list[times.GatherRow]
    flops: document.Flops


@dataclass(frozen=True)
class Findings:
    """The rows about one subject, which has answered.

    Attributes:
        of: A target at a precision.
    """

    of: Subject

    def found(self, timings: Mapping[int, Timing]) -> Found:
        """Return the rows that all that was timed comes to."""
        points = [self._point_row(point, timings[1].blocks) for point in self.of.points]
        cells = [
            (threads, batch) for threads in self.of.plan.threads for batch in self.of.plan.batches
        ]
        grids = {threads: self.grid(threads, timing) for threads, timing in timings.items()}
        return Found(
            accuracy=self._accuracy(),
            amortisation=[self._amortisation(grids[t], t, batch) for t, batch in cells],
            crossover=[self._crossover(grids[t], t, batch) for t, batch in cells],
            latency=[row for t, b in cells for row in self._latency(timings[t], t, b)],
            operating_points=points,
            exits=[self._exit_row(n, timings[1]) for n in range(1, len(self.of.exits.rates) + 1)],
            worst=[self._worst(grids[t], t, batch) for t, batch in cells],
            segments=[row for t in self.of.plan.threads for row in self._segments(grids[t], t)],
            layouts=[row for t, timing in timings.items() for row in self._layouts(timing, t)],
            gathers=[row for t in self.of.plan.threads for row in self._gathers(grids[t], t)],
            flops=self._flops(points),
        )

    def grid(self, threads: int, timing: Timing) -> Grid:
        """Return what predictions on one thread setting are made of."""
        batches = self.of.plan.grid if threads in self.of.plan.threads else (1,)
        return Grid(timing.blocks, self.of.prefix, batches, self.of.exits.rates)

    def _accuracy(self) -> document.Accuracy:
        truth = self.of.test.truth
        plain_right, ours_right = (
            self.of.plain_labels == truth,
            self.of.exits.labels == truth,
        )
        marks = self.of.marks
        change = marks.change(plain_right, ours_right)
        return document.Accuracy(
            **self.of.names,
            samples=len(truth),
            plain=marks.share(plain_right).value,
            cascade=marks.share(ours_right).value,
            change=change.value,
            change_low=change.low,
            change_high=change.high,
            plain_right_only=int((plain_right & ~ours_right).sum()),
            cascade_right_only=int((~plain_right & ours_right).sum()),
            plain_balanced=balanced_accuracy(plain_right, truth),
            cascade_balanced=balanced_accuracy(ours_right, truth),
            worst_class=marks.worst_class(plain_right, ours_right),
        )

    def _amortisation(self, grid: Grid, threads: int, batch: int) -> times.AmortisationRow:
        blocks = grid.blocks
        cost = self._compared(blocks, batch)
        plain = blocks.interval(self.of.prefix + plain_at(batch))
        cascade = blocks.interval(self.of.prefix + cascade_at(batch))
        error = grid.over(cascade_at(batch), batch)
        return times.AmortisationRow(
            **self.of.names,
            batch=batch,
            threads=threads,
            plain_ms=cost.plain,
            plain_low=plain.low,
            plain_high=plain.high,
            cascade_ms=cost.ours,
            cascade_low=cascade.low,
            cascade_high=cascade.high,
            ratio=cost.ratio.value,
            ratio_low=cost.ratio.low,
            ratio_high=cost.ratio.high,
            predicted_cascade_ms=cost.ours * error.value,
            # If the prediction is off by more than this, it is not for noise.
            prediction_low=cost.ours * (1 - (error.value - error.low)),
            prediction_high=cost.ours * (1 + (error.high - error.value)),
        )

    def _crossover(self, grid: Grid, threads: int, batch: int) -> times.CrossoverRow:
        told = prediction.mix_seen(self.of.exits.rates)
        rate, low, high = grid.break_even(batch) if told else (None, None, None)
        return times.CrossoverRow(
            **self.of.names,
            batch=batch,
            threads=threads,
            break_even_exit_rate=rate,
            break_even_low=low,
            break_even_high=high,
            observed_exit_rate=float(sum(self.of.exits.rates[:-1])),
            verdict=self._compared(grid.blocks, batch).verdict,
            reason=None if told else "nobody leaves",
        )

    def _compared(self, blocks: Blocks, batch: int) -> statistics.Comparison:
        return blocks.compare(self.of.prefix + plain_at(batch), self.of.prefix + cascade_at(batch))

    def _latency(self, timing: Timing, threads: int, batch: int) -> list[times.LatencyRow]:
        """Return plain's and the cascade's; single images recombined from the exits they take."""
        names = {"plain": plain_at(batch), "cascade": cascade_at(batch)}
        strata = {name: [self._stratum(timing, at, 1.0)] for name, at in names.items()}
        if batch == 1:
            strata["cascade"] = [
                self._stratum(timing, path_at(number, 1), share)
                for number, share in enumerate(self.of.exits.rates, start=1)
            ]
            if self.of.one_file:
                strata["one file"] = [self._stratum(timing, ONE_FILE, 1.0)]
        return [
            latency_row(
                percentiles.mixture(
                    parts, len(self.of.test.truth), timing.blocks.pace, self.of.plan.seed
                ),
                self.of.names["target"],
                self.of.names["precision"],
                name,
                batch,
                threads,
            )
            for name, parts in strata.items()
        ]

    def _stratum(self, timing: Timing, name: str, share: float) -> percentiles.Stratum:
        return percentiles.Stratum(
            share, [s * 1e3 for s in timing.spent[self.of.prefix + name].call_s]
        )

    def _worst(self, grid: Grid, threads: int, batch: int) -> times.WorstRow:
        ratio = grid.worst(batch)
        return times.WorstRow(
            **self.of.names,
            batch=batch,
            threads=threads,
            ms=grid.blocks.ms(self.of.prefix + path_at(len(self.of.exits.rates), batch)),
            ratio=ratio.value,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
        )

    def _segments(self, grid: Grid, threads: int) -> list[times.SegmentRow]:
        own = np.array(grid.segments())
        rows = []
        for place, batch in enumerate(grid.batches):
            plain = grid.blocks.interval(self.of.prefix + plain_at(batch))
            ends = [(plain.value, plain.low, plain.high), *own[:, :, place].T]
            rows += [
                times.SegmentRow(
                    **self.of.names,
                    segment=segment,
                    batch=batch,
                    threads=threads,
                    ms=float(ms),
                    low=float(low),
                    high=float(high),
                )
                for segment, (ms, low, high) in enumerate(ends)
            ]
        return rows

    def _gathers(self, grid: Grid, threads: int) -> list[times.GatherRow]:
        """Return what gathering costs; nothing where only single images were timed."""
        batch = halved(grid.batches)
        return [
            times.GatherRow(
                **self.of.names,
                segment=segment,
                batch=batch,
                threads=threads,
                ms=found.value,
                low=found.low,
                high=found.high,
                counted=prediction.is_told(found),
            )
            for segment, found in enumerate(grid.gathers, start=1)
            if self.of.prefix + half_at(segment - 1, batch) in grid.blocks.names
        ]

    def _layouts(self, timing: Timing, threads: int) -> list[times.LayoutRow]:
        """Return one graph against segments, all images and exit by exit."""
        if threads not in self.of.one_file:
            return []
        exits = range(1, len(self.of.exits.rates) + 1)
        pairs: list[tuple[int | None, str, str]] = [(None, cascade_at(1), ONE_FILE)]
        pairs += [(number, path_at(number, 1), one_file_at(number)) for number in exits]
        found = []
        for number, segments, one_file in pairs:
            cost = timing.blocks.compare(self.of.prefix + segments, self.of.prefix + one_file)
            found.append(
                times.LayoutRow(
                    **self.of.names,
                    threads=threads,
                    exit=number,
                    segments_ms=cost.plain,
                    one_file_ms=cost.ours,
                    ratio=cost.ratio.value,
                    ratio_low=cost.ratio.low,
                    ratio_high=cost.ratio.high,
                )
            )
        return found

    def foretold(
        self,
        timings: Mapping[int, Timing],
        energy: Mapping[tuple[int, int], EnergyComparison],
    ) -> list[times.ForetoldRow]:
        """Return what images would cost at other exit rates.

        Args:
            timings: By threads.
            energy: All that plain and cascade were measured to use, by threads and batch.
        """
        return [
            self._foretold(
                self.grid(threads, timings[threads]),
                threads,
                batch,
                early,
                energy.get((threads, batch)),
            )
            for threads in self.of.plan.threads
            for batch in self.of.plan.batches
            for early in prediction.shares(self.of.exits.rates)
        ]

    def _foretold(
        self,
        grid: Grid,
        threads: int,
        batch: int,
        early: float,
        energy: EnergyComparison | None,
    ) -> times.ForetoldRow:
        rates = prediction.profile(early, self.of.exits.rates)
        found = grid.foretold(batch, rates)
        running_on = grid.foretold(batch, rates, compacted=False)
        ratio = grid.over(plain_at(batch), batch, rates)
        return times.ForetoldRow(
            **self.of.names,
            batch=batch,
            threads=threads,
            early=early,
            ms=found.value,
            low=found.low,
            high=found.high,
            running_on_ms=running_on.value,
            running_on_low=running_on.low,
            running_on_high=running_on.high,
            ratio=ratio.value,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
            **foretold_energy(energy, grid.over(cascade_at(batch), batch, rates)),
        )

    def energy_crossover(
        self, timings: Mapping[int, Timing], section: EnergySection
    ) -> list[EnergyCrossoverRow]:
        """Return where the cascade starts to save energy, at every setting that was measured.

        From the exits' own joules where they were measured, single images on one thread; else from
        the time that is foretold, by the power that the cascade drew.
        """
        known = {(row.threads, row.batch): row for row in section.crossover}
        found = []
        for row in section.rows:
            if row.gross is None:
                continue
            ratio = energy_ratio(row.gross)
            if (row.threads, row.batch) in known:
                found.append(known[row.threads, row.batch])
            elif ratio is not None:
                grid = self.grid(row.threads, timings[row.threads])
                told = prediction.mix_seen(self.of.exits.rates)
                rate, low, high = grid.break_even(row.batch, ratio) if told else (None, None, None)
                found.append(
                    EnergyCrossoverRow(
                        **self.of.names,
                        batch=row.batch,
                        threads=row.threads,
                        break_even_exit_rate=rate,
                        break_even_low=low,
                        break_even_high=high,
                        observed_exit_rate=float(sum(self.of.exits.rates[:-1])),
                        recombined_j=None,
                        cascade_j=row.gross.cascade.joules,
                        reason=None if told else "nobody leaves",
                    )
                )
        return found

    def _point_row(self, point: OperatingPoint, blocks: Blocks) -> times.OperatingPointRow:
        exits = self.of.at(point)
        right = exits.labels == self.of.test.truth
        marks = self.of.marks
        accuracy = marks.share(right)
        truth, plain = self.of.test.truth, self.of.plain_labels == self.of.test.truth
        change = marks.change(plain, right)
        cost = blocks.compare(
            self.of.prefix + plain_at(1), self.of.prefix + self.of.timed_as(point)
        )
        return times.OperatingPointRow(
            **self.of.names,
            name=point.name,
            setting=point.setting,
            default=point.name == self.of.point.name,
            accuracy=accuracy.value,
            accuracy_low=accuracy.low,
            accuracy_high=accuracy.high,
            change=change.value,
            change_low=change.low,
            change_high=change.high,
            balanced=balanced_accuracy(right, truth),
            worst_class=marks.worst_class(plain, right),
            keeps=None,
            exit_rates=exits.rates,
            macs=self.of.macs.expected(exits.rates),
            macs_own_head=self.of.macs.expected(exits.rates, own_head_only=True),
            macs_ratio=self.of.macs.expected(exits.rates) / self.of.macs.plain,
            batch=1,
            threads=1,
            plain_ms=cost.plain,
            ms=cost.ours,
            ratio=cost.ratio.value,
            ratio_low=cost.ratio.low,
            ratio_high=cost.ratio.high,
            verdict=cost.verdict,
        )

    def _exit_row(self, number: int, timing: Timing) -> times.ExitRow:
        leaving = self.of.exits.taken == number
        right = self.of.exits.labels[leaving] == self.of.test.truth[leaving]
        name = self.of.prefix + path_at(number, 1)
        usual = timing.blocks.interval(name)
        return times.ExitRow(
            **self.of.names,
            exit=number,
            rate=self.of.exits.rates[number - 1],
            accuracy=float(right.mean()) if len(right) else None,
            latency_ms=usual.value,
            latency_low=usual.low,
            latency_high=usual.high,
            quantiles_ms=percentiles.quantiles([s * 1e3 for s in timing.spent[name].call_s]),
            forced=len(right) == 0,
        )

    def _flops(self, points: Sequence[times.OperatingPointRow]) -> document.Flops:
        default = next(point for point in points if point.default)
        cascade = self.of.macs.expected(self.of.exits.rates)
        return document.Flops(
            macs=self.of.macs,
            plain=2.0 * self.of.macs.plain,
            cascade=2.0 * cascade,
            cascade_own_head=2.0 * self.of.macs.expected(self.of.exits.rates, own_head_only=True),
            saved=1.0 - cascade / self.of.macs.plain,
            time_saved=1.0 - default.ratio,
        )

    def samples(self, timings: Mapping[int, Timing]) -> list[times.SampleRow]:
        """Return everything that was timed, as the clock showed it."""
        return [
            times.SampleRow(
                **self.of.names,
                network=task.what,
                batch=task.setting.batch,
                threads=threads,
                ms=tuple(float(ms) for ms in spent.ms()),
            )
            for threads, timing in timings.items()
            for key, spent in timing.spent.items()
            for task in [timing.tasks[key]]
            if task.network != "rival"
            and (task.setting.target, task.setting.precision) == self.of.build
        ]


def latency_row(
    found: percentiles.Latency, target: str, precision: str, network: str, batch: int, threads: int
) -> times.LatencyRow:
    """Return a report's row of a latency."""
    percentiles = {f"p{percent}_ms": interval for percent, interval in found.percentiles.items()}
    return times.LatencyRow(
        target=target,
        precision=precision,
        network=network,
        batch=batch,
        threads=threads,
        calls=found.calls,
        mean_ms=found.mean,
        **percentiles,
    )
