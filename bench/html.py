"""The report as one HTML file: no script, no request, readable on a phone and on paper."""

from __future__ import annotations

from html import escape
from typing import Any

from calexnet.bench import plots, tables
from calexnet.bench.results import Report
from calexnet.bench.table import Column, Table

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --faint: #57606a;
  --rule: #d0d7de; --box: #f3f5f8; --link: #0b5cad; --warn: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #e6e9ee; --faint: #a3adb8; --rule: #39424d; --box: #1e242b;
    --link: #7ab8ff; --warn: #e3b341; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { max-width: 44rem; margin: .5rem 0; }
a { color: var(--link); }
.verdict { background: var(--box); border-left: 4px solid var(--link); padding: .5rem 1rem; }
.verdict p { font-size: 1.1rem; max-width: none; }
.warning { border-left: 4px solid var(--warn); padding: .25rem 1rem; margin: 1rem 0; }
.warning ul { margin: .25rem 0; padding-left: 1.2rem; }
nav { margin: 1rem 0; line-height: 2; }
nav a { margin-right: 1rem; white-space: nowrap; }
figure { margin: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1rem; }
.panels > * { max-width: 27rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: .75rem 0;
  background: linear-gradient(90deg, var(--paper) 40%, transparent) 0 0 / 3rem 100% no-repeat local,
    linear-gradient(270deg, var(--paper) 40%, transparent) 100% 0 / 3rem 100% no-repeat local,
    linear-gradient(90deg, var(--rule), transparent) 0 0 / 1rem 100% no-repeat scroll,
    linear-gradient(270deg, var(--rule), transparent) 100% 0 / 1rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--rule);
  vertical-align: top; text-align: left; }
th:first-child, td:first-child { padding-left: 0; }
th { vertical-align: bottom; color: var(--faint); font-weight: 600; min-width: 4.5rem; }
td.word, td.figure { white-space: nowrap; }
th.figure, td.figure { text-align: right; font-variant-numeric: tabular-nums; }
td.prose { overflow-wrap: anywhere; min-width: 5.5rem; }
@media (max-width: 30rem) {
  th, td { padding: .35rem .4rem; }
  th { min-width: 3.5rem; }
  td.prose { min-width: 5rem; }
}
@media print { nav { display: none; } .scroll { overflow: visible; } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(report: Report) -> str:
    """Return the whole report as one self-contained page."""
    heading = escape(tables.title(report))
    sections = tables.tables(report)
    glance, rest = sections[0], sections[1:]
    parts = [
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{heading}</title>",
        f"<style>{_STYLE}{plots.STYLE}</style>\n</head>\n<body>\n<main>",
        f"<h1>{heading}</h1>",
        _paragraphs(report.headline, "verdict"),
        _warning(report.provenance.notes),
        _section(glance),
        _figures(report),
        _contents(rest),
        *(_section(table) for table in rest),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _paragraphs(sentences: tuple[str, ...], kind: str) -> str:
    inside = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<div class="{kind}">{inside}</div>' if sentences else ""


def _warning(notes: tuple[str, ...]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="warning"><b>Before you read on</b><ul>{items}</ul></div>' if notes else ""


def _figures(report: Report) -> str:
    return "\n".join(
        [
            _figure(
                "Time an image, by batch",
                "Each mark is a measured time. Where the squares lie below the circles, the "
                "cascade is faster. The bar at a square is the 95 % interval of the ratio. An "
                "open square means unclear: the bar reaches the circle. Each plot has its own "
                "scale, from 0.",
                plots.latency_plots(report),
            ),
            _figure(
                "How many images must leave early, by batch",
                "A dot shows the share of images that must leave early for the cascade to cost "
                "what plain costs: the break-even rate. The dashed line shows the share that "
                "does. A dot in the shaded area, under the line, means that the cascade pays; one "
                "above it, that it does not. An open dot means unclear. A cross on the line "
                "marked never means that it would not pay even if every image left early.",
                plots.break_even_plots(report),
            ),
        ]
    )


def _figure(heading: str, caption: str, panels: tuple[str, ...]) -> str:
    if not panels:
        return ""
    inside = "\n".join(panels)
    return (
        f"<figure>\n<h2>{escape(heading)}</h2>\n<figcaption><p>{escape(caption)}</p></figcaption>"
        f'\n<div class="panels">\n{inside}\n</div>\n</figure>'
    )


def _contents(sections: tuple[Table[Any], ...]) -> str:
    links = " ".join(f'<a href="#{t.anchor}">{escape(t.title)}</a>' for t in sections)
    return f'<nav aria-label="Tables">{links}</nav>'


def _section(table: Table[Any]) -> str:
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    body = _table(table) if table.records else "<p>Nothing was measured here.</p>"
    heading = f"<h2>{escape(table.title)}</h2>"
    return f'<section id="{table.anchor}">\n{heading}\n{notes}\n{body}\n</section>'


def _table(table: Table[Any]) -> str:
    columns: tuple[Column[Any], ...] = table.columns
    head = "".join(f'<th scope="col" class="{c.kind}">{escape(c.title)}</th>' for c in columns)
    rows = "\n".join(f"<tr>{_cells(columns, row)}</tr>" for row in table.rows)
    # The box takes the keyboard's focus, so that it scrolls without a pointer too.
    return (
        f'<div class="scroll" role="region" aria-label="{escape(table.title)}" tabindex="0">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _cells(columns: tuple[Column[Any], ...], row: tuple[str, ...]) -> str:
    return "".join(
        f'<td class="{column.kind}">{escape(cell)}</td>'
        for column, cell in zip(columns, row, strict=True)
    )
