"""From tables to sentences: verdicts, where they flip, and the one question users ask."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from calexnet.bench.results import (
    Accuracy,
    AmortisationRow,
    CrossoverRow,
    Flip,
    OperatingPointRow,
)


def flips(crossover: Sequence[CrossoverRow]) -> tuple[Flip, ...]:
    """Return where the verdict changes sides between one batch size and the next clear one."""
    found = []
    for threads in sorted({row.threads for row in crossover}):
        clear = [row for row in crossover if row.threads == threads and row.verdict != "unclear"]
        clear.sort(key=lambda row: row.batch)
        for before, after in pairwise(clear):
            if before.verdict != after.verdict:
                found.append(
                    Flip(
                        target=before.target,
                        precision=before.precision,
                        threads=threads,
                        from_batch=before.batch,
                        from_verdict=before.verdict,
                        to_batch=after.batch,
                        to_verdict=after.verdict,
                    )
                )
    return tuple(found)


def headline(
    amortisation: Sequence[AmortisationRow],
    crossover: Sequence[CrossoverRow],
    points: Sequence[OperatingPointRow],
    accuracy: Accuracy,
) -> tuple[str, ...]:
    """Return what the tables come to, a sentence each."""
    sentences = [
        _speed(threads, amortisation, crossover)
        for threads in sorted({row.threads for row in crossover})
    ]
    sentences.append(
        f"At this operating point the cascade answers {accuracy.cascade:.1%} of {accuracy.samples} "
        f"test images rightly, the plain backbone {accuracy.plain:.1%}: a change of "
        f"{_points(accuracy.change)} points ({_points(accuracy.change_low)} to "
        f"{_points(accuracy.change_high)})."
    )
    sentences.append(one_point(points))
    return tuple(sentences)


def one_point(points: Sequence[OperatingPointRow]) -> str:
    """Answer "which margin costs me one point?"."""
    affordable = [point for point in points if point.change >= -0.01]
    if not affordable:
        return "Every operating point costs more than one point of accuracy here."
    best = min(affordable, key=lambda point: point.ratio)
    return (
        f"At most one point of accuracy: margin {best.margin:g} is the fastest such operating "
        f"point, {_points(best.change)} points and {best.ratio:.2f} of plain's time at batch 1."
    )


def _speed(
    threads: int, amortisation: Sequence[AmortisationRow], crossover: Sequence[CrossoverRow]
) -> str:
    ratios = {row.batch: row.ratio for row in amortisation if row.threads == threads}
    by_verdict: dict[str, list[int]] = {}
    for row in crossover:
        if row.threads == threads:
            by_verdict.setdefault(row.verdict, []).append(row.batch)
    phrases = {
        "cascade": "the cascade is faster at batch {}",
        "plain": "plain is faster at batch {}",
        "unclear": "it is unclear at batch {}",
    }
    parts = [
        phrases[verdict].format(
            ", ".join(f"{batch} ({ratios[batch]:.2f} x)" for batch in sorted(batches))
        )
        for verdict, batches in sorted(by_verdict.items())
    ]
    return f"On {threads} thread{'s' * (threads > 1)} {'; '.join(parts)}."


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"
