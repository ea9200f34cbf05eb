"""The whole way from a pool to what to ship: searched, measured, tested, decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from time import monotonic

from calexnet import certify
from calexnet.bundle import open_bundle
from calexnet.choosing import building, choice, promise, rounds
from calexnet.choosing.choice import Asked, Choice, Contender
from calexnet.choosing.costs import counted
from calexnet.choosing.finalists import How, Measured
from calexnet.choosing.making import Ground, Made
from calexnet.choosing.promise import Held, Part, Tested
from calexnet.choosing.rounds import Teller, Workshop
from calexnet.choosing.search import Aim, Found, search
from calexnet.devices import limits as processor
from calexnet.devices.base import Device
from calexnet.errors import InputError
from calexnet.export.sealing import seal
from calexnet.files.storage import copy_folder
from calexnet.manifest import FULL
from calexnet.runtimes.loading import load_runner


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        heads: Kinds of branches at every place.
        seconds: Of every finalist's measurement.
        precisions: Beside full precision.
    """

    heads: tuple[str, ...]
    seconds: float
    precisions: tuple[str, ...]


EFFORTS = {
    "quick": Effort(("linear", "strided"), 6.0, ("int8",)),
    "normal": Effort(("linear", "strided", "prototype"), 15.0, ("int8",)),
    "thorough": Effort(("linear", "strided", "prototype", "boostnet"), 40.0, ("int8",)),
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


def choose(
    made: Made, asked: Asked, ground: Ground, device: Device, scratch: Path, tell: Teller
) -> Chosen:
    """Return what to ship.

    Args:
        made: The pool and its networks.
        asked: What for.
        ground: Its images.
        device: This machine.
        scratch: An empty folder for bundles on trial.
        tell: Is told what happens.

    Raises:
        InputError: Nothing keeps the limits.
        MeasurementError: What is made small cannot be measured here.
    """
    begun, effort, pool = monotonic(), EFFORTS[asked.effort], made.pool
    aim, cost = Aim(asked.max_drop, pool.tested), counted(pool)
    found = search(pool, cost, aim)
    tell(f"{len(found)} chains looked at")
    precisions = () if asked.objective == "macs" else effort.precisions
    shop = Workshop(made, ground, cost, aim, precisions, scratch)
    calibration = ground.samples.take(ground.split.indices["calibration"])
    how = How(calibration, device, effort.seconds, asked.objective, asked.limits)
    rows = rounds.measured(shop, found, how, tell)
    tell("testing, in an order that is fixed")
    contenders = _judged(rows, asked, ground)
    best = _best(contenders)
    facts = Choice(
        schema=choice.SCHEMA,
        asked=asked,
        data=_data(ground),
        networks=tuple(
            choice.NetworkRecord(one.name, one.places, one.macs) for one in pool.networks
        ),
        reference=pool.reference,
        unit="macs",
        candidates=tuple(_candidate(one, aim) for one in found),
        contenders=tuple(one for _, one in contenders),
        chosen=best,
        needed=_needed([one for _, one in contenders], asked.max_drop),
        alpha=promise.ALPHA,
        fallen=tuple(dict.fromkeys(claim for row in rows for claim in row.fallen)),
        machine=(device.describe().model, *processor.features(device.system)),
        versions={name: metadata.version(name) for name in ("calexnet", "onnxruntime", "numpy")},
        seconds=round(monotonic() - begun, 1),
    )
    return Chosen(facts, partial(_ship, shop, contenders[best][0]))


def _candidate(one: Found, aim: Aim) -> choice.Candidate:
    return choice.Candidate(
        one.chain, one.price, one.cost, one.counts, one.rates, aim.hit(one.counts)
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


# Answers, and what they come to.

#: The answers of a build to a part, by operating point.
_Answers = Mapping[str | None, promise.Labels]


def _judged(
    rows: Sequence[Measured], asked: Asked, ground: Ground
) -> list[tuple[Measured, Contender]]:
    """Return every row with what became of it: the reference, then in the order of the tests."""
    calibration, test = (_answers(rows, ground, part) for part in ("calibration", "test"))
    parts = [
        Part(
            ground.samples.labels[ground.split.indices[name]],
            said[0] == ground.samples.labels[ground.split.indices[name]],
            ground.samples.classes,
        )
        for name, said in (("calibration", calibration), ("test", test))
    ]
    names: list[str | None] = [None, *(one.name for one in asked.classes)]
    held = [
        Held(
            str(place),
            row.objective,
            {name: parts[0].counts(calibration[place], name) for name in names},
            {name: parts[1].counts(test[place], name) for name in names},
        )
        for place, row in enumerate(rows)
    ]
    able = [one for one, row in zip(held[1:], rows[1:], strict=True) if row.keeps_limits]
    most = rows[0].objective if rows[0].keeps_limits else float("inf")
    tested = promise.promised(able, asked.max_drop, asked.classes, most)
    order = ["0", *tested, *(one.name for one in held[1:] if one.name not in tested)]
    return [
        (rows[int(name)], _contender(rows[int(name)], held[int(name)], tested.get(name)))
        for name in order
    ]


def _contender(row: Measured, held: Held, tested: Tested | None) -> Contender:
    untested: choice.Standing = "no use" if row.keeps_limits else "breaks a limit"
    found = tested or Tested("reference" if held.name == "0" else untested, None, None, ())
    return Contender(
        chain=row.chain,
        target=row.target,
        precision=row.precision,
        point=row.point,
        predicted=row.found.cost,
        ms=row.ms,
        ratio=row.ratio,
        objective=row.objective,
        figures=row.figures,
        calibration=held.calibration[None],
        test=held.test[None],
        standing=found.standing,
        p=found.p,
        upper=found.upper,
        by_class=found.by_class,
    )


def _answers(rows: Sequence[Measured], ground: Ground, part: str) -> list[promise.Labels]:
    """Return what every row's build answers to a part: int32 ``(n,)`` each."""
    images = ground.samples.images[ground.split.indices[part]]
    known: dict[tuple[Path, str, str], dict[str | None, promise.Labels]] = {}
    found = []
    for row in rows:
        key = row.finalist.folder, row.target, row.precision
        if key not in known:
            bundle = open_bundle(key[0])
            runner = load_runner(bundle, key[1], key[2])
            points = bundle.manifest.points_of(runner.compiled)
            known[key] = promise.answers(runner, images, points)
        found.append(known[key][row.point])
    return found


def _best(contenders: Sequence[tuple[Measured, Contender]]) -> int:
    """Return the place of the cheapest that is certified and keeps all limits.

    Raises:
        InputError: There is none; the message names what comes nearest.
    """
    able = [
        place
        for place, (row, one) in enumerate(contenders)
        if one.standing == "passed" or (one.standing == "reference" and row.keeps_limits)
    ]
    if able:
        return min(able, key=lambda place: contenders[place][1].objective)
    raise _nothing([row for row, _ in contenders])


def _nothing(rows: Sequence[Measured]) -> InputError:
    keeping = [row for row in rows if row.keeps_limits]
    if keeping:
        return InputError(
            "what keeps the limits is not certified to keep the accuracy",
            got=f"{len(keeping)} networks that keep them",
            fix="Allow a larger --max-drop, give more images, or loosen --require",
        )
    nearest = min(rows, key=lambda row: sum(not figure.kept for figure in row.figures))
    broken = [figure for figure in nearest.figures if not figure.kept]
    told = ", ".join(
        f"{figure.text}: " + ("n/a" if figure.value is None else f"{figure.value:.4g}")
        for figure in broken
    )
    return InputError(
        "nothing keeps the limits",
        got=f"{told}, of what comes nearest",
        expected="all of them kept",
        fix="Loosen --require, or give a smaller model too",
    )


def _needed(contenders: Sequence[Contender], max_drop: float) -> int | None:
    """Return how many test images would certify the first that failed."""
    failed = next((one for one in contenders if one.standing == "failed"), None)
    return None if failed is None else certify.images_needed(failed.test, max_drop)


# What is shipped.


def _ship(shop: Workshop, row: Measured, out: Path) -> None:
    """Write the bundle of a row, with nothing in it that is not needed; its point the default."""
    if row.chain == shop.plain.chain:
        precisions = () if row.precision == FULL else (row.precision,)
        rungs = {"": shop.plain}
        building.write(shop.made, rungs, shop.cost, shop.ground, precisions, out)
        return
    out.mkdir()
    copy_folder(row.finalist.folder, out)
    held = open_bundle(row.finalist.folder).manifest
    kept = tuple(one for one in held.compiled if one.precision in (FULL, row.precision))
    default = row.point or held.default_operating_point
    seal(out, replace(held, compiled=kept, default_operating_point=default))
