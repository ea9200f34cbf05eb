"""The report as one HTML file: nothing to fetch, readable on a phone, a projector and on paper.

What decides comes first; every table stands at the end, folded. The one script is that of the
what-if panel, named to the browser by its hash; all else works without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from calexnet.bench import (
    choice_tables,
    choices,
    markup,
    overview,
    panel,
    plots,
    provenance_tables,
    savings,
    spreads,
    surface,
    tables,
    time_tables,
)
from calexnet.bench.conclusions import by_setting, one_point_sentences, setting_name
from calexnet.bench.decision import sentence
from calexnet.bench.device_tables import device
from calexnet.bench.energy_records import EnergyRow
from calexnet.bench.energy_tables import energy, energy_sentences
from calexnet.bench.figures import counted, percent, significant
from calexnet.bench.remedies import broken
from calexnet.bench.results import Report
from calexnet.bench.surface import Surface
from calexnet.bench.table import Table, subjects_of

LEAD = (
    "Plain is a trained classifier that every image runs through from end to end; a cascade is the "
    "same classifier with exits, places on the way where an image whose answer is already sure "
    "leaves, so that the rest is not run for it."
)


@dataclass(frozen=True)
class Part:
    """One part of the page, with a heading and a name for links."""

    anchor: str
    title: str
    inside: tuple[str, ...]


def render(report: Report) -> str:
    """Return the whole report as one self-contained page."""
    heading = escape(tables.title(report))
    style = files("calexnet.bench").joinpath("page.css").read_text("utf-8")
    parts = [part for part in _parts(report) if any(part.inside)]
    page = [
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(report)}">',
        f"<title>{heading}</title>",
        f"<style>\n{style}</style>\n</head>\n<body>",
        _flag(report),
        f'<main>\n<header>\n<h1>{heading}</h1>\n<p class="byline">{_byline(report)}</p>\n'
        f'<p class="lead">{escape(LEAD)}</p>\n</header>',
        _verdict(report),
        _validity(report),
        _notes(report.provenance.notes),
        _contents(parts),
        *map(_part, parts),
        "</main>",
        panel.script(report),
        "</body>\n</html>\n",
    ]
    return "\n".join(part for part in page if part)


def _policy(report: Report) -> str:
    script = f"; script-src '{panel.hashed()}'" if panel.script(report) else ""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src 'unsafe-inline'{script}"
    )


def _parts(report: Report) -> tuple[Part, ...]:
    return (
        Part("where", "Where is the cascade faster?", (_overview(report),)),
        Part("choices-part", "Everything side by side", _choices(report)),
        Part("details", "In detail", tuple(_subjects(report))),
        Part("what-if", "What if more images left early, or fewer?", (panel.render(report),)),
        Part("saved", "Work saved, and time saved", _savings(report)),
        Part("joules", "Energy", _energy(report)),
        Part("machine", "The machine", _machine(report)),
        Part("words", "Words", (markup.grid(provenance_tables.glossary()),)),
        Part("tables", "Every table", _every_table(report)),
    )


def _part(part: Part) -> str:
    inside = "\n".join(text for text in part.inside if text)
    return (
        f'<section class="part" id="{part.anchor}">\n<h2>{escape(part.title)}</h2>\n{inside}\n'
        "</section>"
    )


def _contents(parts: Sequence[Part]) -> str:
    links = " ".join(f'<a href="#{part.anchor}">{escape(part.title)}</a>' for part in parts)
    return f'<nav aria-label="Contents">{links}</nav>'


def _byline(report: Report) -> str:
    """Return when and on what it was measured."""
    day, _, clock = report.provenance.started.partition("T")
    images = f"{counted(report.data.samples, 'image')} of {report.data.source}"
    return escape(f"{images}, measured on {day} at {clock[:5]} UTC by calexnet-bench")


# What decides.


def _flag(report: Report) -> str:
    """Return a bar that stays in sight if the run broke a rule, so that no picture lacks it."""
    found = report.validity
    if found.valid:
        return ""
    words = (
        "UNSTABLE RUN: not to be relied on" if found.allowed else "INVALID RUN: it decides nothing"
    )
    return f'<p class="flag"><a href="#validity-part">{words}</a></p>'


def _verdict(report: Report) -> str:
    found = report.decision
    kind = found.choice.replace(" ", "-") if report.validity.counts else "invalid"
    body = markup.bullets(found.reasons) + markup.grid(choice_tables.deciding(report))
    if not report.validity.counts:
        body = markup.fold("What it would have said", body)
    said = sentence(found, report.alternatives, report.validity)
    return (
        f'<section class="verdict {kind}" id="verdict">\n<h2>Verdict</h2>\n'
        f'<p class="decision">{markup.text(said)}</p>\n{body}\n</section>'
    )


def _validity(report: Report) -> str:
    found = report.validity
    if found.valid:
        return ""
    rules = "".join(
        f"<li><b>{escape(_capital(one.rule))}</b>: {markup.text(f'{one.words} {one.remedy}')}</li>"
        for one in broken(found.breaches)
    )
    return (
        '<section class="broken" id="validity-part">\n<h2>Why this run is '
        f"{'unstable' if found.allowed else 'invalid'}, and what to do</h2>\n<ul>{rules}</ul>\n"
        "</section>"
    )


def _notes(notes: tuple[str, ...]) -> str:
    items = markup.bullets(notes)
    return f'<div class="warning"><b>Before you read on</b>{items}</div>' if notes else ""


# The parts, in the page's order.


def _overview(report: Report) -> str:
    found = overview.lines(report)
    if not found:
        return ""
    sizes = overview.batches(found)
    rows = [
        (line.name, [markup.ratio_cell(_measured(line, batch)) for batch in sizes])
        for line in found
    ]
    head = ["Images a call", *map(str, sizes)]
    return "\n".join(
        (
            markup.paragraph(overview.NOTE),
            markup.KEY,
            markup.heat("Ratio by batch", head, rows),
            markup.fold("The same in sentences", markup.bullets(report.headline)),
        )
    )


def _measured(line: overview.Line, batch: int) -> markup.RatioCell | None:
    """Return a ratio, its verdict, and what a pointer shows over it."""
    row = line.cells.get(batch)
    if row is None:
        return None
    words = (
        f"plain {significant(row.plain_ms)} ms, cascade {significant(row.cascade_ms)} ms, ratio "
        f"{row.ratio:.3f} ({row.ratio_low:.3f} to {row.ratio_high:.3f})"
    )
    return row.ratio, overview.verdict_of(row), words


def _choices(report: Report) -> tuple[str, ...]:
    if not report.alternatives:
        return ()
    table = choice_tables.alternatives(report)
    caption = (
        "Each mark is one network that could be shipped: the further to the left the faster, the "
        "higher the more accurate. The leftmost mark in the shaded area wins. An open mark does "
        "not keep the accuracy, or not surely; one at the lower edge loses still more than the "
        "scale shows."
    )
    return (
        f"{markup.paragraph(caption)}\n<figure>{markup.panels([choices.plot(report)])}</figure>",
        markup.fold(
            f"All {counted(len(table.records), 'network')}, the fastest first",
            markup.paragraphs(table.notes) + markup.grid(table),
        ),
    )


def _subjects(report: Report) -> Iterable[str]:
    chosen = _chosen(report)
    for number, subject in enumerate(subjects_of(report)):
        inside = "\n".join(text for text in _subject(report, subject) if text)
        name = f"{escape(' '.join(subject))}{_single(report, subject)}"
        yield (
            f'<details class="subject"{" open" if subject == chosen else ""}>\n'
            f"<summary>{name}</summary>\n"
            f'<div id="subject-{number}">\n{inside}\n</div>\n</details>'
        )


def _single(report: Report, subject: tuple[str, str]) -> str:
    """Return the ratio of single images on one thread, which is seen while all is folded."""
    for row in report.amortisation:
        if (row.target, row.precision, row.batch, row.threads) == (*subject, 1, 1):
            decided = overview.verdict_of(row)
            ratio = f'<span class="cell {decided}">{overview.shown(row.ratio, decided)}</span>'
            return f" <small>single images {ratio}</small>"
    return ""


def _chosen(report: Report) -> tuple[str, str] | None:
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
        yield markup.paragraph(glance.notes[0]) + markup.grid(glance)
    yield markup.figure(
        "Time an image, by batch",
        "Each mark is a measured time. Where the squares lie below the circles, the cascade is "
        "faster. The bar at a square is the 95 % interval of the ratio. An open square means "
        "unclear: the bar reaches the circle. Each plot has its own scale, from 0.",
        [plot for setting, plot in plots.latency_plots(report).items() if setting[:2] == subject],
    )
    yield markup.figure(
        "How many images must leave early, by batch",
        "A dot shows the share of images that must leave early for the cascade to cost what plain "
        "costs: the break-even rate. The dashed line shows the share that does. A dot in the "
        "shaded area, under the line, means that the cascade pays; one above it, that it does not. "
        "An open dot means unclear. A cross on the line marked never means that it would not pay "
        "even if every image left early.",
        [p for setting, p in plots.break_even_plots(report).items() if setting[:2] == subject],
    )
    yield _points(report, subject)
    yield markup.figure(
        "How long single images take",
        "Images that leave early are answered sooner, so a cascade has several latencies, not one: "
        "each exit's calls are drawn with their whole spread. For plain, and for the cascade with "
        "its exits mixed as they come: half of all calls take at most p50, 99 % at most p99; a "
        "percentile that too few calls tell is left out.",
        [plot for about, plot in spreads.spreads(report).items() if about == subject],
    )
    yield _surfaces(report, subject)


def _points(report: Report, subject: tuple[str, str]) -> str:
    rows = tuple(row for row in report.operating_points if (row.target, row.precision) == subject)
    if not rows:
        return ""
    table = time_tables.operating_points(report)
    kept = tuple(column for column in table.columns if column.title in time_tables.POINT_COLUMNS)
    notes = (*one_point_sentences(rows), table.notes[-1])
    return (
        "<h3>Which margin costs how much</h3>\n"
        + markup.paragraphs(notes)
        + markup.grid(Table("points-shown", "Which margin costs how much", notes, kept, rows))
    )


def _surfaces(report: Report, subject: tuple[str, str]) -> str:
    found = [one for one in surface.surfaces(report).values() if one.setting[:2] == subject]
    if not found:
        return ""
    caption = (
        "Cascade over plain, predicted from the segments' own times for images that leave early "
        "more or less often. The lowest line is the worst case: nobody leaves early and every head "
        "was in vain. Gathered: images that stay make a smaller batch, which is what the runtime "
        "does unless it has measured that this does not pay. Not gathered: the whole batch goes on "
        "while one image has not left. Unclear means that 1 lies within the measured ratio's "
        "interval and the error of the prediction there."
    )
    rates = [row.rate for row in report.exits if (row.target, row.precision) == subject]
    seen = f" Here {percent(sum(rates[:-1]))} do." if rates else ""
    grids = "".join(
        f"<div><h4>{escape(setting_name(report.foretold, one.setting))}, {name}</h4>{grid}</div>"
        for one in found
        for name, grid in (
            ("gathered", _surface(one, gathered=True)),
            ("not gathered", _surface(one, gathered=False)),
        )
    )
    return (
        f"<h3>What is foretold for other images</h3>\n{markup.paragraph(caption + seen)}\n"
        f'<div class="pairs">{grids}</div>'
    )


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


def _savings(report: Report) -> tuple[str, ...]:
    plot = savings.plot(report)
    if not plot:
        return ()
    caption = (
        "Papers count the arithmetic that early exits save (FLOPs); a clock also sees the calls "
        "into the runtime, memory, and images being gathered. A faint bar is unclear: its interval "
        "holds 0."
    )
    return (f"{markup.paragraph(caption)}\n<figure>{markup.panels([plot])}</figure>",)


def _energy(report: Report) -> tuple[str, ...]:
    """Return the ratio in joules by batch, or why there is none."""
    if not report.energy:
        return ()
    notes = energy(report).notes
    if not any(row.gross is not None for row in report.energy):
        return (markup.paragraph(notes[0]),)
    grouped = by_setting(report.energy)
    sizes = tuple(sorted({row.batch for row in report.energy}))
    rows = []
    for setting, found in grouped.items():
        cells = {row.batch: _joules(row) for row in found}
        name = setting_name(report.energy, setting)
        rows.append((name, [markup.ratio_cell(cells.get(size)) for size in sizes]))
    caption = (
        "Energy an image, all that the device used: the cascade's over plain's, by the number of "
        "images in one call. Under 1 the cascade uses less."
    )
    said = energy_sentences(report.energy)
    return (
        markup.paragraph(caption),
        markup.heat("Energy ratio by batch", ["Images a call", *map(str, sizes)], rows),
        *(markup.paragraph(note) for note in notes[:-1] if note not in said),
    )


def _joules(row: EnergyRow) -> markup.RatioCell | None:
    found = row.gross
    if found is None or found.ratio is None:
        return None
    plain, cascade = (f"{significant(1e3 * c.joules)} mJ" for c in (found.plain, found.cascade))
    return found.ratio, found.verdict, f"plain {plain}, cascade {cascade}"


def _machine(report: Report) -> tuple[str, ...]:
    found = provenance_tables.validity(report)
    return (
        markup.paragraphs(found.notes[not report.validity.valid :]),
        markup.grid(device(report)),
    )


def _every_table(report: Report) -> tuple[str, ...]:
    found = (*tables.tables(report), time_tables.foretold(report))
    lead = (
        "All figures of this page and more. The same stand in report.json, and as CSV in the "
        "folder tables beside it."
    )
    return (markup.paragraph(lead), *map(_section, found))


def _section(table: Table[Any]) -> str:
    notes = markup.paragraphs(table.notes)
    body = markup.grid(table) if table.records else "<p>Nothing was measured here.</p>"
    inside = f'<section id="{table.anchor}">\n{notes}\n{body}\n</section>'
    return markup.fold(table.title, inside, counted(len(table.records), "row"))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
