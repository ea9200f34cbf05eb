"""Time against batch and the exit rate where it pays: tables A3.1 and A3.2, from a bench report."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet.analysis.artefact import Artefact
from calexnet.bench import reporting
from calexnet.bench.model.settings import by_setting
from calexnet.bench.report.document import Report
from calexnet.bench.words.conclusions import setting_name
from calexnet.bench.words.tables import amortisation as cost_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Time against batch, and the exit rate where a cascade pays, from a bench report."

_STROKES = (
    ("#d55e00", "-", "o"),
    ("#0072b2", "--", "s"),
    ("#009e73", ":", "^"),
    ("#cc79a7", "-.", "D"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, help="what calexnet-bench wrote: folder or JSON file")


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return both tables and a figure for each."""
    report = reporting.open_report(arguments.results)
    return Artefact(
        "latency",
        (cost_tables.amortisation(report), cost_tables.crossover(report)),
        {
            _RATIO: lambda figure: _draw_ratio(figure, report),
            _BREAK_EVEN: lambda figure: _draw_break_even(figure, report),
        },
    )


_RATIO = (
    "Time of the cascade over time of plain against batch, with 95 % intervals; under 1 the "
    "cascade is faster."
)
_BREAK_EVEN = (
    "Share of images that must leave early for the cascade to cost what plain costs, predicted, "
    "against batch; the share that does, in black. Where the line is missing, no share is enough."
)


def _settings(rows: Iterable[Any]) -> Iterable[tuple[Any, Any, tuple[str, str, str]]]:
    return (
        (setting, mine, stroke)
        for (setting, mine), stroke in zip(by_setting(rows).items(), cycle(_STROKES), strict=False)
    )


def _draw_ratio(figure: Figure, report: Report) -> None:
    axes = figure.add_subplot()
    for setting, rows, (colour, dash, mark) in _settings(report.amortisation):
        ratios = [row.ratio for row in rows]
        axes.errorbar(
            [row.batch for row in rows],
            ratios,
            yerr=[
                [row.ratio - row.ratio_low for row in rows],
                [row.ratio_high - row.ratio for row in rows],
            ],
            color=colour,
            linestyle=dash,
            marker=mark,
            capsize=3,
            label=setting_name(report.amortisation, setting),
        )
    axes.axhline(1, color="black", lw=0.8)
    _finish(axes, "time of the cascade / time of plain", report)


def _draw_break_even(figure: Figure, report: Report) -> None:
    axes = figure.add_subplot()
    for setting, rows, (colour, dash, mark) in _settings(report.crossover):
        needed = [
            float("nan") if row.break_even_exit_rate is None else 100 * row.break_even_exit_rate
            for row in rows
        ]
        name = setting_name(report.crossover, setting)
        batches = [row.batch for row in rows]
        axes.plot(batches, needed, color=colour, linestyle=dash, marker=mark, label=name)
        observed = [100 * row.observed_exit_rate for row in rows]
        axes.plot(batches, observed, color="black", lw=1, linestyle=(0, (1, 2)))
    axes.set_ylim(-3, 103)
    _finish(axes, "images that leave early, % of all", report)


def _finish(axes: Any, y_label: str, report: Report) -> None:
    batches = sorted({row.batch for row in report.amortisation})
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()
    axes.set_xlabel("batch, images a call")
    axes.set_ylabel(y_label)
    axes.legend(fontsize=8)
