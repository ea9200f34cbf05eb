"""The page's part about one target and precision: its figures, plots and predictions in full."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from calexnet.bench.model.settings import subjects_of
from calexnet.bench.page import markup, plots, spreads, surface
from calexnet.bench.page.surface import Surface
from calexnet.bench.report.document import Report
from calexnet.bench.report.times import OperatingPointRow
from calexnet.bench.words import chosen, overview
from calexnet.bench.words.conclusions import (
    affordable_sentences,
    layout_sentences,
    prediction_sentences,
    setting_name,
)
from calexnet.bench.words.figures import percent, significant
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables import times as time_tables
from calexnet.bench.words.tables.table import Table


def subjects(report: Report) -> Iterable[str]:
    """Yield a fold for every target and precision, the one that the decision is about unfolded."""
    shown = _unfolded(report)
    for number, subject in enumerate(subjects_of(report)):
        inside = "\n".join(text for text in _subject(report, subject) if text)
        name = f"{escape(' '.join(subject))}{_single(report, subject)}"
        yield (
            f'<details class="subject"{" open" if subject == shown else ""}>\n'
            f"<summary>{name}</summary>\n"
            f'<div id="subject-{number}">\n{inside}\n</div>\n</details>'
        )


def _single(report: Report, subject: tuple[str, str]) -> str:
    """Return the ratio of single images on one thread, which is seen while all is folded.

    At the default operating point, and at the one that the decision takes.
    """
    other = chosen.chosen(report)
    mine = [
        row
        for row in report.operating_points
        if (row.target, row.precision) == subject and (row.default or row is other)
    ]
    several = len(mine) > 1
    badges = [_badge(row, f"at {row.name}" if several else "single images") for row in mine]
    lead = "single images " if several else ""
    return f" <small>{lead}{' '.join(badges)}</small>" if badges else ""


def _badge(row: OperatingPointRow, where: str) -> str:
    shown = overview.shown(row.ratio, row.verdict)
    return f'<span>{escape(where)} <span class="cell {row.verdict}">{shown}</span></span>'


def _unfolded(report: Report) -> tuple[str, str] | None:
    """Return the target and precision that the decision is about; the first, if it is a rival's."""
    found = subjects_of(report)
    for one in report.alternatives:
        if one.name == report.decision.name and (one.target, one.precision) in found:
            return one.target, one.precision
    return found[0] if found else None


def _subject(report: Report, subject: tuple[str, str]) -> Iterable[str]:
    """Yield all about one target and precision."""
    glance = tables.glance_at(report, subject)
    if glance.records:
        first, *others = glance.notes
        yield markup.paragraph(first) + markup.grid(glance) + markup.paragraphs(others)
    yield markup.figure(
        "Time of an image, by batch size",
        "Each mark is a measured time. Where the squares lie below the circles, the cascade is "
        "faster. The bar at a square is the 95 % interval of the ratio. An open square means "
        "unclear: the bar reaches the circle. Each plot has its own scale, from 0.",
        [plot for setting, plot in plots.latency_plots(report).items() if setting[:2] == subject],
    )
    yield markup.figure(
        "How many images must leave early for it to pay",
        "A dot shows the share of images that must leave early for the cascade to cost what plain "
        "costs. The dashed line shows the share that does. A dot in the shaded area, under the "
        "line, means that the cascade pays; one above it, that it does not. An open dot means "
        "unclear. A cross on the line marked never means that it would not pay even if every "
        "image left early.",
        [p for setting, p in plots.break_even_plots(report).items() if setting[:2] == subject],
    )
    yield _points(report, subject)
    yield markup.figure(
        "How long single images take",
        "Images that leave early are answered sooner, so a cascade has several times, not one: "
        "each exit's calls are drawn with their whole spread, and an arrow says what lies beyond "
        "the scale; forced means that no image leaves there by itself. For plain, and for the "
        "cascade with its exits mixed as they come: half of all calls take at most p50, 99 % at "
        "most p99; what too few calls tell is left out.",
        [plot for about, plot in spreads.spreads(report).items() if about == subject],
    )
    yield _layouts(report, subject)
    yield _surfaces(report, subject)


def _points(report: Report, subject: tuple[str, str]) -> str:
    rows = tuple(row for row in report.operating_points if (row.target, row.precision) == subject)
    if not rows:
        return ""
    table = time_tables.operating_points(report)
    kept = tuple(column for column in table.columns if column.title in time_tables.POINT_COLUMNS)
    notes = (table.notes[-1], *affordable_sentences(rows, report.decision.max_drop))
    return (
        f"<h3>{escape(table.title)}</h3>\n"
        + markup.paragraphs(notes)
        + markup.grid(Table("points-shown", table.title, notes, kept, rows))
    )


def _layouts(report: Report, subject: tuple[str, str]) -> str:
    rows = [row for row in report.layouts if (row.target, row.precision) == subject]
    if not rows:
        return ""
    notes = (time_tables.LAYOUTS, *layout_sentences(rows))
    return f"<h3>One file, or segments?</h3>\n{markup.paragraphs(notes)}"


def _surfaces(report: Report, subject: tuple[str, str]) -> str:
    found = [one for one in surface.surfaces(report).values() if one.setting[:2] == subject]
    if not found:
        return ""
    rates = [row.rate for row in report.exits if (row.target, row.precision) == subject]
    seen = f" Here {percent(sum(rates[:-1]))} leave early." if rates else ""
    caption = (
        "Time of the cascade over time of plain, predicted for images of which more or fewer leave "
        f"early, by the number of images in a call.{seen} The lowest line is the worst case: every "
        "image runs to the end, and all exits were asked in vain. Unclear: 1 lies within the noise "
        "of the measured ratio and the error of the prediction there."
    )
    checked = [row for row in report.amortisation if (row.target, row.precision) == subject]
    apart = (
        "Above, images that stay are gathered into a smaller batch, which is what the runtime does "
        "unless it has measured that this does not pay. Here, the whole batch goes on while one "
        "of its images has not left."
    )
    return (
        f"<h3>If more or fewer images left early</h3>\n{markup.paragraph(caption)}\n"
        f"{markup.paragraphs(prediction_sentences(checked))}\n"
        f"{_pairs(report, found, gathered=True)}\n"
        + markup.fold(
            "If images that stay were not gathered",
            f"{markup.paragraph(apart)}\n{_pairs(report, found, gathered=False)}",
        )
    )


def _pairs(report: Report, found: Iterable[Surface], *, gathered: bool) -> str:
    grids = "".join(
        f"<div><h4>{escape(setting_name(report.foretold, one.setting))}</h4>"
        f"{_surface(one, gathered=gathered)}</div>"
        for one in found
    )
    return f'<div class="pairs">{grids}</div>'


def _surface(found: Surface, *, gathered: bool) -> str:
    rows = []
    for early in reversed(found.shares):
        cells = []
        for batch in found.batches:
            point = found.points[early, batch]
            ratio = point.row.ratio if gathered else point.running_on_ratio
            ms = point.row.ms if gathered else point.row.running_on_ms
            words = f"{significant(ms)} ms an image"
            if gathered:
                words += f" ({significant(point.row.low)} to {significant(point.row.high)})"
            verdict = point.gathered if gathered else point.running_on
            cells.append(markup.ratio_cell((ratio, verdict, words)))
        rows.append((f"{100 * early:g} %", cells))
    return markup.heat("Foretold ratio", ["Leave early", *map(str, found.batches)], rows)
