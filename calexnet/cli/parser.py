"""A command line's parser: one line for what is wrong, with the word that was probably meant."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser of one command, and of its subcommands.

    What it returns knows two things more: ``parser``, of the innermost subcommand, and
    ``command_line``, as it was typed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.set_defaults(parser=self)

    def parse_args(  # type: ignore[override]  # argparse's has overloads for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return what the words mean.

        Raises:
            SystemExit: They mean nothing, which was told; or help was asked for.
        """
        words = list(sys.argv[1:] if args is None else args)
        found, unknown = self.parse_known_args(words, namespace)
        if unknown:
            found.parser.refuse(unknown)
        found.command_line = shlex.join([self.prog, *words])
        return found

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """End for words that mean nothing here."""
        meant = [_meant(word.partition("=")[0], self._option_string_actions) for word in words]
        self.error(f"unrecognized arguments: {' '.join(words)}" + "".join(meant))

    def error(self, message: str) -> NoReturn:
        """End with one line, and where to read more."""
        end = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: error: {message}{end} See: {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as wrong:
            wrong.message += _meant(str(value), map(str, action.choices or ()))
            raise


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
