"""The ``calexnet`` command, its verbs each in a module of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from calexnet.cli import outcome
from calexnet.cli.parser import Parser

#: command -> its module, with ``HELP``, ``configure(parser)`` and ``run(arguments)``.
COMMANDS = {
    "try": "calexnet.cli.trial",
    "choose": "calexnet.cli.choose",
    "train": "calexnet.cli.train",
    "distill": "calexnet.cli.distill",
    "export": "calexnet.cli.export",
    "bench": "calexnet.cli.bench",
    "evaluate": "calexnet.cli.evaluate",
    "predict": "calexnet.cli.predict",
    "verify": "calexnet.cli.verify",
    "inspect": "calexnet.cli.inspect",
    "data": "calexnet.cli.data",
    "sweep": "calexnet.cli.sweep",
    "analyse": "calexnet.cli.analyse",
    "report": "calexnet.cli.report",
    "compare": "calexnet.cli.compare",
    "doctor": "calexnet.cli.doctor",
    "seal": "calexnet.cli.seal",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = Parser(
        prog="calexnet",
        description="CNN cascades: easy images stop early, hard ones go on. Train, choose, compile "
        "and measure them.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("calexnet"))
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    words = list(sys.argv[1:] if argv is None else argv)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:  # import no other
        command = import_module(COMMANDS[name])
        command.configure(commands.add_parser(name, help=command.HELP, description=command.HELP))
    arguments = outcome.parsed(parser, words)
    return outcome.run(
        f"calexnet {arguments.command}",
        lambda: int(import_module(COMMANDS[arguments.command]).run(arguments)),
    )


def alone(program: str, module: str, argv: Sequence[str] | None = None) -> int:
    """Run one command as a program of its own, and return its exit code."""
    command = import_module(module)
    parser = Parser(prog=program, description=command.HELP)
    command.configure(parser)
    arguments = outcome.parsed(parser, argv)
    return outcome.run(program, lambda: int(command.run(arguments)))
