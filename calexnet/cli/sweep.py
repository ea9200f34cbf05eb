"""``calexnet sweep``: one training for every method, head, margin, seed and option."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calexnet import arguments as kinds
from calexnet import data
from calexnet.cli.train import (
    allowed,
    configure_backbone,
    given,
    let_threads_rest,
    planned,
    tell_uncalibrated,
)
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.files.storage import sha256, staged_file

if TYPE_CHECKING:
    from calexnet.data.dataset import Dataset
    from calexnet.data.split import Split
    from calexnet.registry import Allowed
    from calexnet.sweep.results import FailedCell
    from calexnet.sweep.spec import CellSpec, Source
    from calexnet.training.cascade import CascadePlan

HELP = "Train every method with every head, margin, seed and option; what is finished is kept."

#: The exit code when cells failed; the others are there. 1 is a gate's.
SOME_FAILED = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser, download=True)
    parser.add_argument("--split", metavar="RULE", help="as for calexnet train")
    parser.add_argument("--split-seed", type=int, default=0, help="of the split, for all cells")
    configure_backbone(parser)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--methods", type=kinds.names, default=("calexnet",))
    parser.add_argument("--heads", type=kinds.names, default=("prototype",), help="or native")
    parser.add_argument(
        "--margins",
        type=kinds.floats,
        default=(),
        help="while training, for rules with one (or a slack, a price); theirs by default",
    )
    parser.add_argument(
        "--exits",
        type=kinds.names,
        default=(),
        help="of method trained: modules of the network that are trained exits already",
    )
    parser.add_argument("--seeds", type=kinds.seeds, default=(0,), help="of the branches: 0,1,2")
    parser.add_argument(
        "--option",
        action="append",
        type=_option,
        default=[],
        metavar="[METHOD.]NAME=V[,V...]",
        help="a switch of the method, or of its threshold rule as rule.NAME; rule=NAME is another "
        "rule, score=NAME another confidence score. A cell for each value",
    )
    parser.add_argument("--epochs", type=int, help="for each branch")
    parser.add_argument("--lr", type=float, help="learning rate of the branches")
    parser.add_argument("--jobs", type=kinds.count, help="cells at a time; the cores by default")
    kinds.allow(parser)
    parser.add_argument("--cache", type=Path, help="folder for features; in --out by default")
    parser.add_argument("--tidy", type=Path, help="write all cells' curves to one CSV file")


def run(arguments: argparse.Namespace) -> int:
    """Run the cells that are not finished, and say what there is now."""
    let_threads_rest()
    from calexnet.sweep import cell, engine, results
    from calexnet.sweep.grid import specs

    samples = data.load(arguments.data, arguments.data_root, download=arguments.download)
    kinds.tell(samples)
    split = divide(samples, arguments.split_seed, arguments.split)
    plan, allow = _plan(arguments), allowed(arguments, *_typed(arguments))
    source = _source(arguments.data, samples)
    weights = _weights(arguments, plan, samples, source, split, allow)
    wanted = specs(_grid(arguments), plan, source, split.record, weights, allow)
    earlier = _earlier(arguments.out)
    results.refuse_mixture([*earlier, *wanted], arguments.out)
    todo = [spec for spec in wanted if not results.finished(spec, arguments.out)]
    print(_outlook(todo, len(wanted), {spec.axes.name for spec in earlier}))
    if arguments.margins and (without := _without_margin(wanted)):
        print(
            f"--margins change nothing for {', '.join(without)}: the setting is no margin, or not "
            "seen in training"
        )

    tell_uncalibrated(samples.absent(split.indices["calibration"]))

    cache = arguments.cache or arguments.out / ".features"
    for spec in _one_a_head(todo):
        cell.prepare(spec, samples, cache, allow)
    del samples  # every worker reads its own
    work = partial(cell.run, data_root=arguments.data_root, cache=cache, allow=allow)
    jobs = arguments.jobs or engine.cores()
    failed = engine.run(todo, arguments.out, jobs, work) if todo else ()
    print(_summary(failed, len(todo)))
    if arguments.tidy is not None:
        _write_tidy(arguments.out, arguments.tidy, allow)
    print(f"\nResults: {arguments.out}")
    return SOME_FAILED if failed else 0


def _plan(arguments: argparse.Namespace) -> CascadePlan:
    """Return what is the same in all cells."""
    from calexnet.training.recipe import plan_recipe
    from calexnet.training.spec import Optimisation

    learning = given({"epochs": arguments.epochs, "lr": arguments.lr})
    return planned(arguments, plan_recipe(optimisation=Optimisation(**learning)), seed=0)


def _typed(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the names of parts that were typed."""
    yield from (*arguments.methods, *arguments.heads)
    for name, values in arguments.option:
        if name.rpartition(".")[2] in ("rule", "score"):
            yield from values


