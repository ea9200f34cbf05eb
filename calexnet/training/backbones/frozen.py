"""A backbone as the recipe sees it: frozen, features at named attach points. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
import torch.fx
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.errors import CalexnetError, InputError, raised
from calexnet.manifest import RESERVED
from calexnet.training.backbones.graph_file import GraphCosts


class FrozenBackbone(nn.Module):
    """A network that nothing changes any more: no gradients, batch-norm statistics at rest.

    Calling it gives the features at each attach point in order, then the logits.

    Args:
        network: Any module from float32 ``(n, C, H, W)`` to logits ``(n, classes)``.
        attach: Names of its sub-modules, in the order in which data reaches them; none for a
            network alone.

    Raises:
        InputError: No such sub-module, the same one twice, or a name that is taken.
    """

    #: What it costs, where that was counted otherwise than by running torch.
    costs: GraphCosts | None = None

    def __init__(self, network: nn.Module, attach: Sequence[str]) -> None:
        super().__init__()
        refuse_unusual(network)
        modules = dict(network.named_modules())
        for name in attach:
            if not name or name not in modules or name in RESERVED:
                raise InputError(
                    "no such attach point",
                    got=repr(name),
                    expected=f"one of {_some(modules)}",
                    fix="List the network's modules with: "
                    "[name for name, _ in network.named_modules()]",
                )
        if len(set(attach)) != len(attach):
            raise InputError(
                "the attach points cannot be used",
                got=", ".join(attach),
                expected="each of them once",
            )
        self.network: nn.Module = network.requires_grad_(False)
        self.attach = tuple(attach)
        self.eval()

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in evaluation mode whatever is asked: the backbone is frozen truly."""
        return super().train(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features at each attach point, then the logits, for float32 images.

        Args:
            images: float32 ``(n, C, H, W)``, normalised.
        """
        seen: dict[str, Tensor] = {}
        with ExitStack() as hooks:
            for name in self.attach:
                module = self.network.get_submodule(name)
                handle = module.register_forward_hook(_keeper(seen, name))
                hooks.callback(handle.remove)
            logits = self.network(images)
        for name in self.attach:
            if name not in seen:
                raise InputError(
                    "an attach point is never reached",
                    got=repr(name),
                    expected="a module that runs in every forward pass",
                    fix=_unheard(self.network),
                )
        return (*(seen[name] for name in self.attach), logits)

    def check(self, image_shape: tuple[int, int, int], classes: int) -> list[tuple[int, ...]]:
        """Return the shape of one sample's features at each attach point.

        Args:
            image_shape: ``(C, H, W)``.
            classes: How many logits are expected.

        Raises:
            InputError: Images that the network cannot take, a feature that is no tensor with a
                leading batch axis, attach points that are never reached, or other logits.
        """
        *features, logits = self.answer(torch.zeros(2, *image_shape))
        for name, feature in zip(self.attach, features, strict=True):
            if not isinstance(feature, Tensor) or feature.ndim not in (2, 4) or len(feature) != 2:
                raise InputError(
                    f"a branch cannot be attached at {name}",
                    got=tuple(feature.shape) if isinstance(feature, Tensor) else type(feature),
                    expected="features (n, C, H, W) or (n, C)",
                )
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, classes):
            raise _no_logits(logits, classes)
        return [tuple(feature.shape[1:]) for feature in features]

    def answer(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return what calling it gives, without gradients.

        Args:
            images: float32 ``(n, C, H, W)``, normalised.

        Raises:
            InputError: The network raised something; the message says what and where.
        """
        found: tuple[Tensor, ...] = asked(self, images)
        return found


def handed(network: nn.Module, images: NDArray[np.float32]) -> Tensor:
    """Return normalised images ``(n, C, H, W)`` as `network` takes them.

    They lie channels last, as decoders give them. Loaders of every other project give them channels
    first, and networks that flatten a map with ``view`` take no other. A network that takes any
    says so by an attribute ``any_strides``: it trains in four fifths of the time.
    """
    tensor = torch.from_numpy(images)
    return tensor if getattr(network, "any_strides", False) else tensor.contiguous()


def asked(network: nn.Module, images: Tensor) -> Any:
    """Return what `network` says of float32 images ``(n, C, H, W)``, without gradients.

    Raises:
        InputError: It raised something; the message says what and where.
    """
    try:
        with torch.no_grad():
            return network(images)
    except CalexnetError:
        raise
    except Exception as problem:  # somebody's own code: it may raise anything
        raise InputError(
            "the backbone does not fit the data",
            got=raised(problem),
            expected=f"a network for images {tuple(images.shape[1:])}, channels first",
        ) from problem


def _no_logits(said: object, classes: int) -> InputError:
    """Return why what a network gives for two images is not the logits of `classes`."""
    what, expected = "the backbone does not fit the data", f"logits (n, {classes})"
    if isinstance(said, (tuple, list)):
        return InputError(
            what,
            got=f"a {type(said).__name__} of {len(said)} from forward",
            expected=expected,
            fix="Return the last logits alone; modules that are trained exits already are named by "
            "--method trained --exits",
        )
    if not isinstance(said, Tensor):
        return InputError(
            what,
            got=f"a {type(said).__name__} from forward",
            expected=expected,
            fix="Return the logits alone",
        )
    shape = tuple(said.shape)
    if classes == 2 and shape in ((2,), (2, 1)):
        return InputError(
            what,
            got="one number an image, as a sigmoid takes it",
            expected="two logits",
            fix="Let forward make two of its number z, before any sigmoid, with: z = z.flatten(); "
            "return torch.stack([torch.zeros_like(z), z], 1)",
        )
    got = f"{shape[1]} logits" if len(shape) == 2 else f"a tensor {shape} for two images"
    return InputError(what, got=got, expected=f"{classes}, one a class")


#: What wraps or replaces a network so that its modules have other names, or none: by module.
_CAPTURES = ("torch.jit", "torch.export", "torch._dynamo", "torch.nn.parallel")


def refuse_unusual(network: nn.Module) -> None:
    """Refuse what was made of a network, and one whose sizes are not known yet.

    Raises:
        InputError: It is scripted, traced, compiled, exported, spread over devices, or lazy.
    """
    for kind in type(network).__mro__:
        for capture in _CAPTURES:
            if kind.__module__.startswith(capture):
                raise InputError(
                    "branches cannot be attached to this network",
                    got=f"a {kind.__name__} of {capture}, whose modules cannot be listened to",
                    expected="the torch.nn.Module that it was made of",
                    fix="Return that from the builder",
                )
    lazy = [name for name, p in network.named_parameters() if nn.parameter.is_lazy(p)]
    if lazy:
        raise InputError(
            "the network's sizes are not known yet",
            got=f"{lazy[0]}, a lazy parameter",
            expected="weights of known shapes",
            fix="Let the builder run it once, in evaluation mode, on an image of zeros",
        )


def _unheard(network: nn.Module) -> str | None:
    """Return what to do about modules that are there and do not run, if it can be told."""
    if isinstance(network, torch.fx.GraphModule):
        return "A traced graph runs its innermost modules alone: return the network itself"
    return None


def _keeper(seen: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[name] = output

    return keep


def _some(modules: dict[str, nn.Module]) -> str:
    names = [name for name in modules if name and name.count(".") < 2]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
