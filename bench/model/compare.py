"""Two reports side by side: for each network that both timed, how much it changed, and how surely.

The runs were apart, so nothing pairs their blocks. Each run's own interval of a network's usual
time holds the noise of its blocks, their autocorrelation and the swings of the machine
(`calexnet.bench.model.blocks`); the two errors do not know of each other and add up in quadrature,
in logarithms. What a run cannot know of is not in it: that the next run of the same thing, in a
process and on a day of its own, may be a little different altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from calexnet.bench.model import comparable, statistics
from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.model.comparable import Difference
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyCost, EnergyRow
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.task import Network
from calexnet.bench.report.times import SampleRow
from calexnet.bench.report.validity import Claim
from calexnet.errors import InputError

SCHEMA = 1

#: The smallest change that matters, unless said otherwise.
WITHIN = 0.05

Quantity = Literal["time", "relative", "energy"]
Change = Literal["SAME", "FASTER", "SLOWER", "LESS", "MORE", "UNCLEAR"]

#: A ratio that is surely under 1, and one that is surely over it.
_SURELY: dict[Quantity, tuple[Change, Change]] = {
    "time": ("FASTER", "SLOWER"),
    "relative": ("FASTER", "SLOWER"),
    "energy": ("LESS", "MORE"),
}

#: Networks of a report's samples that are no rival, and no part or variant of the cascade.
_WHOLE: tuple[Network, ...] = ("plain", "cascade", "one file")

#: Target, precision, network, batch and threads.
Key = tuple[str, str, str, int, int]


@dataclass(frozen=True)
class ChangeRow:
    """What became of one network.

    Attributes:
        quantity: ``time`` in ms an image; ``relative``, time over that of plain in the same run;
            or ``energy`` in mJ an image, all in.
        target: Of both.
        precision: Of both.
        network: Of both, as in the reports' samples.
        batch: Samples a call.
        threads: Within an operator.
        a: In the first report.
        b: In the second.
        ratio: `b` over `a`.
        change: See `judge`.
    """

    quantity: Quantity
    target: str
    precision: str
    network: str
    batch: int
    threads: int
    a: float
    b: float
    ratio: Interval
    change: Change


@dataclass(frozen=True)
class Compared:
    """Two reports, compared.

    Attributes:
        schema: Version of this document's form.
        within: The smallest change that matters, as a share.
        rows: One a network, setting and quantity that both measured.
        only_a: Names of what only the first measured.
        only_b: Names of what only the second measured.
        across: What the two do not share, and what they were compared across.
        top1_drop: Accuracy of the first cascade less the second's, at their first targets, in
            points.
    """

    schema: int
    within: float
    rows: tuple[ChangeRow, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    across: tuple[Difference, ...]
    top1_drop: float

    def count(self, change: Change) -> int:
        """Return how many rows changed so."""
        return sum(row.change == change for row in self.rows)


def judge(ratio: Interval, within: float, quantity: Quantity = "time", among: int = 1) -> Change:
    """Return what a ratio, new over old, comes to.

    A change of less than a share `within` does not matter, either way: ``1 / (1 + within)`` to
    ``1 + within`` counts as the same. The verdict needs the whole interval on one side of a line:
    ``SAME`` if it lies within, ``FASTER`` or ``LESS`` if below, ``SLOWER`` or ``MORE`` if above;
    else ``UNCLEAR``. Where many rows are judged at once, one of them is far off by chance: for a
    change the interval is widened until all of the comparison's hold together (Bonferroni). So a
    change that is sure but small is ``SAME`` or ``UNCLEAR``, and when the
    two reports change places each verdict becomes its opposite.
    """
    low, high = 1 / (1 + within), 1 + within
    below, above = _SURELY[quantity]
    together = statistics.widened_for(ratio, among)
    if together.high < low:
        return below
    if together.low > high:
        return above
    return "SAME" if low <= ratio.low and ratio.high <= high else "UNCLEAR"


def compare(
    a: Report,
    b: Report,
    *,
    within: float = WITHIN,
    across: Sequence[str] = (),
    relative: bool = False,
    everything: bool = False,
    seed: int = 0,
) -> Compared:
    """Return what changed from `a` to `b`.

    Args:
        a: The old one.
        b: The new one.
        within: The smallest change that matters, over 0.
        across: Kinds of `comparable.ACROSS` in which the two may differ.
        relative: Compare times over plain's in the same blocks. The pace of the machine is then in
            neither, and a change in both is not seen.
        everything: Compare single exits and other operating points too.
        seed: Of the resampling.

    Raises:
        InputError: The two differ in something else, or measured nothing in common.
        MeasurementError: One of them is invalid, and that is all.
    """
    if not 0 < within < np.inf:
        raise InputError("the change that matters cannot be used", got=within, expected="over 0")
    old_energy, new_energy = _joules(a), _joules(b)
    claims: list[Claim] = ["ratio" if relative else "time"]
    claims += ["energy"] if old_energy.keys() & new_energy.keys() else []
    found = comparable.differences(a, b, claims)
    comparable.refuse(found, across)
    of = _over_plain if relative else _times
    old, new = (_shipped(report, of(report.samples, seed), everything) for report in (a, b))
    among = len(old.keys() & new.keys()) + len(old_energy.keys() & new_energy.keys())
    rows = [
        *_rows("relative" if relative else "time", old, new, within, among),
        *_rows("energy", old_energy, new_energy, within, among),
    ]
    if not rows:
        raise InputError(
            "these reports have nothing in common",
            got=f"{_listed(old)} against {_listed(new)}",
            expected="a network that both timed, at the same batch and on as many threads",
        )
    return Compared(
        SCHEMA,
        within,
        tuple(rows),
        (*_missing(old, new), *_missing(old_energy, new_energy, "energy of ")),
        (*_missing(new, old), *_missing(new_energy, old_energy, "energy of ")),
        found,
        100 * (a.accuracy.cascade - b.accuracy.cascade),
    )


def name(key: Key) -> str:
    """Return ``onnxruntime fp32 cascade, batch 1, 1 thread``."""
    target, precision, network, batch, threads = key
    where = " ".join(part for part in (target, precision, network) if part)
    return f"{where}, batch {batch}, {threads} thread{'s' * (threads > 1)}"


def _times(samples: Iterable[SampleRow], seed: int) -> dict[Key, Callable[[], Interval]]:
    """Return the usual ms an image of everything that was timed, worked out when asked for."""
    found: dict[Key, Callable[[], Interval]] = {}
    for keys, blocks in _in_the_same_blocks(samples, seed):
        for place, key in enumerate(keys):
            found[key] = partial(blocks.interval, str(place))
    return found


def _over_plain(samples: Iterable[SampleRow], seed: int) -> dict[Key, Callable[[], Interval]]:
    """Return the same over plain's time: that of the same build, or of the first for a rival."""
    found: dict[Key, Callable[[], Interval]] = {}
    for keys, blocks in _in_the_same_blocks(samples, seed):
        for place, key in enumerate(keys):
            plains = [at for at, other in enumerate(keys) if other[2:4] == ("plain", key[3])]
            own = [at for at in plains if keys[at][:2] == key[:2]]
            if key[2] != "plain" and plains:
                plain = (own or plains)[0]
                found[key] = partial(blocks.ratio, str(plain), str(place))
    return found


