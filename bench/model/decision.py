"""What to ship: of all networks that are certified to keep the accuracy, the fastest.

Accuracy is decided by a chain of exact tests (`calexnet.certify`): its order comes from the
calibration part and from times, never from the test images. Who is slower than one that is surer
need not be tested: if that one passes it ships instead, and if it fails the chain has ended.

Times decide within blocks of their own: the network is picked by every other block, and its ratio
to the best of every other kind comes from the rest, for the fastest of many looks faster than it is
in the blocks that picked it. Where that ratio's interval spans 1, the answer is ``unclear``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from calexnet import certify
from calexnet.bench.report.decision import Alternative, Decision
from calexnet.bench.report.interval import Interval
from calexnet.certify import Candidate

#: Ratio of two networks' times, by their names: over, under.
Ratio = Callable[[str, str], Interval]


def useful(
    candidates: Sequence[Candidate], ms: Mapping[str, float], limit_ms: float, max_drop: float
) -> list[Candidate]:
    """Return the candidates that are worth a test, in the order in which they will be tested.

    Args:
        candidates: See `calexnet.certify.certify`.
        ms: By name.
        limit_ms: Of the reference, which needs no test.
        max_drop: Share of accuracy that may be lost.
    """
    found = []
    for one in _surest_first(candidates, max_drop):
        if ms[one.name] < limit_ms:
            limit_ms = ms[one.name]
            found.append(one)
    return found


def _surest_first(candidates: Sequence[Candidate], max_drop: float) -> list[Candidate]:
    def key(one: Candidate) -> tuple[float, str]:
        known = one.calibration
        return (2.0, "") if known is None else (certify.p_value(known, max_drop), one.name)

    return sorted(candidates, key=key)


def decide(
    alternatives: Sequence[Alternative],
    ms: Mapping[str, float],
    ratio_of: Ratio,
    max_drop: float,
    *,
    blocks: tuple[int, int] = (0, 0),
    features: tuple[str, ...] = (),
) -> Decision:
    """Return what to ship.

    Args:
        alternatives: Every network that could be, the reference first; it loses nothing.
        ms: Of each by name, from the blocks that pick.
        ratio_of: From the blocks that do not.
        max_drop: Share of accuracy that may be lost.
        blocks: How many blocks of either.
        features: Of the processor.
    """
    able = [one for one in alternatives if one.keeps(max_drop)]
    best = min(able, key=lambda one: ms[one.name])
    rival = next(_others(alternatives, best, ms, max_drop), None)
    against = None if rival is None else ratio_of(best.name, rival.name)
    faster = [one for one in alternatives if ms[one.name] < ms[best.name]]
    doubt, needed = _doubt([o for o in faster if o.keeps(max_drop) is None], ms, max_drop)
    lossy = [one for one in faster if one.keeps(max_drop) is False]
    return Decision(
        choice="unclear" if against is not None and against.high >= 1 else best.kind,
        name=best.name,
        max_drop=max_drop,
        against=_name(rival),
        ratio=against,
        blocks=blocks,
        doubt=_name(doubt),
        needed=needed,
        lossy=_name(min(lossy, key=lambda one: one.drop.value, default=None)),
        features=features,
    )


def _others(
    alternatives: Sequence[Alternative],
    best: Alternative,
    ms: Mapping[str, float],
    max_drop: float,
) -> Iterator[Alternative]:
    """Yield the networks of other kinds to hold `best` against, the fastest first.

    Of those that are slower a single test at the same alpha is enough: it is in favour of what is
    not shipped.
    """
    for one in sorted(alternatives, key=lambda one: ms[one.name]):
        found = one.certificate
        if one.kind != best.kind and (
            one.keeps(max_drop)
            or (
                found is not None
                and ms[one.name] > ms[best.name]
                and found.p_alone(max_drop) <= found.alpha
            )
        ):
            yield one


def _doubt(
    unsure: Sequence[Alternative], ms: Mapping[str, float], max_drop: float
) -> tuple[Alternative | None, int | None]:
    """Return the fastest that more images may certify, and how many; else the fastest."""
    rising = sorted(unsure, key=lambda one: ms[one.name])
    for one in rising:
        tested = one.certificate
        if tested is None:
            continue
        needed = (
            certify.images_needed(tested.test, max_drop, tested.alpha)
            if tested.by_group is None
            else tested.by_group.needed
        )
        if needed is not None:
            return one, needed
    return (rising[0] if rising else None), None


def _name(one: Alternative | None) -> str | None:
    return None if one is None else one.name
