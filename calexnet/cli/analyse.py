"""``calexnet analyse``: from result files to one artefact, a table and a figure."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from calexnet.analysis import ANALYSES, DEPLOYING, RENAMED, STUDY

HELP = "Make a table and a figure from the results of a sweep, or from a bench report."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of each analysis by itself."""
    kinds = parser.add_subparsers(
        title="to choose and show a cascade", dest="analysis", metavar="ANALYSIS", required=True
    )
    for name in DEPLOYING:
        _add(kinds, name, ANALYSES[name], listed=True)
    for name in (*STUDY, *RENAMED):  # argparse has no second list of subcommands
        _add(kinds, name, ANALYSES[RENAMED.get(name, name)], listed=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = (f"    {name:<20}{import_module(path).HELP}" for name, path in STUDY.items())
    parser.epilog = "\n".join(["to study methods:", *rows])


def _add(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser], name: str, path: str, listed: bool
) -> None:
    module = import_module(path)
    help = {"help": module.HELP} if listed else {}
    kind = kinds.add_parser(name, description=module.HELP, **help)
    module.configure(kind)
    kind.add_argument("--out", required=True, type=Path, help="folder for the files")
    kind.add_argument("--no-figures", action="store_true", help="tables alone; no matplotlib")


def run(arguments: argparse.Namespace) -> int:
    """Write the artefact's files and say where they are."""
    from calexnet.analysis import artefact

    name = RENAMED.get(arguments.analysis, arguments.analysis)
    if name != arguments.analysis:
        said = f"calexnet analyse: {arguments.analysis} is called {name} now; the old name will go"
        print(said, file=sys.stderr)
    found = import_module(ANALYSES[name]).analyse(arguments)
    if arguments.no_figures:
        found = replace(found, figures={})
    paths = artefact.write(found, arguments.out)
    print(paths[0].read_text("utf-8"))
    print("\n".join(str(path) for path in paths))
    return 0
