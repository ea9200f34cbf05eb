"""The whole way from a pool to what to ship: searched, measured, tested, decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from time import monotonic

from calexnet import certify
from calexnet.bundle import open_bundle
from calexnet.choosing import boards, building, choice, finalists, judging, promise, rounds
from calexnet.choosing.choice import Asked, Choice, Contender
from calexnet.choosing.costs import counted
from calexnet.choosing.finalists import How, Measured
from calexnet.choosing.making import Ground, Made
from calexnet.choosing.models import Named
from calexnet.choosing.outlook import Outlook, outlook
from calexnet.choosing.rounds import Teller, Workshop
from calexnet.choosing.search import Aim, Found, search_builds
from calexnet.data.split import thin
from calexnet.devices import limits as processor
from calexnet.devices.base import Device
from calexnet.errors import InputError
from calexnet.export.sealing import seal
from calexnet.files.storage import copy_folder
from calexnet.manifest import FULL

#: Calibration images that finalists are timed on: enough to tell how many leave where.
MOST_TIMED = 2000


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        heads: Kinds of branches at every place.
        pieces_s: Of the measurement of all pieces.
        seconds: Of every finalist's measurement.
        precisions: Beside full precision.
    """

    heads: tuple[str, ...]
    pieces_s: float
    seconds: float
    precisions: tuple[str, ...]


EFFORTS = {
    "quick": Effort(("linear", "strided"), 8.0, 6.0, ("int8",)),
    "normal": Effort(("linear", "strided", "prototype"), 30.0, 15.0, ("int8",)),
    "thorough": Effort(("linear", "strided", "prototype", "boostnet"), 60.0, 40.0, ("int8",)),
}


@dataclass(frozen=True)
class Chosen:
    """What came of it.

    Attributes:
        facts: For ``choice.json``.
        ship: Writes the bundle of what to ship into a new folder.
    """

    facts: Choice
    ship: Callable[[Path], None]


def outlook_of(named: Sequence[Named], asked: Asked, ground: Ground) -> Outlook:
    """Return how long a choice takes if nothing of it is there yet, from a short probe."""
    effort = EFFORTS[asked.effort]
    cascades = rounds.CASCADES
    narrow = () if asked.objective == "macs" else effort.precisions
    bundles = cascades * (1 + len(narrow)) + rounds.OTHERS
    pieces_s = 0.0 if asked.objective == "macs" else effort.pieces_s
    points = len(finalists.BUDGETS) if asked.limits or asked.objective == "joules" else 1
    timed = pieces_s + cascades * points * effort.seconds
    return outlook(named, effort.heads, ground, bundles, timed)


def refuse_hopeless(images: int, max_drop: float) -> None:
    """Do nothing if so many test images could certify anything.

    Raises:
        InputError: Not even a network that harms none of them would be certified.
    """
    unharmed = certify.Counts(images, 0, 0)
    if certify.p_value(unharmed, max_drop) > promise.ALPHA:
        needed = certify.images_needed(unharmed, max_drop)
        raise InputError(
            "the test part is too small for any certificate",
            got=f"{images} images, to certify a drop of at most {100 * max_drop:g} points",
            expected="a drop over 0 points" if needed is None else f"at least {needed} images",
            fix="Give more images, a larger test part with --split, or a larger --max-drop",
        )


@dataclass(frozen=True)
class Here:
    """Where it is chosen.

    Attributes:
        device: This machine.
        scratch: An empty folder for bundles on trial.
        tell: Is told what happens.
        board: What another machine said of the pieces: then nothing is timed here.
    """

    device: Device
    scratch: Path
    tell: Teller
    board: Path | None = None


