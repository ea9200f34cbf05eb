"""A backbone as the recipe sees it: frozen, features at named attach points. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from calexnet.errors import InputError, first_line

#: Names that the segments' own tensors have.
RESERVED = {"image", "threshold", "label", "score", "exit", "probabilities", "logits"}


class FrozenBackbone(nn.Module):
    """A network that nothing changes any more: no gradients, batch-norm statistics at rest.

    Calling it gives the features at each attach point in order, then the logits.

    Args:
        network: Any module from float32 ``(n, C, H, W)`` to logits ``(n, classes)``.
        attach: Names of its sub-modules, in the order in which data reaches them.

    Raises:
        InputError: No such sub-module, the same one twice, or a name that is taken.
    """

    def __init__(self, network: nn.Module, attach: Sequence[str]) -> None:
        super().__init__()
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
        if len(set(attach)) != len(attach) or not attach:
            raise InputError(
                "the attach points cannot be used",
                got=", ".join(attach) or "none",
                expected="at least one, each of them once",
            )
        self.network = network.requires_grad_(False)
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
        with torch.no_grad():
            try:
                *features, logits = self(torch.zeros(2, *image_shape))
            except KeyError as never:
                raise InputError(
                    "an attach point is never reached",
                    got=never,
                    expected="a module that runs in every forward pass",
                ) from never
            except RuntimeError as problem:
                raise InputError(
                    "the backbone does not fit the data",
                    got=first_line(problem),
                    expected=f"a network for images {image_shape}, channels first",
                ) from problem
        for name, feature in zip(self.attach, features, strict=True):
            if not isinstance(feature, Tensor) or feature.ndim not in (2, 4) or len(feature) != 2:
                raise InputError(
                    f"a branch cannot be attached at {name}",
                    got=tuple(feature.shape) if isinstance(feature, Tensor) else type(feature),
                    expected="features (n, C, H, W) or (n, C)",
                )
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, classes):
            found = tuple(logits.shape)[1:] if isinstance(logits, Tensor) else type(logits)
            raise InputError(
                "the backbone does not fit the data",
                got=f"{found[0]} logits" if isinstance(found, tuple) and len(found) == 1 else found,
                expected=f"{classes}, one a class",
            )
        return [tuple(feature.shape[1:]) for feature in features]


def _keeper(seen: dict[str, Tensor], name: str) -> Any:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[name] = output

    return keep


def _some(modules: dict[str, nn.Module]) -> str:
    names = [name for name in modules if name and name.count(".") < 2]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
