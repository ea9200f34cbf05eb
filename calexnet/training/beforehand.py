"""What is known of a cascade, or refused, before anything is trained. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calexnet.costs import Macs, Parameters
from calexnet.errors import InputError, raised
from calexnet.registry import Allowed
from calexnet.training import backbones, weights
from calexnet.training.backbones import BackboneSpec, attaching, check
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.spec import Plain


@dataclass(frozen=True)
class Beforehand:
    """What is known of a cascade before anything is trained.

    Attributes:
        attach: Where branches are, in running order.
        macs: Of one image.
        parameters: Of the backbone and its branches.
        auxiliary: How many outputs the backbone gives beside its logits while it is trained.
        features_bytes: What the features of all images for the branches take on the disk.
        widths: The most channels inside each head, where they were narrowed to a budget.
    """

    attach: tuple[str, ...]
    macs: Macs
    parameters: Parameters
    auxiliary: int
    features_bytes: int
    widths: tuple[int, ...] = ()


#: Is told what is known before the backbone and before the branches are trained.
Teller = Callable[[Beforehand | Plain], None]


def own_attach(name: str, network: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Return a built-in backbone's own attach points; propose some for another.

    Raises:
        InputError: It is one's own; the message names modules that would do.
    """
    if name in backbones.BUILT_IN:
        return backbones.default_attach(name)
    places = attaching.propose(network.eval(), images)
    if not places:
        return backbones.default_attach(name)  # which refuses
    shares = ", ".join(f"{place.work:.0%}" for place in places)
    raise InputError(
        f"no attach points for {name}",
        expected="the names of its modules after which branches go",
        fix=f"Add for example --attach {','.join(place.name for place in places)}: up to there "
        f"lie {shares} of its MACs",
    )


def refuse_unfit(
    backbone: FrozenBackbone,
    images: Tensor,
    spec: BackboneSpec,
    allow: Allowed,
    *,
    to_train: bool,
) -> int:
    """Return how many outputs the backbone gives beside its logits while it is trained.

    Raises:
        InputError: The network cannot be a cascade, or could not be saved as one.
    """
    check.check(backbone, images)
    if spec.name not in backbones.BUILT_IN:
        check.check_capture(backbone, images)
        _rehearse_saving(spec, backbone.network, allow)
    if not to_train:
        return 0
    return check.auxiliary_outputs(backbone.network, images, spec.classes)


def _rehearse_saving(spec: BackboneSpec, network: nn.Module, allow: Allowed) -> None:
    """Save the network and fill another of its kind, in memory: nothing trained may be lost.

    Raises:
        InputError: It cannot be saved, or what its builder gives another time is not alike.
    """
    saved = weights.pack(network)
    try:
        with torch.random.fork_rng(devices=[]):
            weights.unpack(backbones.build(spec, allow), saved)
    except Exception as problem:  # its own loading may raise anything
        raise InputError(
            "a trained network of this kind could not be read back",
            got=raised(problem),
            expected=f"a {spec.name} that builds the same tensors every time",
        ) from problem
