"""``calexnet analyse``: from result files to one artefact, a table and a figure."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from calexnet.analysis import ANALYSES

HELP = "Make a table and a figure from the results of a sweep, or from a bench report."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of each analysis by itself."""
    kinds = parser.add_subparsers(title="analyses", dest="analysis", required=True)
    for name, path in ANALYSES.items():
        module = import_module(path)
        kind = kinds.add_parser(name, help=module.HELP, description=module.HELP)
        module.configure(kind)
        kind.add_argument("--out", required=True, type=Path, help="folder for the files")
        kind.add_argument("--no-figures", action="store_true", help="tables alone; no matplotlib")


def run(arguments: argparse.Namespace) -> int:
    """Write the artefact's files and say where they are."""
    from calexnet.analysis import artefact

    found = import_module(ANALYSES[arguments.analysis]).analyse(arguments)
    if arguments.no_figures:
        found = replace(found, figures={})
    paths = artefact.write(found, arguments.out)
    print(paths[0].read_text("utf-8"))
    print("\n".join(str(path) for path in paths))
    return 0
