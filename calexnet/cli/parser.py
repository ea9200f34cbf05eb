"""A command line's parser: one line for what is wrong, with the word that was probably meant."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from calexnet.arguments import points


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

    def spelled(self, found: argparse.Namespace, changed: Mapping[str, Any]) -> list[str]:
        """Return words that mean `found`, but for some arguments.

        Args:
            found: What this parser returned.
            changed: Name of an argument -> its other value; ``None`` leaves it out.
        """
        words: list[str] = []
        for action in self._actions:
            value = changed.get(action.dest, getattr(found, action.dest, action.default))
            if value is None or (action.option_strings and value == action.default):
                continue
            option = action.option_strings[-1:]
            if action.nargs == 0:
                words += option
                continue
            for one in value if isinstance(value, list) else [value]:
                text = _spelled(action, one)
                # One word, so that a value may begin with a hyphen.
                words += [f"{option[0]}={text}"] if option else [text]
        return words

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


def _spelled(action: argparse.Action, value: Any) -> str:
    """Return the text that stands for a parsed value."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value * 100 if action.type is points else value)


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
