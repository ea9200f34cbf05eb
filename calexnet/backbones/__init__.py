"""Backbones by name, or any ``package.module:function`` that returns an ``nn.Module``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calexnet import registry
from calexnet.errors import InputError
from calexnet.registry import BUILT_IN_ONLY, Allowed

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Family:
    """A built-in backbone: where its builder is, and where branches go unless told otherwise."""

    builder: str
    attach: tuple[str, ...]
    stems: bool = False


_CIFAR = "calexnet.backbones.cifar_resnet"
_RESNET = "calexnet.backbones.resnet"

BUILT_IN = {
    "resnet8": Family(f"{_CIFAR}:resnet8", ("layer1", "layer2")),
    "resnet20": Family(f"{_CIFAR}:resnet20", ("layer1", "layer2")),
    "resnet56": Family(f"{_CIFAR}:resnet56", ("layer1", "layer2")),
    "resnet18": Family(f"{_RESNET}:resnet18", ("layer1", "layer2", "layer3"), stems=True),
    "resnet50": Family(f"{_RESNET}:resnet50", ("layer1", "layer2", "layer3"), stems=True),
}


@dataclass(frozen=True)
class BackboneSpec:
    """How to build a backbone again.

    Attributes:
        name: One of `BUILT_IN`, or ``package.module:function``.
        classes: Number of classes.
        stem: For the ResNets that have a choice; ``None`` = their default.
    """

    name: str
    classes: int
    stem: str | None = None


def default_attach(name: str) -> tuple[str, ...]:
    """Return the attach points that a built-in backbone has unless told otherwise.

    Raises:
        InputError: Unknown name, or the user's own, whose modules nobody here knows.
    """
    if name in BUILT_IN:
        return BUILT_IN[name].attach
    _refuse_unknown(name)
    raise InputError(
        f"no attach points for {name}",
        expected="the names of its modules after which branches go",
        fix="Add for example --attach layer1,layer2,layer3",
    )


def build(spec: BackboneSpec, allow: Allowed = BUILT_IN_ONLY) -> nn.Module:
    """Return the network that `spec` describes, with fresh weights.

    Args:
        spec: Which.
        allow: Whose own ones may be imported.

    Raises:
        InputError: Unknown name, a stem where there is no choice, or a builder that does not
            return a network.
    """
    _refuse_unknown(spec.name)
    family = BUILT_IN.get(spec.name)
    if spec.stem is not None and not (family and family.stems):
        choosers = ", ".join(name for name, f in BUILT_IN.items() if f.stems)
        raise InputError(
            f"{spec.name} has no choice of stem", got=spec.stem, expected=f"none, or {choosers}"
        )
    known = {name: one.builder for name, one in BUILT_IN.items()}
    builder = registry.find(spec.name, known, "backbone", allow)
    options: dict[str, Any] = {} if spec.stem is None else {"stem": spec.stem}
    if family or "classes" in inspect.signature(builder).parameters:
        options["classes"] = spec.classes
    return _checked(builder(**options), spec.name)


def _refuse_unknown(name: str) -> None:
    if name not in BUILT_IN and ":" not in name:
        raise InputError(
            "unknown backbone",
            got=repr(name),
            expected=f"one of {', '.join(BUILT_IN)}, or your own as package.module:function",
        )


def _checked(network: object, name: str) -> nn.Module:
    from torch import nn

    if not isinstance(network, nn.Module):
        raise InputError(
            f"{name} returned no network", got=type(network).__name__, expected="a torch.nn.Module"
        )
    return network
