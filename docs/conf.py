"""The site of ``make docs``: the pages as they stand, the commands from their parsers, the API.

Sphinx reads the whole repository, so that the README and the pages link to each other as they do
where they are read unbuilt.
"""

from __future__ import annotations

from importlib import import_module, metadata
from pathlib import Path

from calexnet.cli import COMMANDS
from calexnet.cli.parser import Parser

project = "calexnet"
release = metadata.version("calexnet")
copyright = "the calexnet authors, MIT licence"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "docs/*.md", "examples/README.md"]
myst_heading_anchors = 4
autodoc_typehints = "description"
autodoc_member_order = "bysource"
# In docstrings a name in single back ticks is code.
default_role = "code"

html_theme = "furo"
html_title = f"calexnet {release}"
html_copy_source = False
html_static_path: list[str] = []

_COMMANDS = Path(__file__).with_name("commands.md")
_PROGRAMS = {"export": "calexnet-export", "bench": "calexnet-bench"}


def _help(name: str, module: str) -> str:
    """Return the help of one command as a part of a page."""
    command = import_module(module)
    program = _PROGRAMS.get(name, f"calexnet {name}")
    parser = Parser(prog=program, description=command.HELP)
    command.configure(parser)
    return f"## {program}\n\n```text\n{parser.format_help()}```\n"


_COMMANDS.write_text(
    "# Commands\n\nWhat each says of itself with `--help`.\n\n"
    + "\n".join(_help(name, module) for name, module in COMMANDS.items()),
    "utf-8",
)
