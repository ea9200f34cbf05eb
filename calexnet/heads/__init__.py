"""Branch heads by name. A head maps features at an attach point to class scores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from calexnet.errors import InputError

if TYPE_CHECKING:
    from calexnet.heads.base import Head

#: name -> "module:Class"
HEADS = {
    "prototype": "calexnet.heads.prototype:PrototypeHead",
    "linear": "calexnet.heads.linear:LinearHead",
}


def build(name: str, feature_shape: tuple[int, ...], classes: int) -> Head:
    """Return a fresh head for features of one sample's `feature_shape`.

    Raises:
        InputError: Unknown name.
    """
    if name not in HEADS:
        raise InputError("unknown head", got=repr(name), expected=f"one of {', '.join(HEADS)}")
    module, _, cls = HEADS[name].partition(":")
    head: Head = getattr(import_module(module), cls)(feature_shape, classes)
    return head
