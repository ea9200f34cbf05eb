"""Which cells an analysis is about: those of some folders, under their own or other rules.

A cell keeps what every exit answers, so another threshold rule needs no training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from calexnet import arguments as kinds
from calexnet import rules
from calexnet.files import schema
from calexnet.registry import Part
from calexnet.sweep import results
from calexnet.sweep.results import Cell

#: The word for the rule that a cell was trained with.
OWN = "own"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the folders."""
    parser.add_argument("results", type=Path, nargs="+", help="what calexnet sweep wrote")
    kinds.allow(parser)


def configure_rules(parser: argparse.ArgumentParser, default: str = OWN) -> None:
    """Declare the threshold rules."""
    parser.add_argument(
        "--rule",
        type=parse,
        default=parse(default),
        metavar="NAME[,SWITCH=V...][,NAME...]",
        help=f"find thresholds by these rules, from the answers that cells kept: {OWN} (each "
        f"cell's), {', '.join(rules.RULES)} or module:Class; default: {default}",
    )


def read(arguments: argparse.Namespace) -> tuple[Cell, ...]:
    """Return the finished cells of all folders, each once, under the rules that were asked for.

    Raises:
        InputError: A folder has none, one is damaged, or they cannot be compared.
    """
    folders, wanted = arguments.results, getattr(arguments, "rule", (None,))
    allow = kinds.allowed(arguments, *(rule.name for rule in wanted if rule is not None))
    every = [cell for folder in folders for cell in results.read(folder, allow)]
    found = {cell.result.fingerprint: cell for cell in every}
    specs = (cell.result.spec for cell in found.values())
    results.refuse_mixture(specs, ", ".join(map(str, folders)))
    return under(tuple(found.values()), wanted)


def parse(text: str) -> tuple[Part | None, ...]:
    """Return the rules in ``own,price,paired,pooling=0``; ``None`` stands for a cell's own.

    A switch belongs to the rule before it.
    """
    found: list[Part | None] = []
    for item in text.split(","):
        if "=" not in item:
            found.append(None if item == OWN else Part(item))
            continue
        rule = found[-1] if found else None
        if rule is None:
            raise argparse.ArgumentTypeError(
                f"got {text!r}; expected a rule's name before its switches, such as "
                "paired,pooling=0"
            )
        found[-1] = Part(rule.name, {**rule.options, **dict([kinds.option(item)])})
    return tuple(found)


def under(cells: Sequence[Cell], wanted: Sequence[Part | None]) -> tuple[Cell, ...]:
    """Return every cell under each of the rules, as if it had been swept with it.

    Its options say ``rule``, so that labels tell the rules apart.

    Raises:
        InputError: No such rule, or no such switch.
    """
    return tuple(cell if rule is None else _under(cell, rule) for rule in wanted for cell in cells)


def _under(cell: Cell, rule: Part) -> Cell:
    result = cell.result
    axes = result.spec.axes
    kept = {k: v for k, v in axes.options.items() if k.partition(".")[0] != "rule"}
    told = {f"rule.{name}": f"{value}" for name, value in rule.options.items()}
    spec = replace(
        result.spec,
        axes=replace(axes, margin=None, options={**kept, "rule": rule.name, **told}),
    )
    return replace(cell, result=replace(result, spec=spec, rule=_complete(rule, cell)))


def _complete(rule: Part, cell: Cell) -> Part:
    """Return `rule` with every switch spelled out, and with the cell's costs if it needs some."""
    options = schema.encode(rules.build(rule, cell.allow))
    if "costs" in options and not options["costs"]:
        macs = cell.result.macs
        options["costs"] = (macs.to_exit(own_head_only=True) / macs.plain).tolist()
    return Part(rule.name, options)
