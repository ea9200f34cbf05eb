"""What a report holds of memory: the peak of a process that runs one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: `cascade` is what ``calexnet.load`` gives an app, `plain` the backbone's own engine alone.
Network = Literal["plain", "cascade"]
NETWORKS: tuple[Network, ...] = ("plain", "cascade")


@dataclass(frozen=True)
class Failure:
    """Why a process gave no figure.

    Attributes:
        kind: It said so itself, it ended without a word, it took too long, or it did not start.
        message: What the process or the system said.
        value: The exit code, or the seconds that it was given.
    """

    kind: Literal["said", "ended", "too long", "not started"]
    message: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class MemoryRow:
    """Peak memory of one process: load a network, answer one batch twice, nobody leaving early.

    It holds the interpreter, numpy, the runtime's library, the bundle's files while they are
    checked, weights as the runtime keeps them, and all tensors of the batch. It is resident host
    memory, pages shared with other processes included; a GPU's own memory is not in it.

    Attributes:
        target: Of the bundle.
        precision: Of the bundle.
        network: What was loaded.
        batch: Samples a call.
        threads: Within an operator.
        peak_bytes: At most; ``None`` if it is not known.
        before_bytes: The peak so far before the bundle was opened, its runtime imported already.
        failure: Why it is not known.
    """

    target: str
    precision: str
    network: Network
    batch: int
    threads: int
    peak_bytes: int | None
    before_bytes: int | None
    failure: Failure | None
