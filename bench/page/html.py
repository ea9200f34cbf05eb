"""The report as one HTML file: nothing to fetch, readable on a phone, a projector and on paper.

What decides comes first; every table stands at the end, folded. The one script is that of the
what-if panel, named to the browser by its hash; all else works without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from calexnet.bench.model.settings import by_setting
from calexnet.bench.page import choices, details, markup, panel, savings
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyRow
from calexnet.bench.words import chosen, first, overview
from calexnet.bench.words.conclusions import setting_name
from calexnet.bench.words.figures import counted, significant
from calexnet.bench.words.glossary import LEAD
from calexnet.bench.words.notes import notes
from calexnet.bench.words.remedies import broken, standing
from calexnet.bench.words.tables import choice as choice_tables
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables import provenance as provenance_tables
from calexnet.bench.words.tables import times as time_tables
from calexnet.bench.words.tables.device import device
from calexnet.bench.words.tables.energy import energy, energy_sentences
from calexnet.bench.words.tables.table import Table
from calexnet.bench.words.verdict import headline, reasons, sentence


@dataclass(frozen=True)
class Part:
    """One part of the page, with a heading and a name for links."""

    anchor: str
    title: str
    inside: tuple[str, ...]


def render(report: Report) -> str:
    """Return the whole report as one self-contained page."""
    heading = escape(tables.title(report))
    style = files("calexnet.bench.page").joinpath("page.css").read_text("utf-8")
    parts = [part for part in _parts(report) if any(part.inside)]
    page = [
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(report)}">',
        f"<title>{heading}</title>",
        f"<style>\n{style}</style>\n</head>\n<body>",
        _flag(report),
        f'<main>\n<header>\n<h1>{heading}</h1>\n<p class="byline">{_byline(report)}</p>\n</header>',
        _verdict(report),
        f'<p class="lead">{markup.text(LEAD)}</p>',
        _validity(report),
        _notes(notes(report)),
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
        Part("choices-part", "Every network that could be shipped", _choices(report)),
        Part("details", "Each target in detail", tuple(details.subjects(report))),
        Part("what-if", "What if more images left early, or fewer?", (panel.render(report),)),
        Part("saved", "Arithmetic saved, and time saved", _savings(report)),
        Part("joules", "Energy", _energy(report)),
        Part("machine", "The machine", _machine(report)),
        Part("words", "Words", (_anchored(provenance_tables.glossary()),)),
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
    """Return a bar that stays in sight if a claim fell, so that no picture lacks it."""
    found = report.validity
    if found.valid:
        return ""
    if found.stands("verdict"):
        return f'<p class="flag some"><a href="#validity-part">{escape(standing(found))}</a></p>'
    words = (
        "UNSTABLE RUN: not to be relied on" if found.allowed else "INVALID RUN: it decides nothing"
    )
    return f'<p class="flag"><a href="#validity-part">{words}</a></p>'


def _verdict(report: Report) -> str:
    found = report.decision
    kind = found.choice.replace(" ", "-") if report.validity.counts("verdict") else "invalid"
    body = (
        markup.bullets(reasons(found, report.alternatives))
        + markup.grid(choice_tables.deciding(report))
        + markup.paragraphs(chosen.words(report))
        + markup.paragraphs(choice_tables.rule(report))
    )
    stands = report.validity.counts("verdict")
    said = sentence(found, report.alternatives, report.validity)
    told = (
        f'<p class="ship">{escape(first.word(report))}</p>\n'
        f'<p class="decision">{markup.text(said)}</p>\n'
        f"{_numbers(report) if stands else ''}\n{_following(report)}"
    )
    return (
        f'<section class="verdict {kind}" id="verdict">\n<h2>Verdict</h2>\n'
        f'<div class="screen">\n<div>\n{told}\n</div>\n{_picture(report)}\n</div>\n'
        f"{markup.fold('Why' if stands else 'What it would have said', body)}\n</section>"
    )


def _numbers(report: Report) -> str:
    """Return the numbers that decide, large, each over what it is of."""
    each = "".join(
        f"<div><dt>{markup.text(one.label)}</dt><dd>{markup.text(one.figure)}</dd></div>"
        for one in first.numbers(report)
    )
    return f'<dl class="numbers">{each}</dl>' if each else ""


def _following(report: Report) -> str:
    words = first.following(report)
    return f'<p class="next"><b>What next:</b> {markup.text(words)}</p>' if words else ""


def _picture(report: Report) -> str:
    """Return the plot of all that could be shipped."""
    found = choices.plot(report)
    if not found:
        return ""
    caption = (
        "Each mark is one network that could be shipped: further to the left is faster, higher is "
        "more accurate. The leftmost mark in the shaded area wins. An open mark does not keep the "
        "accuracy, or not surely; one at the lower edge loses still more than the scale shows."
    )
    return f"<figure>{found}\n<figcaption>{markup.text(caption)}</figcaption></figure>"


def _validity(report: Report) -> str:
    found = report.validity
    if found.valid:
        return ""
    rules = "".join(
        f"<li><b>{escape(_capital(one.rule))}</b>: {markup.text(f'{one.words} {one.remedy}')}</li>"
        for one in broken(found.breaches)
    )
    some = " some" if found.stands("verdict") else ""
    return (
        f'<section class="broken{some}" id="validity-part">\n<h2>What does not stand, why, and '
        f"what to do</h2>\n{markup.paragraph(standing(found))}\n<ul>{rules}</ul>\n</section>"
    )


def _notes(said: tuple[str, ...]) -> str:
    items = markup.bullets(said)
    return f'<div class="warning"><b>Before you read on</b>{items}</div>' if said else ""


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
            markup.paragraphs(overview.notes(report)),
            markup.KEY,
            markup.heat("Ratio by batch", head, rows),
            markup.fold("The same in sentences", markup.bullets(headline(report))),
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
    return (
        markup.fold(
            f"All {counted(len(table.records), 'network')}, the fastest first",
            markup.paragraphs(table.notes) + markup.grid(table),
        ),
    )


def _savings(report: Report) -> tuple[str, ...]:
    plot = savings.plot(report)
    if not plot:
        return ()
    caption = (
        "Papers count the arithmetic that early exits save (FLOPs). A clock also sees the calls "
        "into the runtime, memory, and images being gathered. A bar to the left of the line is a "
        "loss; a faint one is unclear, as its interval holds 0. At the default operating point, "
        f"{report.bundle.operating_point}."
    )
    return (f"{markup.paragraph(caption)}\n<figure>{markup.panels([plot])}</figure>",)


def _energy(report: Report) -> tuple[str, ...]:
    """Return the ratio in joules by batch, or why there is none."""
    if not report.energy:
        return ()
    said_there = energy(report).notes
    if not any(row.gross is not None for row in report.energy):
        return (markup.paragraph(said_there[0]),)
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
        *(markup.paragraph(note) for note in said_there[:-1] if note not in said),
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
        _anchored(device(report)),
    )


def _every_table(report: Report) -> tuple[str, ...]:
    above = device(report).anchor, provenance_tables.glossary().anchor
    found = (*tables.tables(report), time_tables.foretold(report))
    lead = (
        "All figures of this page and more; brackets hold the 95 % interval. The same stand in "
        "report.json, and as CSV in the folder tables beside it."
    )
    folded = [_section(table) for table in found if table.anchor not in above]
    return (markup.paragraph(lead), *folded)


def _section(table: Table[Any]) -> str:
    return markup.fold(table.title, _anchored(table), counted(len(table.records), "row"))


def _anchored(table: Table[Any]) -> str:
    """Return a table with its notes, to be found by its name."""
    above = markup.paragraphs(table.notes)
    body = markup.grid(table) if table.records else "<p>Nothing was measured here.</p>"
    return f'<section id="{table.anchor}">\n{above}\n{body}\n</section>'


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
