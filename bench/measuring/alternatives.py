"""Everything that could be shipped, side by side: plain, cascades, cut networks, rivals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet import certify
from calexnet.bench.measuring.rivals import Rival
from calexnet.bench.measuring.subject import ONE_FILE, Images, Subject
from calexnet.bench.model.accuracy import Marks
from calexnet.bench.model.blocks import Blocks
from calexnet.bench.model.decision import decide, useful
from calexnet.bench.model.prediction import cut_at, plain_at
from calexnet.bench.report.decision import OWN, Alternative, ByGroup, Certificate, Decision, Kind
from calexnet.bench.report.interval import Interval
from calexnet.certify import Candidate, Counts, Link
from calexnet.certify.class_drops import balanced_accuracy
from calexnet.manifest import IF, SEGMENTS


@dataclass(frozen=True)
class Contender:
    """One network that could be shipped: what it answers, and under what name it was timed.

    `calibration` holds its answers against those of the reference on the calibration part, if the
    bundle says.
    """

    name: str
    kind: Kind
    target: str
    precision: str
    operating_point: str | None
    labels: NDArray[np.int32]
    task: str
    calibration: Counts | None = None
    cut: int | None = None
    layout: str = SEGMENTS


def of_subject(subject: Subject) -> Iterator[Contender]:
    """Yield the backbone alone, the cascade at every operating point, and the cut networks."""
    where = subject.prefix.strip()
    yield Contender(
        f"plain on {where}",
        "plain",
        **subject.names,
        operating_point=None,
        labels=subject.plain_labels,
        task=subject.prefix + plain_at(1),
        calibration=subject.plain_counts,
    )
    if subject.one_file:
        yield Contender(
            f"the cascade on {where} in one file",
            "cascade",
            **subject.names,
            operating_point=subject.point.name,
            labels=subject.exits.labels,
            task=subject.prefix + ONE_FILE,
            calibration=subject.point.counts,
            layout=IF,
        )
    for point in subject.points:
        yield Contender(
            f"the cascade on {where} at {point.name}",
            "cascade",
            **subject.names,
            operating_point=point.name,
            labels=subject.at(point).labels,
            task=subject.prefix + subject.timed_as(point),
            calibration=point.counts,
        )
    for number, (attach, known) in enumerate(zip(subject.attach, subject.cuts, strict=True), 1):
        yield Contender(
            f"{attach} alone on {where}"
            if number <= subject.networks
            else f"the network cut after {attach} on {where}",
            "cut network",
            **subject.names,
            operating_point=None,
            labels=subject.table.labels[number - 1],
            task=subject.prefix + cut_at(number),
            calibration=None if known is None else known.counts,
            cut=number,
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


@dataclass(frozen=True)
class Rules:
    """By what it is decided.

    Attributes:
        max_drop: Share of accuracy that may be lost, 0..1.
        marks: What answers are held against.
        features: Instruction sets of the processor that answered.
    """

    max_drop: float
    marks: Marks
    features: tuple[str, ...] = ()


def decided(
    contenders: Sequence[Contender], blocks: Blocks, rules: Rules
) -> tuple[tuple[Alternative, ...], Decision]:
    """Return every network beside the reference, the first of them, and which one to ship."""
    picking, telling = blocks.halves()
    tasks = {one.name: one.task for one in contenders}
    ms = {name: picking.ms(task) for name, task in tasks.items()}
    marks = rules.marks
    right = [one.labels == marks.truth for one in contenders]
    certificates = _certificates(contenders, right, ms, rules)
    fastest = min((one.task for one in contenders if one.kind == "plain"), key=blocks.ms)
    found = tuple(
        Alternative(
            name=one.name,
            kind=one.kind,
            target=one.target,
            precision=one.precision,
            operating_point=one.operating_point,
            accuracy=marks.share(mine),
            balanced=balanced_accuracy(mine, marks.truth),
            drop=_drop(marks, right[0], mine, one is contenders[0]),
            worst_class=marks.worst_class(right[0], mine),
            ms=blocks.ms(one.task),
            ratio=blocks.ratio(fastest, one.task),
            certificate=certificates[one.name],
            cut=one.cut,
            layout=one.layout,
        )
        for one, mine in zip(contenders, right, strict=True)
    )
    decision = decide(
        found,
        ms,
        lambda over, under: telling.ratio(tasks[under], tasks[over]),
        rules.max_drop,
        blocks=(len(picking.pace), len(telling.pace)),
        features=rules.features,
    )
    return found, decision


def _drop(
    marks: Marks, reference: NDArray[np.bool_], right: NDArray[np.bool_], itself: bool
) -> Interval:
    if itself:
        return Interval(0.0, 0.0, 0.0)
    change = marks.change(reference, right)
    return Interval(-change.value, -change.high, -change.low)


def _certificates(
    contenders: Sequence[Contender],
    right: Sequence[NDArray[np.bool_]],
    ms: Mapping[str, float],
    rules: Rules,
) -> dict[str, Certificate]:
    """Return what became of every contender, by name."""
    reference = contenders[0].name
    candidates = {
        one.name: Candidate(
            one.name,
            one.calibration,
            certify.counts(right[0], mine),
            rules.marks.drops(right[0], mine),
        )
        for one, mine in zip(contenders, right, strict=True)
    }
    own, rivals = (
        useful(
            [candidates[one.name] for one in contenders[1:] if (one.kind in OWN) == inside],
            ms,
            ms[reference],
            rules.max_drop,
        )
        for inside in (True, False)
    )
    found = certify.certify(own, rules.max_drop, rivals=rivals)
    links = {
        link.name: (chain.alpha, rank, link)
        for chain in (found.own, *([] if found.rivals is None else [found.rivals]))
        for rank, link in enumerate(chain.links, start=1)
    }
    certificates = {}
    for name, one in candidates.items():
        alpha, rank, link = links.get(name, (found.own.alpha, None, None))
        by_group = rules.marks.by_group(one.drops, rules.max_drop, alpha)
        certificates[name] = (
            Certificate(
                "reference" if name == reference else "no use",
                None,
                alpha,
                one.calibration,
                one.test,
                by_group=by_group,
            )
            if link is None
            else _certificate(link, rank, alpha, by_group)
        )
    return certificates


def _certificate(
    link: Link, rank: int | None, alpha: float, by_group: ByGroup | None
) -> Certificate:
    upper = None
    if link.p is not None:
        upper = certify.upper_bound(link.test, alpha) if by_group is None else by_group.upper
    return Certificate(
        link.outcome, rank, alpha, link.calibration, link.test, link.p, upper, by_group
    )
