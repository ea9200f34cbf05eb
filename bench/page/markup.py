"""What the report's page is made of: words, tables, and boxes that scroll or unfold.

Words and cells are escaped here; what is called `inside` is HTML already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from calexnet.bench.report.times import Verdict
from calexnet.bench.words import overview
from calexnet.bench.words.tables.table import Column, Table

#: A ratio, who is better, and what a pointer shows over it.
RatioCell = tuple[float, Verdict, str]

KEY = (
    '<p class="key"><span><span class="cell cascade">0.80</span> cascade faster</span> '
    '<span><span class="cell plain">1.20</span> plain faster</span> '
    '<span><span class="cell unclear">1.01?</span> unclear</span></p>'
)


def text(words: str) -> str:
    """Return words to be read; a figure stays with its unit, and an option of a command in one."""
    whole = re.sub(r"(?<=\d) (?=%|ms\b|mJ\b)", "\u00a0", escape(words))
    return re.sub(r"(?<![\w-])(calexnet-\w+|--[a-z][a-z-]*\w)", r"<code>\1</code>", whole)


def paragraph(words: str) -> str:
    """Return words as a paragraph."""
    return f"<p>{text(words)}</p>"


def paragraphs(notes: Iterable[str]) -> str:
    """Return each note as a paragraph."""
    return "".join(map(paragraph, notes))


def bullets(items: Iterable[str]) -> str:
    """Return a list of sentences."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


def fold(name: str, inside: str, aside: str = "") -> str:
    """Return what shows only its name, and words beside that, until it is unfolded."""
    beside = f" <small>{escape(aside)}</small>" if aside else ""
    return f"<details><summary>{escape(name)}{beside}</summary>\n{inside}\n</details>"


def figure(heading: str, caption: str, found: Sequence[str]) -> str:
    """Return plots under a heading; nothing if there are none."""
    if not found:
        return ""
    return (
        f"<figure>\n<h3>{escape(heading)}</h3>\n<figcaption>{paragraph(caption)}</figcaption>\n"
        f"{panels(found)}\n</figure>"
    )


def panels(found: Sequence[str]) -> str:
    """Return plots side by side, where there is room."""
    inside = "\n".join(found)
    return f'<div class="panels">\n{inside}\n</div>'


def ratio_cell(found: RatioCell | None) -> str:
    """Return one cell of `heat`, empty where nothing is known."""
    if found is None:
        return "<td></td>"
    ratio, verdict, words = found
    shown = overview.shown(ratio, verdict)
    return f'<td class="cell {verdict}" title="{escape(words)}">{shown}</td>'


def heat(name: str, head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a table of `ratio_cell`, coloured by who is better; rows have a label each."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    lines = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th>{"".join(cells)}</tr>' for label, cells in rows
    )
    return scroll(
        name,
        f'<table class="heat">\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n'
        "</table>",
    )


def grid(table: Table[Any]) -> str:
    """Return a table without its heading and notes."""
    columns: tuple[Column[Any], ...] = table.columns
    head = "".join(f'<th scope="col" class="{c.kind}">{escape(c.title)}</th>' for c in columns)
    rows = "\n".join(f"<tr>{_cells(columns, row)}</tr>" for row in table.rows)
    return scroll(
        table.title,
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>",
    )


def scroll(name: str, inside: str) -> str:
    """Return a box that takes the keyboard's focus, so that it scrolls without a pointer too."""
    return (
        f'<div class="scroll" role="region" aria-label="{escape(name)}" tabindex="0">\n'
        f"{inside}\n</div>"
    )


def _cells(columns: tuple[Column[Any], ...], row: tuple[str, ...]) -> str:
    return "".join(
        f'<td class="{column.kind}">{_cell(cell)}</td>'
        for column, cell in zip(columns, row, strict=True)
    )


def _cell(words: str) -> str:
    """Return a cell; the interval at its end is marked, so that a phone breaks the line there."""
    return re.sub(r" (\([^()]+ to [^()]+\))$", r' <span class="ends">\1</span>', escape(words))
