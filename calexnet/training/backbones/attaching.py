"""Where branches could go on a network that nobody here knows. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from math import prod

import torch
from torch import Tensor, nn

from calexnet.manifest import RESERVED
from calexnet.training import flops
from calexnet.training.backbones.frozen import FrozenBackbone, asked, refuse_unusual
from calexnet.training.backbones.places import LATEST, Place, spread


def propose(network: nn.Module, images: Tensor) -> tuple[Place, ...]:
    """Return up to three places for branches, in running order; none if no module will do.

    Args:
        network: In evaluation mode, its parameters without gradients.
        images: float32 ``(n, C, H, W)``, normalised.

    Raises:
        InputError: The network raised something, or is of a kind that cannot be listened to.
    """
    return spread(places(network, images))


def places(network: nn.Module, images: Tensor) -> tuple[Place, ...]:
    """Return all places for branches, in running order; see `propose`.

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
    backbone = FrozenBackbone(network, names)
    *upto, whole = flops.reached(backbone, images[:1])
    shapes = [tuple(feature.shape[1:]) for feature in backbone.answer(images[:1])[:-1]]
    early = [
        Place(name, macs / whole, 1, 4 * prod(shape), shape)
        for name, macs, shape in zip(names, upto, shapes, strict=True)
        if 0 < macs <= LATEST * whole
    ]
    alone: list[Place] = []
    for depth in range(1 + max((place.name.count(".") for place in early), default=-1)):
        alone += [
            place
            for place in early
            if place.name.count(".") == depth and _is_all(network, place.name, images[:1])
        ]
        if len(alone) > 1:
            break
    return tuple(sorted(alone, key=early.index))


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
