"""A segment that is opened when the first sample gets there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.engines.once import Once


class LazyEngine(Engine):
    """An engine whose tensors are known and whose graph is not opened yet.

    Threads that get there together wait for one of them to open it. If that fails, the batch is
    told why, and the next one tries again.

    Args:
        target: Name of the runtime.
        record: What the manifest says of it.
        make: Reads, checks and opens it.
        provider: The runtime's back end that it is going to be on.
    """

    def __init__(
        self, target: str, record: GraphRecord, make: Callable[[], Engine], provider: str
    ) -> None:
        super().__init__(record)
        self.target, self.provider = target, provider
        self._made = Once(make)

    def opened(self) -> Engine:
        """See `Engine`."""
        return self._made()

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """See `Engine`."""
        return self.opened().bind(feeds, outputs)

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return self.opened().run(feeds, outputs)
