"""What an analysis gives: tables as Markdown and CSV, figures as SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet.bench.report import csv
from calexnet.bench.words import markdown
from calexnet.bench.words.tables.table import Table
from calexnet.errors import RuntimeUnavailableError
from calexnet.files.storage import staged_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Draws a figure onto an empty one.
Draw = Callable[["Figure"], None]

_INCHES = (6.4, 4.4)
_PNG_DPI = 160
#: Of the files that hold a figure; Markdown shows the first.
_SUFFIXES = ("svg", "png")
#: Plain paper, no colour that only a screen shows; the salt makes a figure's file reproducible.
_STYLE: Any = {
    "font.size": 10,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "calexnet",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Artefact:
    """The result of one analysis.

    Attributes:
        name: Stem of its files.
        tables: In the order to be read. A table's CSV holds every field of its records, its
            Markdown the columns; the records are dataclasses.
        figures: Caption -> what draws it.
    """

    name: str
    tables: tuple[Table[Any], ...]
    figures: Mapping[str, Draw] = field(default_factory=dict)


def write(artefact: Artefact, folder: Path) -> tuple[Path, ...]:
    """Write the artefact's files into `folder` and return their paths, the Markdown first.

    Raises:
        RuntimeUnavailableError: There are figures and matplotlib is not installed.
        StorageError: The system refused to write.
    """
    paths = [folder / f"{artefact.name}.md"]
    text = []
    with ExitStack() as stages:  # all are written before the first replaces an earlier one

        def staged(path: Path) -> Path:
            return stages.enter_context(staged_file(path))

        for number, (caption, draw) in enumerate(artefact.figures.items(), 1):
            stem = artefact.name if number == 1 else f"{artefact.name}-{number}"
            for suffix in _SUFFIXES:
                paths.append(folder / f"{stem}.{suffix}")
                _save(draw, staged(paths[-1]), suffix)
            text.append(f"![{markdown.escape(caption)}]({stem}.{_SUFFIXES[0]})")
            text.append(markdown.escape(caption))
        for table in artefact.tables:
            same = table.anchor == artefact.name
            stem = artefact.name if same else f"{artefact.name}-{table.anchor}"
            paths.append(folder / f"{stem}.csv")
            staged(paths[-1]).write_text(as_csv(table), "utf-8", newline="")
        sections = [markdown.section(table) for table in artefact.tables if table.columns]
        staged(paths[0]).write_text("\n\n".join([*sections, *text]) + "\n", "utf-8")
    return tuple(paths)


def as_csv(table: Table[Any]) -> str:
    """Return a table's records as CSV; nothing if there are none."""
    return csv.render(type(table.records[0]), table.records) if table.records else ""


def _save(draw: Draw, path: Path, suffix: str) -> None:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "figures are drawn by matplotlib, which is not installed",
            fix="Run: pip install 'calexnet[analyse]'; or add --no-figures for tables alone",
        ) from missing
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_INCHES, layout="constrained")
        draw(figure)
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(path, format=suffix, dpi=_PNG_DPI, facecolor="white", metadata=metadata)
