"""What each segment of a cascade takes and gives, worked out once from the graphs' own tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from calexnet.manifest import TensorRecord
from calexnet.runtimes.engines.base import ANSWER, Engine


@dataclass(frozen=True)
class Step:
    """One segment as the runner drives it.

    Attributes:
        engine: The segment.
        takes: Tensors that it reads, its threshold apart.
        gives: Tensors that it hands on.
        keeps: Tensors that exist after it and that a later segment reads.
    """

    engine: Engine
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    keeps: tuple[str, ...]

    @cached_property
    def tensors(self) -> dict[str, TensorRecord]:
        """Its inputs and outputs by name."""
        record = self.engine.record
        return {tensor.name: tensor for tensor in (*record.inputs, *record.outputs)}

    @property
    def has_gate(self) -> bool:
        """Whether it has a threshold and an exit; of the tail and of plain, everyone leaves."""
        return "exit" in self.tensors

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """Label, score and, with a gate, exit."""
        return tuple(n for n in ANSWER if n in self.tensors and n != "probabilities")

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it is asked for in any case: `gives`, then `answers`."""
        return (*self.gives, *self.answers)

    def shape(self, name: str, rows: int) -> tuple[int, ...]:
        """Return the shape of one of its tensors for so many samples."""
        return tuple(rows if isinstance(d, str) else d for d in self.tensors[name].shape)


def steps_of(engines: Sequence[Engine]) -> tuple[Step, ...]:
    """Return the steps of a cascade, or of the plain backbone as a cascade of one."""
    takes = [
        tuple(t.name for t in engine.record.inputs if t.name != "threshold") for engine in engines
    ]
    steps, made = [], ["image"]
    for index, engine in enumerate(engines):
        gives = tuple(t.name for t in engine.record.outputs if t.name not in ANSWER)
        made += gives
        later = {name for names in takes[index + 1 :] for name in names}
        keeps = tuple(name for name in made if name in later)
        steps.append(Step(engine, takes[index], gives, keeps))
    return tuple(steps)
