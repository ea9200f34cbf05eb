"""Branch heads by name. A head maps features at an attach point to class scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calexnet import registry
from calexnet.errors import InputError
from calexnet.registry import BUILT_IN_ONLY, Allowed

if TYPE_CHECKING:
    from calexnet.training.heads.base import Head

#: name -> "module:Class"
HEADS = {
    "prototype": "calexnet.training.heads.prototype:PrototypeHead",
    "linear": "calexnet.training.heads.linear:LinearHead",
    "strided": "calexnet.training.heads.strided:StridedHead",
    "pteenet": "calexnet.training.heads.pteenet:PteenetHead",
    "ztw": "calexnet.training.heads.ztw:ZtwHead",
    "boostnet": "calexnet.training.heads.boostnet:BoostNetHead",
}


def build(
    name: str, feature_shape: tuple[int, ...], classes: int, allow: Allowed = BUILT_IN_ONLY
) -> Head:
    """Return a fresh head for features of one sample's `feature_shape`.

    Args:
        name: One of `HEADS`, or one's own.
        feature_shape: Without batch.
        classes: How many scores it gives.
        allow: Whose own ones may be imported.

    Raises:
        InputError: Unknown name, or something that is no head.
    """
    from calexnet.training.heads.base import Head

    cls: Any = registry.find(name, HEADS, "head", allow)
    if not isinstance(cls, type) or Head not in cls.__mro__:
        raise InputError(
            f"{name} is no head",
            got=repr(cls),
            expected="a subclass of calexnet.training.heads.base.Head",
        )
    head: Head = cls(feature_shape, classes)
    return head
