"""Backbones by name, or any ``package.module:function`` that returns an ``nn.Module``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calexnet import registry
from calexnet.errors import CalexnetError, InputError, raised
from calexnet.registry import BUILT_IN_ONLY, Allowed

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Family:
    """A built-in backbone: where its builder is, and where branches go unless told otherwise."""

    builder: str
    attach: tuple[str, ...]
    stems: bool = False


_CIFAR = "calexnet.training.backbones.cifar_resnet"
_RESNET = "calexnet.training.backbones.resnet"

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
        InputError: Unknown name, a stem where there is no choice, or a builder that raises, asks
            for more than the number of classes, or does not return a network.
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
    if (argument := _class_argument(builder, spec.name)) is not None:
        options[argument] = spec.classes
    try:
        return _checked(builder(**options), spec.name)
    except CalexnetError:
        raise
    except Exception as problem:  # somebody's own code: it may raise anything
        raise InputError(
            f"{spec.name} cannot build the network",
            got=raised(problem),
            expected=f"a network for {spec.classes} classes",
        ) from problem


#: What builders call the number of classes: here, in torchvision and in timm.
_CLASS_ARGUMENTS = ("classes", "num_classes")


def _class_argument(builder: Callable[..., object], name: str) -> str | None:
    """Return what `builder` calls the number of classes, ``None`` if it does not ask.

    Raises:
        InputError: It asks for something else.
    """
    parameters = inspect.signature(builder).parameters
    for argument in _CLASS_ARGUMENTS:
        if argument in parameters:
            break
    else:
        kinds = {p.kind for p in parameters.values()}
        # **options are handed on to the network; *args with them are nn.Module's own.
        hands_on = (
            inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds
        )
        argument = "num_classes" if hands_on else ""
    needed = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if set(needed) - {argument}:
        raise InputError(
            f"{name} cannot be called",
            got=f"a builder that asks for {', '.join(needed)}",
            expected=f"one that asks for {' or '.join(_CLASS_ARGUMENTS)}, or for nothing",
            fix="Give its other arguments defaults",
        )
    return argument or None


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
