"""``calexnet choose``: models and labelled images in; what to ship out, with a certificate."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet import arguments as kinds
from calexnet import data
from calexnet.cli.train import let_threads_rest
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.files.storage import sha256, staged_folder

if TYPE_CHECKING:
    from calexnet.choosing.choice import Asked, ClassLimit
    from calexnet.choosing.models import Named
    from calexnet.data.dataset import Dataset
    from calexnet.data.split import Split

HELP = "From models and labelled images to what to ship, with a certificate that holds."

#: Share of images that may be in two parts, as some published sets have them.
_FEW = 0.01
_OBJECTIVES = ("ms", "joules", "macs")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a backbone as calexnet train takes it, an .onnx file, or a run; several: the last "
        "one is what accuracy is held against",
    )
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser, download=True)
    kinds.reading(parser)
    parser.add_argument("--split", metavar="RULE", help="as for calexnet train")
    kinds.group(parser)
    parser.add_argument(
        "--weights",
        type=Path,
        action="append",
        default=[],
        help="of the backbones, one each in their order; a backbone without is trained first",
    )
    parser.add_argument("--backbone-epochs", type=int, help="for a backbone without weights")
    parser.add_argument("--attach", type=kinds.names, help="of one model; found by default")
    parser.add_argument("--mean", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--std", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--out", required=True, type=Path, help="folder for the choice")
    parser.add_argument(
        "--pool", type=Path, help="folder that trained parts are kept in; OUT.pool by default"
    )
    parser.add_argument(
        "--costs",
        type=Path,
        metavar="BOARD.JSON",
        help="what another machine said of the graphs in POOL/pieces (calexnet-bench "
        "--costs-only): choose for that machine, and time nothing here",
    )
    kinds.max_drop(parser)
    parser.add_argument(
        "--max-class-drop",
        action="append",
        type=_class_limit,
        default=[],
        metavar="NAME=POINTS",
        help="what a class may lose at most, certified likewise; any number",
    )
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="LIMIT",
        help='what has to be kept, such as "p95_ms<=8" or "peak_mib<=100"; any number',
    )
    aim = parser.add_mutually_exclusive_group()
    aim.add_argument("--minimise", choices=_OBJECTIVES, default="ms", help="ms by default")
    aim.add_argument(
        "--maximise", choices=("images/s",), help="of single images: what --minimise ms does"
    )
    parser.add_argument(
        "--effort",
        choices=("quick", "normal", "thorough"),
        default="normal",
        help="how much to try",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split and weights")
    kinds.allow(parser)


def run(arguments: argparse.Namespace) -> int:
    """Choose, write the folder, and say what came of it."""
    let_threads_rest()
    from calexnet.choosing import choice, deciding, making, models
    from calexnet.choosing.shown import page, words
    from calexnet.devices import open_device
    from calexnet.files.scratch import scratch_folder

    asked = _asked(arguments)
    if arguments.costs is not None:
        _refuse_elsewhere(arguments)
    samples = data.load(
        arguments.data,
        arguments.data_root,
        download=arguments.download,
        resize=arguments.resize,
        skip_bad=arguments.skip_bad,
    )
    kinds.tell(samples)
    _refuse_unfit(samples, asked)
    split = divide(samples, arguments.seed, arguments.split, arguments.group)
    _refuse_leaks(samples, split)
    deciding.refuse_hopeless(split.record.parts["test"].samples, asked.max_drop)
    pool = arguments.pool or arguments.out.with_name(f"{arguments.out.name}.pool")
    own = [model for model in arguments.models if ":" in model]
    ground = making.Ground(samples, split, pool, kinds.allowed(arguments, *own))
    with (
        _going_on(pool),
        staged_folder(arguments.out, marker=choice.JSON) as stage,
        scratch_folder(".trial-", stage.parent) as scratch,
    ):
        named, effort = _named(arguments), deciding.EFFORTS[asked.effort]
        _tell(deciding.outlook_of(named, asked, ground).words())
        opened = models.opened(named, ground)
        made = making.made(opened, effort.heads, ground)
        here = deciding.Here(open_device("auto"), scratch, _tell, arguments.costs)
        found = deciding.choose(made, asked, ground, here)
        found.ship(stage / choice.BUNDLE)
        (stage / choice.JSON).write_bytes(choice.dump(found.facts))
        (stage / choice.HTML).write_text(page.render(found.facts, arguments.out), "utf-8")
    print(words.summary(found.facts, arguments.out))
    print(f"\nChoice: {arguments.out / choice.HTML}   Trained parts, for another choice: {pool}")
    return 0


@contextlib.contextmanager
def _going_on(pool: Path) -> Iterator[None]:
    """Say how a choice that is stopped can go on."""
    try:
        yield
    except KeyboardInterrupt:
        if pool.exists():
            _tell(f"what was trained is kept in {pool}; the same command goes on from there")
        raise


def _tell(words: str) -> None:
    print(f"calexnet choose: {words}", file=sys.stderr, flush=True)


def _asked(arguments: argparse.Namespace) -> Asked:
    from calexnet.choosing import limits
    from calexnet.choosing.choice import Asked

    return Asked(
        models=tuple(arguments.models),
        objective=arguments.minimise,
        max_drop=arguments.max_drop,
        limits=tuple(limits.parse(text) for text in arguments.require),
        classes=tuple(arguments.max_class_drop),
        effort=arguments.effort,
        command=shlex.join(["calexnet", *sys.argv[1:]]),
    )


def _refuse_elsewhere(arguments: argparse.Namespace) -> None:
    """Do nothing if nothing is asked for that only a measurement of finalists could tell."""
    if arguments.require or arguments.minimise != "ms":
        raise InputError(
            "costs from elsewhere tell mean times alone",
            got="--require" if arguments.require else f"--minimise {arguments.minimise}",
            expected="--minimise ms without limits",
            fix="Choose there, or measure the chosen bundle there with calexnet-bench",
        )


def _class_limit(text: str) -> ClassLimit:
    from calexnet.choosing.choice import ClassLimit

    name, equals, amount = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected NAME=POINTS, such as cat=2")
    return ClassLimit(name, kinds.points(amount))


def _refuse_unfit(samples: Dataset, asked: Asked) -> None:
    """Do nothing if there is something to tell apart, and classes with limits are among it."""
    if len(samples.classes) < 2:
        raise InputError(
            "there is nothing to tell apart",
            got=f"one class, {samples.classes[0]}",
            expected="images of at least two classes",
        )
    for limit in asked.classes:
        if limit.name not in samples.classes:
            raise InputError(
                "no class of this name",
                got=repr(limit.name),
                expected=f"one of {', '.join(samples.classes)}",
            )


def _refuse_leaks(samples: Dataset, split: Split) -> None:
    """Do nothing if next to none of the images that choose and test were trained on.

    A few published sets hold some images twice; those are remarked upon.
    """
    hashes = {
        part: [sha256(samples.images[row].tobytes()) for row in rows]
        for part, rows in split.indices.items()
    }
    trained = {*hashes["train"]}
    for part in ("calibration", "test"):
        again = sum(one in trained for one in hashes[part])
        if again > _FEW * len(hashes[part]):
            raise InputError(
                f"images of the {part} part were trained on",
                got=f"{again} of {len(hashes[part])}, pixel for pixel",
                expected="images that are new to the network: these would certify what it has seen",
                fix="Remove the copies, or keep them in one part with --group",
            )
        if again:
            _tell(f"{again} of the {len(hashes[part])} {part} images are in the train part too")


def _named(arguments: argparse.Namespace) -> list[Named]:
    """Return the models with their weights: these are of the backbones, in their order."""
    from calexnet.choosing.models import Named, is_path

    weights = list(arguments.weights)
    found = []
    for what in arguments.models:
        mine = None if is_path(what) or not weights else weights.pop(0)
        found.append(
            Named(
                what,
                mine,
                attach=arguments.attach,
                mean=arguments.mean,
                std=arguments.std,
                epochs=arguments.backbone_epochs,
                seed=arguments.seed,
            )
        )
    if weights:
        raise InputError(
            "there are weights without a backbone",
            got=weights[0],
            expected="one --weights a backbone at most; ONNX files and runs bring theirs",
        )
    return found
