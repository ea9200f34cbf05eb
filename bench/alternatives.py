"""Everything that could be shipped, side by side: plain, cascades, and the rivals set beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.bench import statistics
from calexnet.bench.blocks import Blocks
from calexnet.bench.decision import eligible
from calexnet.bench.decision_records import Alternative, Kind
from calexnet.bench.interval import Interval
from calexnet.bench.prediction import plain_at
from calexnet.bench.rivals import Rival
from calexnet.bench.subject import ONE_FILE, Images, Subject


@dataclass(frozen=True)
class Contender:
    """One network that could be shipped: what it answers, and under what name it was timed."""

    name: str
    kind: Kind
    target: str
    precision: str
    operating_point: str | None
    labels: NDArray[np.int32]
    task: str


def of_subject(subject: Subject) -> Iterator[Contender]:
    """Yield the backbone alone and the cascade at every operating point."""
    where = subject.prefix.strip()
    yield Contender(
        f"plain on {where}",
        "plain",
        **subject.names,
        operating_point=None,
        labels=subject.plain_labels,
        task=subject.prefix + plain_at(1),
    )
    if subject.one_file:
        yield Contender(
            f"the cascade on {where} in one file",
            "cascade",
            **subject.names,
            operating_point=subject.point.name,
            labels=subject.exits.labels,
            task=subject.prefix + ONE_FILE,
        )
    for point in subject.points:
        yield Contender(
            f"the cascade on {where} at {point.name}",
            "cascade",
            **subject.names,
            operating_point=point.name,
            labels=subject.at(point).labels,
            task=subject.prefix + subject.timed_as(point),
        )


def of_rival(rival: Rival, test: Images, task: str) -> Contender:
    """Return a rival, asked about every test image."""
    record = rival.record
    return Contender(
        rival.name,
        rival.kind,
        record.target,
        record.precision or "",
        None,
        rival.labels(test.images),
        task,
    )


def compare_contenders(
    contenders: Sequence[Contender],
    truth: NDArray[np.int64],
    blocks: Blocks,
    tolerance: float,
) -> tuple[Alternative, ...]:
    """Return each network's accuracy and time; the first is the reference for accuracy."""
    right = [one.labels == truth for one in contenders]
    plains = [one.task for one in contenders if one.kind == "plain"]
    fastest = min(plains, key=blocks.ms)
    return tuple(
        _alternative(one, mine, right[0], blocks, fastest, tolerance)
        for one, mine in zip(contenders, right, strict=True)
    )


def _alternative(
    one: Contender,
    right: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    blocks: Blocks,
    fastest: str,
    tolerance: float,
) -> Alternative:
    change = statistics.paired_change(reference, right)
    # A network that answers as the reference does, image by image, loses nothing for sure.
    same = bool((reference == right).all())
    drop = Interval(0.0, 0.0, 0.0) if same else Interval(-change.value, -change.high, -change.low)
    return Alternative(
        name=one.name,
        kind=one.kind,
        target=one.target,
        precision=one.precision,
        operating_point=one.operating_point,
        accuracy=statistics.share(int(right.sum()), len(right)),
        drop=drop,
        ms=blocks.ms(one.task),
        ratio=blocks.ratio(fastest, one.task),
        eligible=eligible(drop, tolerance),
    )


def ratios(contenders: Sequence[Contender], blocks: Blocks) -> Callable[[str, str], Interval]:
    """Return what gives the ratio of two networks' times by their names: over, under."""
    tasks = {one.name: one.task for one in contenders}
    return lambda over, under: blocks.ratio(tasks[under], tasks[over])
