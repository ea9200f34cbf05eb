"""Heads as wide as a budget allows, all together. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from calexnet.errors import InputError

#: From the most channels inside each head to what all branches cost, in MACs.
Cost = Callable[[tuple[int, ...]], int]


def fitted(
    name: str, own: Sequence[int | None], budget: float, plain: int, cost: Cost
) -> tuple[int, ...]:
    """Return the most channels inside each head; empty if as they are they fit.

    All are narrowed in one proportion: head k of own width w has ``max(1, w s // m)`` channels,
    m the largest own width, with the largest whole s up to m that the budget allows.

    Args:
        name: Of the heads.
        own: How many channels each has inside as it is, ``None`` if it cannot be narrowed.
        budget: Share of the network's MACs that all branches may cost together.
        plain: MACs of the network.
        cost: Of branches that are so wide.

    Raises:
        InputError: They are too large at their narrowest, or cannot be narrowed.
    """
    most = budget * plain
    if cost(()) <= most:
        return ()
    wide = [width or 0 for width in own]
    widest = max(wide)
    narrowest = _narrowed(wide, 1, widest) if widest else ()
    if (least := cost(narrowest)) > most:
        raise _too_large(name, least / plain, budget, narrowed=bool(narrowest))
    fits, fails = 1, widest  # as they are they do not
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if cost(_narrowed(wide, middle, widest)) <= most:
            fits = middle
        else:
            fails = middle
    return _narrowed(wide, fits, widest)


def _narrowed(own: Sequence[int], steps: int, widest: int) -> tuple[int, ...]:
    return tuple(max(1, width * steps // widest) for width in own)


def _too_large(name: str, least: float, budget: float, *, narrowed: bool) -> InputError:
    how = "with one channel inside" if narrowed else "which cannot be narrowed"
    return InputError(
        f"{name} heads do not fit the budget",
        got=f"{least:.2%} of the network's MACs, {how}",
        expected=f"at most {budget:.2%}, all heads together",
        fix="Choose --head linear, which costs least, fewer --attach, or a larger --head-budget",
    )
