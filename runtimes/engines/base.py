"""The contract of an engine: one compiled segment, loaded by one runtime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import CalexnetError, EngineError
from calexnet.manifest import GraphRecord, TensorRecord

Array = NDArray[Any]

#: What a graph answers, in the order in which the runner asks; other outputs are carried on.
ANSWER = ("label", "score", "exit", "probabilities")


class Signature(NamedTuple):
    """What a file that calexnet did not write takes and gives; open dimensions are words."""

    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


class Engine(ABC):
    """One segment, ready to run. Safe to share between threads.

    An engine knows nothing of the segments around it; the runner alone compacts.

    Attributes:
        record: What the manifest says of it.
        provider: The runtime's back end that it is on.
    """

    #: Name of the runtime.
    target: str
    provider = "cpu"

    def __init__(self, record: GraphRecord) -> None:
        self.record = record

    def opened(self) -> Engine:
        """Return the runtime's own engine: this one, unless it is to be opened when needed.

        Raises:
            CalexnetError: It cannot be opened.
        """
        return self

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Return the named `outputs` for one batch of at least one sample.

        Args:
            feeds: An array for every input; C-contiguous, of the recorded dtype.
            outputs: Names of the outputs to compute.

        Raises:
            EngineError: The runtime failed; the engine stays usable.
        """
        try:
            return self._run(feeds, outputs)
        except CalexnetError:
            raise
        except Exception as problem:  # each runtime has its own kinds
            shapes = {name: np.shape(array) for name, array in feeds.items()}
            raise self.failure(problem, shapes) from problem

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Return a call that reads `feeds` and writes `outputs` where they lie, to be repeated.

        Not to be shared between threads. It raises what the runtime raises; `failure` explains.
        """

        def call() -> None:
            for array, value in zip(outputs.values(), self._run(feeds, [*outputs]), strict=True):
                array[...] = value

        return call

    def failure(self, problem: Exception, shapes: Mapping[str, tuple[int, ...]]) -> EngineError:
        """Return the error that says where the runtime failed and for inputs of which shapes."""
        sizes = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        return EngineError(
            f"{self.target} failed in {self.record.name}",
            got=f"{str(problem).strip()} for {sizes}",
            fix="The runner stays usable; try a smaller batch if memory is short",
        )

    @abstractmethod
    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Do what `run` says, raising whatever the runtime raises."""
