"""What to measure, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.timing import Load
from calexnet.bench.model.statistics import MIN_BLOCKS
from calexnet.devices.power_csv import PowerCsv
from calexnet.errors import InputError

#: Most images of a call: beyond these no app goes, and a test part repeats itself.
MOST_IMAGES = 4096


@dataclass(frozen=True)
class BenchPlan:
    """What to measure.

    Attributes:
        batches: Batch sizes for the tables.
        threads: Thread settings.
        blocks: Interleaved blocks, at most.
        seconds: For all that is timed; there are fewer blocks where these would take longer.
        all_samples: Measure on every sample; the user vouches that none was trained on.
        target: ``None`` = all that work here.
        precision: ``None`` = all.
        provider: The back end of the one target, ``None`` = its usual one.
        operating_point: ``None`` = the bundle's default.
        rivals: Other networks to set beside: files, or bundles.
        max_drop: Share of accuracy that what is shipped may lose, 0..1.
        load: How calls arrive.
        settle_s: How long to wait at most for a machine that cools down or warms up.
        memory: Measure peak memory, in processes of their own.
        allow_unstable: Keep the numbers of a run that breaks the rules.
        seed: Of the order of images and blocks.
        command: For the record.
        energy: How energy is measured.
        power_csv: An external meter's log to measure it with.
        power_volts: Of the supply, for a meter that logs current alone.
        cpu_tdp_w: The processor's rated power, for an estimate beside.
    """

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    blocks: int = 40
    seconds: float = 40.0
    all_samples: bool = False
    target: str | None = None
    precision: str | None = None
    provider: str | None = None
    operating_point: str | None = None
    rivals: tuple[Path, ...] = ()
    max_drop: float = 0.01
    load: Load = field(default_factory=Load)
    settle_s: float = 0.0
    memory: bool = True
    allow_unstable: bool = False
    seed: int = 0
    command: str = ""
    energy: EnergyPlan = field(default_factory=EnergyPlan)
    power_csv: Path | None = None
    power_volts: float | None = None
    cpu_tdp_w: float | None = None

    def __post_init__(self) -> None:
        """Check that there is something to measure.

        Raises:
            InputError: There is not.
        """
        for name, sizes in (("batches", self.batches), ("threads", self.threads)):
            if min(sizes, default=0) < 1:
                raise InputError(f"{name} cannot be used", got=sizes, expected="numbers from 1 up")
        if self.provider is not None and self.target is None:
            raise InputError(
                "a provider is one target's", got=repr(self.provider), fix="Name it with --target"
            )
        if self.blocks < MIN_BLOCKS:
            raise InputError(
                "blocks cannot be used", got=self.blocks, expected=f"at least {MIN_BLOCKS}"
            )
        if not 0 < self.seconds < np.inf:
            raise InputError("seconds cannot be used", got=self.seconds, expected="over 0")
        if not 0 <= self.max_drop <= 1:
            raise InputError(
                "the accuracy that may be lost cannot be used",
                got=f"{100 * self.max_drop:g} points",
                expected="0 to 100 points",
            )
        if not 0 <= self.settle_s < np.inf:
            raise InputError(
                "the time to settle cannot be used",
                got=f"{self.settle_s:g} s",
                expected="0 s = do not wait, or more",
            )
        if max(self.batches) > MOST_IMAGES:
            raise InputError(
                "batches cannot be used",
                got=f"{max(self.batches)} images a call",
                expected=f"at most {MOST_IMAGES}",
            )
        if self.seed < 0:
            raise InputError("the seed cannot be used", got=self.seed, expected="at least 0")
        if self.energy.windows != 0 and self.energy.windows < MIN_BLOCKS:
            raise InputError(
                "energy windows cannot be used",
                got=self.energy.windows,
                expected=f"0 = none, or at least {MIN_BLOCKS}",
            )
        if not 0 < self.energy.window_s < np.inf:
            raise InputError(
                "energy seconds cannot be used", got=self.energy.window_s, expected="over 0"
            )
        self._check_power_log()
        if self.cpu_tdp_w is not None and not 0 < self.cpu_tdp_w < np.inf:
            raise InputError("the rated power cannot be used", got=self.cpu_tdp_w, expected="watts")

    def _check_power_log(self) -> None:
        """Refuse a meter's log before the run rather than after it."""
        if self.power_volts is not None and (
            self.power_csv is None or not 0 < self.power_volts < np.inf
        ):
            raise InputError(
                "the supply's volts cannot be used",
                got=self.power_volts,
                expected="volts, beside --power-csv FILE",
            )
        if self.power_csv is not None:
            PowerCsv(self.power_csv, self.power_volts)

    @property
    def grid(self) -> tuple[int, ...]:
        """The batch sizes to time: those asked for, and powers of two for survivors."""
        most = max(self.batches)
        powers = {2**k for k in range(most.bit_length()) if 2**k <= most}
        return tuple(sorted(powers | set(self.batches)))
