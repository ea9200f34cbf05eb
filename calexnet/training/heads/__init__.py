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
    "separable": "calexnet.training.heads.separable:SeparableHead",
    "pteenet": "calexnet.training.heads.pteenet:PteenetHead",
    "ztw": "calexnet.training.heads.ztw:ZtwHead",
    "boostnet": "calexnet.training.heads.boostnet:BoostNetHead",
}


def build(
    name: str,
    feature_shape: tuple[int, ...],
    classes: int,
    allow: Allowed = BUILT_IN_ONLY,
    most: int | None = None,
) -> Head:
    """Return a fresh head for features of one sample's `feature_shape`.

    Args:
        name: One of `HEADS`, or one's own.
        feature_shape: Without batch.
        classes: How many scores it gives.
        allow: Whose own ones may be imported.
        most: Channels that it has inside at most; ``None`` = as many as it wants.

    Raises:
        InputError: Unknown name, or something that is no head.
    """
    cls = kind(name, allow)
    if most is None or cls.own_width(feature_shape) is None:
        return cls(feature_shape, classes)  # type: ignore[call-arg]
    return cls(feature_shape, classes, most)


def kind(name: str, allow: Allowed = BUILT_IN_ONLY) -> type[Head]:
    """Return the class of a head.

    Args:
        name: One of `HEADS`, or one's own.
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
    return cls
