"""Where branches could go on a network that nobody here knows. Needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calexnet.training import flops
from calexnet.training.backbones.frozen import RESERVED, FrozenBackbone, asked, refuse_unusual

#: Shares of the network's work at which branches are wanted.
_WANTED = (0.25, 0.5, 0.75)

#: Behind this share hardly anything is left to save.
_LATEST = 0.9


@dataclass(frozen=True)
class Place:
    """A module after which a branch could go.

    Attributes:
        name: Of the module.
        work: About which share of the network's MACs lies up to it.
    """

    name: str
    work: float


def propose(network: nn.Module, images: Tensor) -> tuple[Place, ...]:
    """Return up to three places for branches, in running order; none if no module will do.

    A place is a module that runs once, gives a map, and is all that the rest of the network reads:
    nothing else has to be carried over the cut. The outermost modules that offer two are taken.

    Args:
        network: In evaluation mode, its parameters without gradients.
        images: float32 ``(n, C, H, W)``, normalised.

    Raises:
        InputError: The network raised something, or is of a kind that cannot be listened to.
    """
    refuse_unusual(network)
    names = _maps(network, images[:1])
    if not names:
        return ()
    *upto, whole = flops.reached(FrozenBackbone(network, names), images[:1])
    places = [
        Place(name, macs / whole)
        for name, macs in zip(names, upto, strict=True)
        if 0 < macs <= _LATEST * whole
    ]
    alone: list[Place] = []
    for depth in range(1 + max((place.name.count(".") for place in places), default=-1)):
        alone += [
            place
            for place in places
            if place.name.count(".") == depth and _is_all(network, place.name, images[:1])
        ]
        if len(alone) > 1:
            break
    return _spread(sorted(alone, key=places.index))


def _spread(places: Sequence[Place]) -> tuple[Place, ...]:
    """Return the places nearest to the shares of work that are wanted, each once, in order."""
    late = list(reversed(places))  # of layers at the same share the last: behind its activation
    nearest = [min(late, key=lambda place: abs(place.work - share)) for share in _WANTED if late]
    return tuple(dict.fromkeys(nearest))


def _maps(network: nn.Module, image: Tensor) -> list[str]:
    """Return the modules that run once and give a map, in the order in which they end."""
    ran: list[str] = []
    maps: set[str] = set()

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            ran.append(name)
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                maps.add(name)

        return hook

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if name and name not in RESERVED:
                hooks.callback(module.register_forward_hook(keep(name)).remove)
        asked(network, image)
    return [name for name in ran if name in maps and ran.count(name) == 1]


def _is_all(network: nn.Module, name: str, image: Tensor) -> bool:
    """Tell whether the logits depend on the images through this module's output alone."""
    module = network.get_submodule(name)
    handle = module.register_forward_hook(lambda module, inputs, output: output.detach())
    try:
        with torch.enable_grad():
            logits = network(image.clone().requires_grad_(True))
    finally:
        handle.remove()
    return not logits.requires_grad
