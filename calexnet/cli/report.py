"""``calexnet report``: a bench report shown anew, from its facts, also one of an older version."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet.files.storage import staged_file, staged_folder

if TYPE_CHECKING:
    from calexnet.bench.report.document import Report

HELP = "Show a bench report anew, also one that an older version wrote."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("report", type=Path, help="its folder, or its report.json")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page")
    parser.add_argument("--md", type=Path, metavar="FILE", help="write it as Markdown")
    parser.add_argument("--csv", type=Path, metavar="DIR", help="write its tables as CSV")
    parser.add_argument("--open", action="store_true", help="show the page in a browser")


def run(arguments: argparse.Namespace) -> int:
    """Print the report on a screen, and write what else was asked for."""
    from calexnet.bench import reporting
    from calexnet.bench.page import html
    from calexnet.bench.words import markdown

    found = reporting.open_report(arguments.report)
    page: Path | None = arguments.html
    if page is None and arguments.open:
        page = Path(tempfile.mkdtemp(prefix="calexnet-")) / reporting.HTML
    print(reporting.summary(found))
    for path, render in ((page, html.render), (arguments.md, markdown.render)):
        if path is not None:
            _write(render(found), path)
    if arguments.csv is not None:
        _write_tables(found, arguments.csv)
    if page is not None and arguments.open:
        webbrowser.open(page.absolute().as_uri())
    return 0


def _write(text: str, path: Path) -> None:
    with staged_file(path) as stage:
        stage.write_text(text, "utf-8")
    print(f"\nWritten: {path}")


def _write_tables(report: Report, folder: Path) -> None:
    from calexnet.bench import reporting

    with staged_folder(folder, marker="samples.csv") as stage:
        reporting.write_tables(report, stage)
    print(f"\nWritten: {folder}")
