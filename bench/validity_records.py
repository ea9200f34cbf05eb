"""What a report holds of the machine while it was measured, and whether the numbers count."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    looks: int
    clocks_mhz: dict[str, Span]
    governors: dict[str, str]
    hottest_c: float | None
    slowed_down: tuple[str, ...]
    foreign: tuple[str, ...]
    foreign_share: float | None
    steal_share: float | None


@dataclass(frozen=True)
class Breach:
    """A rule that the run broke: what was found, and what would have been allowed."""

    rule: str
    found: str
    limit: str


@dataclass(frozen=True)
class Validity:
    """Whether the numbers count.

    Attributes:
        valid: No rule was broken.
        allowed: ``--allow-unstable``: the user keeps them whatever they are worth.
        breaches: Rule by rule.
        conditions: Of the machine.
        drift: By threads, how much slower the last quarter of the blocks was than the first.
        swing: By threads, how much slower the slowest block was than the fastest.
        effective_blocks: By threads, how many independent blocks tell as much as those timed.
    """

    valid: bool
    allowed: bool
    breaches: tuple[Breach, ...]
    conditions: Conditions
    drift: dict[str, float]
    swing: dict[str, float]
    effective_blocks: dict[str, float]

    @property
    def counts(self) -> bool:
        """Whether the numbers may decide: no rule was broken, or the user keeps them anyway."""
        return self.valid or self.allowed
