"""How often everything is called, so that the time asked for is kept, and how long it all takes.

Every task gets the same share of a block, but no less than one call that counts, and ahead of short
ones another that does not. Where these alone take too long, as of a large network at large batches,
there are fewer blocks, down to a floor; where even that takes too long the run says so before it
begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Fewest blocks to which a run is cut to keep its time: intervals still rest on ten.
LEAST_BLOCKS = 10
#: A call that takes so long is within a hundredth of what it takes after itself, whatever another
#: task has left in the caches.
LONG_S = 0.04
_STEPS = 60


@dataclass(frozen=True)
class Schedule:
    """How often everything is called.

    Attributes:
        blocks: How many.
        calls: By task, that count in a block.
        task_s: By task, seconds that it takes in all blocks and in one round ahead of them.
        led: By task, whether a call that does not count goes ahead in each block; it does of
            tasks that are not named, as in journals of earlier versions.
    """

    blocks: int
    calls: dict[str, int]
    task_s: dict[str, float]
    led: dict[str, bool] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.task_s.values())


def calls_within(seconds: float, once_s: float) -> int:
    """Return how many calls of a block count if all of its calls take so many seconds.

    At least one; ahead of short ones goes another that is not counted.
    """
    return max(1, round(seconds / once_s) - _leads(once_s))


def _leads(once_s: float) -> int:
    """Return how many calls go ahead that do not count."""
    return 1 if once_s < LONG_S else 0


def schedule(once_s: Mapping[str, float], seconds: float, blocks: int) -> Schedule:
    """Return how often each task is called for all of them to take so many seconds.

    Args:
        once_s: Seconds of a call of each task, with what goes ahead of it.
        seconds: For all blocks, and one round ahead of them that is not counted.
        blocks: As many as there may be.
    """
    least = sum((1 + _leads(once)) * once for once in once_s.values())
    kept = min(blocks, max(LEAST_BLOCKS, int(seconds / least) - 1))
    slot = _slot(once_s, seconds / (kept + 1))
    calls = {name: calls_within(slot, once) for name, once in once_s.items()}
    led = {name: _leads(once) > 0 for name, once in once_s.items()}
    task_s = {name: (kept + 1) * (calls[name] + led[name]) * once for name, once in once_s.items()}
    return Schedule(kept, calls, task_s, led)


def _slot(once_s: Mapping[str, float], block_s: float) -> float:
    """Return the largest share of a block that keeps it within `block_s`, 0 if none does."""
    low, high = 0.0, block_s
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _block_s(once_s, middle) <= block_s else (low, middle)
    return low


def _block_s(once_s: Mapping[str, float], slot: float) -> float:
    return sum((calls_within(slot, once) + _leads(once)) * once for once in once_s.values())


@dataclass(frozen=True)
class Outlook:
    """How long the whole command takes, part by part, in seconds.

    Attributes:
        so_far: Loading, and asking every exit about every image.
        settling: At most.
        timing: All blocks.
        energy: All windows, with the idle ends.
        memory: Processes of their own.
        asked: For the timing.
        blocks: That are timed.
        asked_blocks: That were asked for.
    """

    so_far: float
    settling: float
    timing: float
    energy: float
    memory: float
    asked: float
    blocks: int
    asked_blocks: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.so_far + self.settling + self.timing + self.energy + self.memory

    def words(self) -> str:
        """Return it in a sentence or two."""
        parts = {
            "loading and answering, done": self.so_far,
            "settling, at most": self.settling,
            f"timing {self.blocks} blocks": self.timing,
            "energy": self.energy,
            "memory": self.memory,
        }
        told = ", ".join(f"{what} {duration(s)}" for what, s in parts.items() if s > 0)
        said = f"This takes about {duration(self.seconds)} in all: {told}."
        if self.timing > 1.25 * self.asked:
            said += (
                f" That is more than the {duration(self.asked)} of --seconds: single calls are so "
                "slow. Fewer or smaller batches (--batch), one target (--target) or one --threads "
                "setting shorten it."
            )
        elif self.blocks < self.asked_blocks:
            said += f" {self.asked_blocks} blocks would take longer than --seconds."
        return said


def duration(seconds: float) -> str:
    """Return ``45 s``, ``3 min`` or ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
