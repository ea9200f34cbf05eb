"""The ``calexnet`` command, its verbs each in a module of their own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module, metadata

from calexnet.cli import outcome

#: command -> its module, with ``HELP``, ``configure(parser)`` and ``run(arguments)``.
COMMANDS = {
    "train": "calexnet.cli.train",
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
    parser = argparse.ArgumentParser(
        prog="calexnet",
        description="Early-exit CNN cascades: train, run, and (calexnet-export, calexnet-bench) "
        "compile and measure them.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("calexnet"))
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for name, module in COMMANDS.items():
        command = import_module(module)
        command.configure(commands.add_parser(name, help=command.HELP, description=command.HELP))
    arguments = outcome.parsed(parser, argv)
    return outcome.run(
        f"calexnet {arguments.command}",
        lambda: int(import_module(COMMANDS[arguments.command]).run(arguments)),
    )
