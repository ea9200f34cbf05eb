"""What is timed: a network, or a part of its work, at one setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What runs: the bundle's backbone, its cascade in segments or as one graph, the network cut after
#: a stage, or another network beside them.
Network = Literal["plain", "cascade", "one file", "cut", "rival"]


@dataclass(frozen=True)
class Setting:
    """By what a network is run.

    Attributes:
        target: Its runtime.
        precision: Of its numbers.
        batch: Samples a call.
        threads: Within an operator.
    """

    target: str
    precision: str
    batch: int = 1
    threads: int = 1

    def __str__(self) -> str:
        """Return it as people say it."""
        return f"{self.target} {self.precision}, batch {self.batch}, threads {self.threads}"


@dataclass(frozen=True)
class Task:
    """What is timed under one name.

    Attributes:
        setting: By what it is run.
        network: What runs.
        exit: By which all of its images leave, from 1, or after which it is cut; ``None``: they
            leave as they do.
        half: Only half of them leave there, the others at the next one.
        name: Of the operating point where it is not the default, or of the rival.
    """

    setting: Setting
    network: Network
    exit: int | None = None
    half: bool = False
    name: str = ""

    @property
    def what(self) -> str:
        """What runs, as a report's samples name it: ``exit2``, ``point margin-0``, or a rival."""
        if self.network == "rival":
            return self.name
        if self.network == "cut" or self.half:
            return f"{'half' if self.half else 'cut'}{self.exit}"
        whole = "" if self.network == "cascade" else f"{self.network} "
        if self.exit is not None:
            return f"{whole}exit{self.exit}"
        return f"point {self.name}" if self.name else self.network

    @property
    def key(self) -> str:
        """The name of its times among all that were taken on as many threads."""
        build = "rival" if self.network == "rival" else self.build
        return f"{build} {self.what}@{self.setting.batch}"

    @property
    def build(self) -> str:
        """Target and precision."""
        return f"{self.setting.target} {self.setting.precision}"