def _in_the_same_blocks(
    samples: Iterable[SampleRow], seed: int
) -> Iterator[tuple[list[Key], Blocks]]:
    """Yield what was timed together, and its times by place."""
    groups: dict[tuple[int, int], list[SampleRow]] = {}
    for row in samples:
        groups.setdefault((row.threads, len(row.ms)), []).append(row)
    for rows in groups.values():
        series = {str(place): np.array(row.ms) for place, row in enumerate(rows)}
        yield [_key(row, row.network) for row in rows], told_apart(series, seed)


def _shipped(
    report: Report, times: Mapping[Key, Callable[[], Interval]], everything: bool
) -> dict[Key, Interval]:
    """Return what could be shipped as it is: nothing that is a part of the cascade."""
    whole = {*_WHOLE, *(rival.name for rival in report.rivals)}
    return {key: of() for key, of in times.items() if everything or key[2] in whole}


def _joules(report: Report) -> dict[Key, Interval]:
    """Return the mJ an image of plain and cascade, where a sensor told them from nothing."""
    found: dict[Key, Interval] = {}
    for row in report.energy:
        if row.gross is not None:
            for network, cost in (("plain", row.gross.plain), ("cascade", row.gross.cascade)):
                if cost.low > 0:
                    found[_key(row, network)] = _millijoules(cost)
    return found


def _millijoules(cost: EnergyCost) -> Interval:
    return Interval(cost.joules, cost.low, cost.high).times(1e3)


def _key(row: SampleRow | EnergyRow, network: str) -> Key:
    return row.target, row.precision, network, row.batch, row.threads


def _rows(
    quantity: Quantity,
    old: Mapping[Key, Interval],
    new: Mapping[Key, Interval],
    within: float,
    among: int,
) -> Iterator[ChangeRow]:
    for key, before in old.items():
        if key in new:
            ratio = quotient(new[key], before)
            estimate = Interval(ratio.value, ratio.low, ratio.high)
            after = new[key].value
            change = judge(ratio, within, quantity, among)
            yield ChangeRow(quantity, *key, before.value, after, estimate, change)


def _missing(mine: Iterable[Key], theirs: Mapping[Key, Interval], what: str = "") -> Iterator[str]:
    """Yield the names of what is not among `theirs`."""
    return (what + name(key) for key in mine if key not in theirs)


def quotient(over: Interval, under: Interval) -> Interval:
    """Return `over` / `under`, whose errors do not know of each other; all of it over 0."""
    top, bottom = statistics.logarithm(over), statistics.logarithm(under)
    turned = Interval(-bottom.value, -bottom.high, -bottom.low)
    value = top.value - bottom.value
    return statistics.exponential(statistics.in_quadrature(value, (top, turned)))


def _listed(keys: Iterable[Key]) -> str:
    return "; ".join(map(name, keys)) or "nothing"
