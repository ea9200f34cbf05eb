"""Methods by name. A method says what its branches are and how they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calexnet import registry
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part

if TYPE_CHECKING:
    from calexnet.training.methods.base import Method

#: name -> "module:Class"
METHODS = {
    "calexnet": "calexnet.training.methods.calexnet:CalexNet",
    "reference": "calexnet.training.methods.reference:Reference",
    "softmax": "calexnet.training.methods.softmax:Softmax",
    "pteenet": "calexnet.training.methods.pteenet:PteeNet",
    "ztw": "calexnet.training.methods.ztw:ZeroTimeWaste",
    "boostnet": "calexnet.training.methods.boostnet:BoostNet",
    "trained": "calexnet.training.methods.trained:Trained",
}

#: Takes exits that the network has already (`--exits`), and no other head.
TRAINED = "trained"

#: `--head native` stands for the method's own.
NATIVE = "native"


def build(part: Part, allow: Allowed = BUILT_IN_ONLY) -> Method:
    """Return the method that `part` names.

    Args:
        part: One of `METHODS`, or one's own.
        allow: Whose own ones may be imported.

    Raises:
        InputError: Unknown name or option, or something that is no method.
    """
    from calexnet.training.methods.base import Method

    method: Method = registry.build(part, METHODS, "method", Method, allow)
    return method
