"""The contract of a runtime: how engines of one target are opened and run here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from calexnet.manifest import Fingerprint, GraphRecord
from calexnet.runtimes.engines.base import Engine, Signature
from calexnet.runtimes.engines.cache import GraphCache
from calexnet.runtimes.lanes.lane import Lane


class Runtime(ABC):
    """What runs the engines of a target. A variant has no state, so one is as good as another.

    Attributes:
        lane: Where the tensors of a batch live.
        lazy: Whether that lane can do with segments that are not opened yet.
        keeps: Whether graphs as it has optimised them can be kept; it then has `load_kept`.
    """

    lane: ClassVar[type[Lane]]
    lazy: ClassVar[bool] = False
    keeps: ClassVar[bool] = False

    def at(self, precision: str) -> Runtime:
        """Return what runs builds at `precision`: this one, where their files say it all."""
        return self

    @abstractmethod
    def require(self) -> None:
        """Do nothing if the runtime can be used here.

        Raises:
            RuntimeUnavailableError: It cannot; the message says what to install.
        """

    @abstractmethod
    def packages(self) -> tuple[str, ...]:
        """Return the packages that run engines here."""

    @abstractmethod
    def version(self) -> str:
        """Return name and version of the runtime."""

    @abstractmethod
    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> Engine:
        """Return an engine from a file's bytes.

        Args:
            record: What the manifest says of it.
            data: The file's content, already checked.
            provider: The runtime's back end, ``None`` = its default.
            threads: Within an operator, ``None`` = all cores.

        Raises:
            InputError: Unknown provider.
            BundleError: The runtime refuses the file.
            RuntimeUnavailableError: The provider does not work here.
        """

    def load_kept(
        self,
        record: GraphRecord,
        read: Callable[[], bytes],
        cache: GraphCache,
        *,
        threads: int | None,
    ) -> Engine:
        """Return an engine on the processor from the graph that `cache` keeps, optimised already.

        If it keeps none, or none that opens, the bundle's own is opened, and kept if that is
        possible.

        Args:
            record: What the manifest says of it.
            read: Gives the file's content, checked.
            cache: For this bundle, runtime and processor.
            threads: Within an operator, ``None`` = all cores.

        Raises:
            BundleError: The file was changed, or the runtime refuses it.
        """
        raise TypeError(f"{type(self).__name__} keeps no graphs")

    def check(self, built: Fingerprint, rebuild: str) -> None:  # noqa: B027  (most run anywhere)
        """Do nothing if engines with the fingerprint `built` may be opened here.

        Args:
            built: Of the engines.
            rebuild: The command that builds them again.

        Raises:
            RuntimeUnavailableError: They are of another GPU, driver or runtime.
        """

    def signature(self, data: bytes) -> Signature:
        """Return the inputs and outputs of a file that calexnet did not write.

        Raises:
            Exception: The runtime refuses the file; each has its own kinds.
        """
        raise TypeError(f"{type(self).__name__} reads nothing but engines of calexnet")
