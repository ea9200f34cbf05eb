"""What measured builds answer, what became of each in the chain of tests, and which one wins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calexnet import certify
from calexnet.bundle import open_bundle
from calexnet.choosing import choice, promise
from calexnet.choosing.choice import Asked, Contender
from calexnet.choosing.finalists import Measured
from calexnet.choosing.making import Ground
from calexnet.choosing.promise import Held, Part, Tested
from calexnet.errors import InputError
from calexnet.runtimes.loading import load_runner


def judged(
    rows: Sequence[Measured], asked: Asked, ground: Ground
) -> tuple[list[tuple[Measured, Contender]], int]:
    """Return every row with what became of it: the reference, then in the order of the tests.

    And how many test images the reference answers rightly.
    """
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
            row.found.counts,
            {name: parts[0].counts(calibration[place], name) for name in names},
            {name: parts[1].counts(test[place], name) for name in names},
        )
        for place, row in enumerate(rows)
    ]
    able = [one for one, row in zip(held[1:], rows[1:], strict=True) if row.keeps_limits]
    most = rows[0].objective if rows[0].keeps_limits else float("inf")
    tested = promise.promised(able, asked.max_drop, asked.classes, most)
    order = ["0", *tested, *(one.name for one in held[1:] if one.name not in tested)]
    found = [
        (rows[int(name)], _contender(rows[int(name)], held[int(name)], tested.get(name)))
        for name in order
    ]
    return found, int(parts[1].reference.sum())


def _contender(row: Measured, held: Held, tested: Tested | None) -> Contender:
    untested: choice.Standing = "no use" if row.keeps_limits else "breaks a limit"
    found = tested or Tested("reference" if held.name == "0" else untested, None, None, ())
    return Contender(
        chain=row.chain,
        target=row.target,
        precision=row.precision,
        point=row.point,
        predicted=row.predicted,
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
    asked: dict[tuple[Path, str, str], list[str | None]] = {}
    for row in rows:
        asked.setdefault(_build(row), []).append(row.point)
    known = {}
    for build, names in asked.items():
        bundle = open_bundle(build[0])
        runner = load_runner(bundle, *build[1:])
        points = [
            None if name is None else bundle.manifest.operating_point(name, runner.compiled)
            for name in names
        ]
        known[build] = promise.answers(runner, images, points)
    return [known[_build(row)][row.point] for row in rows]


def _build(row: Measured) -> tuple[Path, str, str]:
    return row.finalist.folder, row.target, row.precision


def best(contenders: Sequence[tuple[Measured, Contender]]) -> int:
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


def needed(contenders: Sequence[Contender], max_drop: float) -> int | None:
    """Return how many test images would certify the first that failed."""
    failed = next((one for one in contenders if one.standing == "failed"), None)
    return None if failed is None else certify.images_needed(failed.test, max_drop)
