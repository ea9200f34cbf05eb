"""Target `tensorrt-rtx` has no runtime: its engines are a check of the graphs."""

from __future__ import annotations

from typing import NoReturn

from calexnet.errors import RuntimeUnavailableError

#: Why nothing is known of its answers and times.
REASON = "built by TensorRT-RTX without a GPU, to see that every graph builds; never run"


def require() -> NoReturn:
    """Refuse.

    Raises:
        RuntimeUnavailableError: Always.
    """
    raise RuntimeUnavailableError(
        "engines of target tensorrt-rtx are not run",
        got=REASON,
        fix="On the GPU's own machine: calexnet-export BUNDLE --target tensorrt",
    )


def packages() -> NoReturn:
    """Refuse, as `require` does."""
    require()


def load(*_: object, **__: object) -> NoReturn:
    """Refuse, as `require` does."""
    require()
