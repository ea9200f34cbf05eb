"""What ``calexnet compare --fail-if`` can ask: metric by name, and where it is found.

Unless a gate says otherwise, a ratio is that of the cascade, on the first target and precision that
both reports have, at batch 1 on one thread.
"""

from __future__ import annotations

from collections.abc import Callable

from calexnet.bench.gates.grammar import KEYS, Figure, Metric, Where
from calexnet.bench.model.compare import Change, Compared, Quantity


def _ratio(*quantities: Quantity) -> Callable[[Compared, Where], Figure]:
    def found(compared: Compared, where: Where) -> Figure:
        wanted = {"network": "cascade", "batch": "1", "threads": "1", **where}
        for row in compared.rows:
            fits = all(str(getattr(row, key)) == word for key, word in wanted.items())
            if fits and row.quantity in quantities:
                return Figure(row.ratio.value, row.ratio.low, row.ratio.high)
        said = ", ".join(" ".join(pair) for pair in wanted.items())
        return Figure(None, reason=f"no {quantities[0]} that both measured for {said}")

    return found


def _count(*changes: Change) -> Callable[[Compared, Where], Figure]:
    return lambda compared, where: Figure(float(sum(map(compared.count, changes))))


#: name -> what it means and where it is found.
METRICS: dict[str, Metric[Compared]] = {
    "ratio": Metric("time of an image, new over old", _ratio("time", "relative"), KEYS),
    "energy_ratio": Metric("energy of an image, new over old", _ratio("energy"), KEYS),
    "slower": Metric("how many rows are SLOWER", _count("SLOWER")),
    "faster": Metric("how many rows are FASTER", _count("FASTER")),
    "more": Metric("how many rows use MORE energy", _count("MORE")),
    "unclear": Metric("how many rows are UNCLEAR", _count("UNCLEAR")),
    "missing": Metric(
        "how many rows of the old report the new one lacks",
        lambda compared, where: Figure(float(len(compared.only_a))),
    ),
    "top1_drop": Metric(
        "accuracy of the cascade, old less new, points",
        lambda compared, where: Figure(compared.top1_drop),
    ),
}
