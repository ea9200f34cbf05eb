"""What can be chosen where engines are built for one GPU; other targets have nothing to choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calexnet.errors import InputError

#: What writes a run's files for TFLite: calexnet itself, or Google's converter.
OWN_CONVERTER, LITERT_TORCH = "calexnet", "litert-torch"
CONVERTERS = (OWN_CONVERTER, LITERT_TORCH)


@dataclass(frozen=True)
class EngineSettings:
    """How engines are built.

    Attributes:
        batches: Batch sizes that they must take; they take every other up to the largest too.
        workspace_mib: Most device memory that a layer may use while it runs, in MiB; ``None`` = all
            that the GPU has.
        timing_cache: A file with what earlier builds measured, which makes the next build quicker;
            read if it is there, then written.
    """

    batches: tuple[int, ...] = (1, 8, 32)
    workspace_mib: int | None = None
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: No batch size, or a number below 1.
        """
        if not self.batches or min(self.batches) < 1:
            raise InputError(
                "engines cannot be built for these batch sizes",
                got=self.batches,
                expected="positive whole numbers",
            )
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise InputError(
                "the workspace is too small", got=f"{self.workspace_mib} MiB", expected="1 or more"
            )