def choose(made: Made, asked: Asked, ground: Ground, here: Here) -> Chosen:
    """Return what to ship.

    Args:
        made: The pool and its networks.
        asked: What for.
        ground: Its images.
        here: Where.

    Raises:
        InputError: Nothing keeps the limits, or the board is of other pieces.
        MeasurementError: What is made small cannot be measured here.
    """
    begun = monotonic()
    shop = _workshop(made, asked, ground, here)
    found = search_builds(made.pool, shop.costs, shop.aim)
    here.tell(f"{len(found)} chains looked at")
    rows = ground.split.indices["calibration"]
    how = How(
        ground.samples.take(thin(ground.samples, rows, MOST_TIMED, ground.split.record.seed)),
        here.device,
        EFFORTS[asked.effort].seconds,
        asked.objective,
        asked.limits,
        shop.costs,
    )
    if here.board is None:
        trials = rounds.measured(shop, found, how, here.tell)
    else:
        trials = rounds.predicted(shop, found, how)
    here.tell("testing, in an order that is fixed")
    judged, right = judging.judged(trials, asked, ground)
    best = judging.best(judged)
    facts = _facts(shop, asked, found, judged, right, here.device)
    seconds = round(monotonic() - begun, 1)
    facts = replace(facts, chosen=best, seconds=seconds)
    return Chosen(facts, partial(_ship, shop, judged[best][0]))


def _workshop(made: Made, asked: Asked, ground: Ground, here: Here) -> Workshop:
    """Return where chains become bundles; what their pieces cost is counted or measured first."""
    aim, effort = Aim(asked.max_drop, made.pool.tested), EFFORTS[asked.effort]
    if asked.objective == "macs":
        return Workshop(made, ground, {FULL: counted(made.pool)}, aim, (), here.scratch)
    here.tell("measuring every piece")
    parts = boards.written(made, effort.precisions, ground.folder)
    if here.board is None:
        board = boards.measured(parts, ground.folder, effort.pieces_s, here.device)
    else:
        board = boards.read(here.board, parts)
    costs = boards.costs(board, parts, effort.precisions)
    return Workshop(made, ground, costs, aim, effort.precisions, here.scratch)


def _facts(
    shop: Workshop,
    asked: Asked,
    found: Sequence[Found],
    judged: Sequence[tuple[Measured, Contender]],
    right: int,
    device: Device,
) -> Choice:
    """Return all that is known but what was chosen and how long it took."""
    pool, contenders = shop.made.pool, tuple(one for _, one in judged)
    return Choice(
        schema=choice.SCHEMA,
        asked=asked,
        data=_data(shop.ground),
        networks=tuple(
            choice.NetworkRecord(one.name, one.places, one.macs) for one in pool.networks
        ),
        reference=pool.reference,
        reference_right=right,
        unit="macs" if asked.objective == "macs" else "ms",
        candidates=tuple(_candidate(one, shop.aim) for one in found),
        contenders=contenders,
        chosen=0,
        needed=judging.needed(contenders, asked.max_drop),
        alpha=promise.ALPHA,
        fallen=tuple(dict.fromkeys(claim for row, _ in judged for claim in row.fallen)),
        machine=(device.describe().model, *processor.features(device.system)),
        versions={name: metadata.version(name) for name in ("calexnet", "onnxruntime", "numpy")},
        seconds=0.0,
    )


def _candidate(one: Found, aim: Aim) -> choice.Candidate:
    return choice.Candidate(
        one.chain, one.price, one.cost, one.counts, one.rates, aim.hit(one.counts), one.precision
    )


def _data(ground: Ground) -> choice.DataRecord:
    parts = ground.split.record.parts
    return choice.DataRecord(
        name=ground.samples.name,
        train=parts["train"].samples,
        calibration=parts["calibration"].samples,
        test=parts["test"].samples,
        test_sha256=parts["test"].sha256,
    )


def _ship(shop: Workshop, row: Measured, out: Path) -> None:
    """Write the bundle of a row, with nothing in it that is not needed; its point the default."""
    if row.chain == shop.plain.chain:
        precisions = () if row.precision == FULL else (row.precision,)
        rungs = {"": shop.plain}
        building.write(shop.made, rungs, shop.costs[FULL], shop.ground, precisions, out)
        return
    out.mkdir()
    copy_folder(row.finalist.folder, out)
    held = open_bundle(row.finalist.folder).manifest
    kept = tuple(one for one in held.compiled if one.precision in (FULL, row.precision))
    default = row.point or held.default_operating_point
    seal(out, replace(held, compiled=kept, default_operating_point=default))
