"""The targets that a bundle can be compiled for: one typed contract, one line a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from calexnet.errors import InputError
from calexnet.export.graph.portable import PortableGraphs
from calexnet.export.settings import EngineSettings
from calexnet.manifest import FULL, Fingerprint, GraphRecord

#: Target -> the `Target` that compiles it.
TARGETS = {
    "onnxruntime": "calexnet.export.onnxruntime:OnnxRuntime",
    "tflite": "calexnet.export.tflite:Tflite",
    "openvino": "calexnet.export.openvino:OpenVino",
    "tensorrt": "calexnet.export.tensorrt:TensorRt",
}
#: Likewise, for what only shows whether graphs build: offered to nobody.
CHECKS = {"tensorrt-rtx": "calexnet.export.tensorrt.rtx:TensorRtRtx"}


class Target(ABC):
    """What compiles the portable graphs of a cascade.

    Attributes:
        packages: What it does that with, besides calexnet.
        precisions: Those that it comes at besides full precision.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    precisions: ClassVar[tuple[str, ...]]


class FileTarget(Target):
    """A target whose files run on any machine.

    Attributes:
        as_they_are: Of `precisions`, those at which its runtime takes the full-precision graphs.
    """

    as_they_are: ClassVar[tuple[str, ...]] = ()

    def check(self, graphs: PortableGraphs) -> None:
        """Do nothing if the target can have these, before minutes of work at a narrow precision.

        Raises:
            ExportError: It cannot have one of them.
            RuntimeUnavailableError: One of `packages` is missing.
        """

    @abstractmethod
    def compile(self, graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
        """Write every graph into `folder` of `bundle`; return their records, plain last.

        Args:
            graphs: At full precision or one of `precisions`.
            bundle: The folder that is being written.
            folder: Within it, with forward slashes.

        Raises:
            ExportError: The target cannot have one of the graphs.
            RuntimeUnavailableError: One of `packages` is missing.
        """


class EngineTarget(Target):
    """A target of which an engine runs only where it was built.

    Attributes:
        never_run: Why its engines are not run by calexnet; ``None`` = they are.
    """

    never_run: ClassVar[str | None] = None

    @abstractmethod
    def build(
        self, graphs: PortableGraphs, exit_rates: Sequence[float], settings: EngineSettings
    ) -> tuple[Fingerprint, tuple[bytes, ...]]:
        """Return the engines of `graphs`, plain last, and the fingerprint of where they can run.

        Args:
            graphs: At full precision or one of `precisions`.
            exit_rates: Share of images expected to take each exit.
            settings: The user's.

        Raises:
            RuntimeUnavailableError: What builds them, the driver or the GPU is missing.
            ExportError: It cannot take or build a graph.
            InputError: A setting that it does not have.
        """


def target_of(name: str, precision: str = FULL) -> Target:
    """Return the target `name`.

    Raises:
        InputError: There is none, or it does not come at this precision.
    """
    path = (TARGETS | CHECKS).get(name)
    if path is None:
        raise InputError("unknown target", got=repr(name), expected=f"one of {', '.join(TARGETS)}")
    module, _, kind = path.partition(":")
    found: type[Target] = getattr(import_module(module), kind)
    known = (FULL, *found.precisions)
    if precision not in known:
        raise InputError(
            f"target {name} does not come at this precision",
            got=repr(precision),
            expected=f"one of {', '.join(known)}",
        )
    return found()
