"""What a report holds of the machine while it was measured, and which of its claims stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from calexnet.bench.report.task import Task

#: What a report claims: what to ship, how many times as long one network takes as another, how
#: many ms, the ms that so many calls keep, and joules.
Claim = Literal["verdict", "ratio", "time", "percentile", "energy"]
CLAIMS: tuple[Claim, ...] = get_args(Claim)

#: See `calexnet.bench.model.validity`.
Rule = Literal[
    "emulated processor",
    "throttling",
    "quota",
    "foreign process",
    "foreign load",
    "stolen time",
    "clocks",
    "drift",
    "unsteady pace",
    "not settled",
]


@dataclass(frozen=True)
class Span:
    """The lowest and the highest that was seen."""

    low: float
    high: float


@dataclass(frozen=True)
class Conditions:
    """How the machine was while it was measured.

    Attributes:
        looks: How often it was looked at between blocks.
        clocks_mhz: Of each clock, the lowest and highest seen at work.
        governors: Who chooses each clock.
        hottest_c: Of any sensor, at any look.
        slowed_down: Why it was, at any time.
        foreign: Other processes that used the device.
        foreign_share: Of the cores' time that other processes used; ``None`` if unknown.
        steal_share: Of the cores' time that the host of a virtual machine took; ``None`` likewise.
        emulated: Family of the real processor where the one that answers is an emulator's.
        quota_cores: How many cores the process's control group may keep busy; ``None`` = all.
        quota_periods: In how many periods that held the process back; ``None`` if unknown.
    """

    looks: int
    clocks_mhz: dict[str, Span]
    governors: dict[str, str]
    hottest_c: float | None
    slowed_down: tuple[str, ...]
    foreign: tuple[str, ...]
    foreign_share: float | None
    steal_share: float | None
    emulated: str | None = None
    quota_cores: float | None = None
    quota_periods: int | None = None


@dataclass(frozen=True)
class Breach:
    """A rule that the run broke.

    Attributes:
        rule: Which.
        value: What was found, in the rule's own unit; ``None`` where it is no number.
        limit: What would have been allowed; ``None`` likewise.
        voids: What the report may not claim for it.
        what: The clock, process or reason that it is about, or the name of a piece; empty if it is
            the machine.
        threads: The setting that it is about; ``None`` if it is all.
        task: What had not settled; ``None`` where an older version did not record it.
    """

    rule: Rule
    value: float | None
    limit: float | None
    voids: tuple[Claim, ...]
    what: str = ""
    threads: int | None = None
    task: Task | None = None


@dataclass(frozen=True)
class Validity:
    """Which claims stand.

    Attributes:
        allowed: ``--allow-unstable``: the user keeps the others too, whatever they are worth.
        breaches: Rule by rule.
        conditions: Of the machine.
        drift: By threads, how much slower the last quarter of the blocks was than the first.
        swing: By threads, how much slower the slowest block was than the fastest.
        effective_blocks: By threads, how many independent blocks tell as much as those timed.
    """

    allowed: bool
    breaches: tuple[Breach, ...]
    conditions: Conditions
    drift: dict[str, float]
    swing: dict[str, float]
    effective_blocks: dict[str, float]

    @property
    def valid(self) -> bool:
        """Whether no rule was broken."""
        return not self.breaches

    def stands(self, claim: Claim) -> bool:
        """Tell whether no breach voids a claim."""
        return claim not in self.fallen

    def counts(self, claim: Claim) -> bool:
        """Tell whether a claim stands, or the user keeps it anyway."""
        return self.allowed or self.stands(claim)

    @property
    def fallen(self) -> tuple[Claim, ...]:
        """The claims that do not stand, in their own order."""
        return fallen(self.breaches)


def fallen(breaches: Iterable[Breach]) -> tuple[Claim, ...]:
    """Return the claims that any of `breaches` voids, in their own order."""
    void = {claim for breach in breaches for claim in breach.voids}
    return tuple(claim for claim in CLAIMS if claim in void)