def _grid(arguments: argparse.Namespace) -> Any:
    from calexnet.sweep.grid import Grid

    return Grid(
        methods=arguments.methods,
        heads=arguments.heads,
        margins=arguments.margins,
        seeds=arguments.seeds,
        options=dict(arguments.option),
        exits=arguments.exits,
    )


def _source(name: str, samples: Dataset) -> Source:
    from calexnet.sweep.spec import Source, hash_of

    return Source(name, hash_of(samples))


def _weights(
    arguments: argparse.Namespace,
    plan: CascadePlan,
    samples: Dataset,
    source: Source,
    split: Split,
    allow: Allowed,
) -> Source:
    from calexnet.cli.train import trained_network
    from calexnet.sweep import backbone
    from calexnet.sweep.spec import Source

    if arguments.weights is None and arguments.exits:
        raise InputError(
            "a sweep of trained exits needs their weights in a file",
            fix="Add --weights FILE.safetensors with those of the whole network",
        )
    if arguments.weights is None:
        return backbone.trained(plan, samples, source.sha256, split, arguments.out, allow)
    trained_network(
        arguments, len(samples.classes), allow
    )  # refuses what does not fit, before any cell
    return Source(str(arguments.weights), sha256(arguments.weights.read_bytes()))


def _earlier(folder: Path) -> list[CellSpec]:
    """Return the specs of the cells that are in `folder` already."""
    from calexnet.sweep import results

    return [found.result.spec for found in results.readable(folder)]


def _one_a_head(todo: Sequence[CellSpec]) -> list[CellSpec]:
    """Return a cell for each kind of head: these read different features."""
    return list({spec.plan["recipe"]["head"]: spec for spec in todo}.values())


def _outlook(todo: Sequence[CellSpec], count: int, earlier: set[str]) -> str:
    stale = sum(spec.axes.name in earlier for spec in todo)
    text = f"{count} cells, {count - len(todo)} of them finished"
    return text + (f"; {stale} of another spec will be replaced" if stale else "")


def _without_margin(wanted: Sequence[CellSpec]) -> list[str]:
    """Return the methods, each with its rule, whose cells are the same at every margin."""
    lacking = [spec for spec in wanted if spec.axes.margin is None]
    named = [f"{spec.axes.method} (rule {spec.plan['recipe']['rule']['name']})" for spec in lacking]
    return list(dict.fromkeys(named))


def _write_tidy(folder: Path, path: Path, allow: Allowed) -> None:
    from calexnet.analysis import artefact, pareto
    from calexnet.sweep import results

    with staged_file(path) as stage:
        stage.write_text(artefact.as_csv(pareto.settings(results.read(folder, allow))), "utf-8")


def _summary(failed: Sequence[FailedCell], count: int) -> str:
    lines = [f"{count - len(failed)} cells trained, {len(failed)} failed"]
    lines += [f"failed: {one.spec.axes.name}: {one.error}: {one.message}" for one in failed]
    return "\n".join(lines)


def _option(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, values = text.partition("=")
    found = kinds.names(values)
    if not name or not equals or not found:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected name=value or name=value,value, such as temperature=2,4"
        )
    return name, found
