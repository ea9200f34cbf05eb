"""A pool whose answers are drawn: later places and larger networks know more, and know it."""

from __future__ import annotations

import numpy as np

from calexnet.choosing.pool import ExitPool, Network, Said

CLASSES = ("cat", "dog", "hen", "pig")


def network(name: str, places: int, stage: int, heads: dict[str, int]) -> Network:
    """Return a network of equal stages, with heads of equal MACs at every place."""
    return Network(
        name,
        tuple(f"layer{k}" for k in range(1, places + 1)),
        (stage,) * (places + 1),
        {head: (macs,) * places for head, macs in heads.items()},
    )


def pool(
    networks: tuple[Network, ...] | None = None,
    images: int = 240,
    seed: int = 0,
    tested: int = 1000,
) -> ExitPool:
    """Return a pool of `networks`, the last one the reference; by default one with two places."""
    networks = networks or (network("net", 2, 10, {"light": 1, "heavy": 4}),)
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(CLASSES), images)
    hardness = random.normal(0, 1, images)
    said = {}
    for size, one in enumerate(networks):
        for exit_ in one.exits():
            depth = len(one.places) if exit_.place is None else one.places.index(exit_.place)
            skill = 0.8 + 0.5 * depth + 0.8 * size + 0.4 * (exit_.head == "heavy")
            margin = skill - hardness + random.normal(0, 0.4, images)
            labels = np.where(margin > 0, truth, (truth + 1) % len(CLASSES))
            scores = 1 / (1 + np.exp(-2 * np.abs(margin)))
            said[exit_] = Said(labels.astype(np.int32), scores.astype(np.float32))
    return ExitPool(networks, networks[-1].name, CLASSES, truth, said, tested)
