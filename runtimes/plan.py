"""When gathering survivors pays: a plan, of times measured on one device.

Without a plan survivors are always gathered. That is right where a segment costs much more than
copying its input; in small networks, with few leaving, running on with all is faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.files import jsontext, schema, selfhash
from calexnet.manifest import SEGMENTS, Compiled

#: No plan is measured at more samples than this; times are kept for every count up to the last.
MOST_BATCH = 2**20

_MEASURE = "Measure one with what it is to be used with: calexnet.runtimes.measure"


@dataclass(frozen=True)
class Stamp:
    """What a plan was measured with, and is good for.

    Attributes:
        bundle: SHA-256 of its manifest.
        target: Of the build.
        precision: Likewise.
        threads: Within an operator.
        runtime: Name and version.
    """

    bundle: str
    target: str
    precision: str
    threads: int
    runtime: str

    def __str__(self) -> str:
        """Return it in words."""
        word = "thread" if self.threads == 1 else "threads"
        return (
            f"{self.target} {self.precision} of bundle {self.bundle[:12]}..., "
            f"{self.threads} {word}, {self.runtime}"
        )


@dataclass(frozen=True)
class Plan:
    """What segments and gathering cost on one device, for one build and number of threads.

    Attributes:
        times: Of every segment over batch sizes, as ``calexnet-bench`` measures them too.
        gather_ms: ms to gather one sample's tensors before each segment; 0 for the first.
        stamp: What it was measured with; ``None`` = its user vouches for it.
    """

    times: SegmentTimes
    gather_ms: tuple[float, ...]
    stamp: Stamp | None = None

    def __post_init__(self) -> None:
        """Check that both speak of the same segments.

        Raises:
            InputError: They do not, a time is no number, or sizes do not rise from 1.
        """
        sizes = np.array((0, *self.times.batches))
        if sizes.dtype.kind != "i" or len(sizes) < 2 or (np.diff(sizes) < 1).any() or sizes[1] > 1:
            raise InputError(
                "the plan cannot be used",
                got=f"batch sizes {', '.join(map(str, self.times.batches))}",
                expected="sizes that rise from 1",
            )
        if sizes[-1] > MOST_BATCH:
            raise InputError(
                "the plan cannot be used",
                got=f"times at a batch of {sizes[-1]}",
                expected=f"at most {MOST_BATCH}",
            )
        rows, wanted = [len(row) for row in self.times.call_ms], len(self.times.batches)
        numbers = [ms for row in (*self.times.call_ms, self.gather_ms) for ms in row]
        if rows != [wanted] * len(self.gather_ms) or not np.isfinite(numbers).all():
            raise InputError(
                "the plan cannot be used",
                got=f"{len(self.gather_ms)} gather times for segments measured at {rows} sizes",
                expected=f"one a segment, and numbers at {wanted} sizes each",
            )

    @property
    def segments(self) -> int:
        """Of how many segments it speaks."""
        return len(self.gather_ms)

    def refuse_elsewhere(self, build: Compiled, here: Stamp | None) -> None:
        """Do nothing if the plan is good for `build`, run as `here` says.

        Raises:
            InputError: It is not.
        """
        if build.layout != SEGMENTS:
            raise InputError(
                "a plan is for segments", got=f"layout {build.layout}", fix="Leave out the plan"
            )
        if here is not None and self.stamp not in (None, here):
            raise InputError(
                "the plan was measured with something else",
                got=self.stamp,
                expected=str(here),
                fix=_MEASURE,
            )
        if self.segments != len(build.segments):
            raise InputError(
                "the plan is of another cascade",
                got=f"{self.segments} segments",
                expected=str(len(build.segments)),
                fix=_MEASURE,
            )

    def gathers(self, segment: int, rows: int, left: int) -> bool:
        """Return whether to gather `left` of `rows` samples before `segment`, counted from 0.

        Only this segment counts: before the next one it can still be done, for no more than now.
        Beyond the measured sizes always.
        """
        if rows >= len(self._call_ms[segment]):
            return True
        call_ms = self._call_ms[segment]
        return bool(call_ms[left] + left * self.gather_ms[segment] < call_ms[rows])

    @cached_property
    def _call_ms(self) -> list[NDArray[np.float64]]:
        """Times at every count of samples from 0 up, linear between the measured ones."""
        counts, sizes = np.arange(self.times.batches[-1] + 1), self.times.batches
        return [np.interp(counts, (0, *sizes), (0.0, *row)) for row in self.times.call_ms]

    def to_json(self) -> str:
        """Return it as text, to be kept beside an app's settings: it holds for one device.

        Like a manifest it carries its own hash (`calexnet.files.selfhash`).
        """
        return selfhash.signed(schema.encode(self), indent=None).decode()

    @staticmethod
    def from_json(text: str) -> Plan:
        """Return what `to_json` wrote.

        Raises:
            InputError: It is not that, or was altered.
        """
        try:
            document = jsontext.parse(text)
            if isinstance(document, dict):
                _, document = selfhash.verified(text.strip().encode(), document, bare=True)
            plan: Plan = schema.decode(Plan, document)
        except (TypeError, ValueError, AttributeError) as problem:
            raise InputError(
                "this is no plan", got=problem, fix="Measure one with calexnet.runtimes.measure"
            ) from problem
        return plan
