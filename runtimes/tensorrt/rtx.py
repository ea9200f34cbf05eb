"""Target `tensorrt-rtx` has no runtime: its engines are a check of the graphs."""

from __future__ import annotations

from typing import NoReturn

from calexnet.errors import RuntimeUnavailableError
from calexnet.runtimes.contract import Runtime

#: Why nothing is known of its answers and times.
REASON = "built by TensorRT-RTX without a GPU, to see that every graph builds; never run"


class TensorRtRtx(Runtime):
    """Runs nothing: whatever is asked is refused."""

    def require(self) -> NoReturn:
        """Refuse.

        Raises:
            RuntimeUnavailableError: Always.
        """
        raise RuntimeUnavailableError(
            "engines of target tensorrt-rtx are not run",
            got=REASON,
            fix="On the GPU's own machine: calexnet-export BUNDLE --target tensorrt",
        )

    def packages(self) -> NoReturn:
        """Refuse, as `require` does."""
        self.require()

    def version(self) -> NoReturn:
        """Refuse, as `require` does."""
        self.require()

    def load(self, *_: object, **__: object) -> NoReturn:
        """Refuse, as `require` does."""
        self.require()
