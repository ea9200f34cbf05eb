"""The contract of an engine: whatever a runtime raises becomes one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from calexnet.errors import EngineError
from calexnet.manifest import FileRecord, GraphRecord
from calexnet.runtimes.engines.base import Array, Engine

RECORD = GraphRecord("segment2", FileRecord("a.onnx", "0" * 64, 1), (), (), None)
FEEDS = {"layer1": np.zeros((2, 4), np.float32), "threshold": np.zeros(3, np.float32)}


class Stub(Engine):
    target = "stub"

    def __init__(self, problem: BaseException | None = None) -> None:
        super().__init__(RECORD)
        self._problem = problem

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        if self._problem is not None:
            raise self._problem
        return [feeds[name] for name in outputs]


def test_what_the_runtime_answers_is_passed_on() -> None:
    assert FEEDS["layer1"] is Stub().run(FEEDS, ["layer1"])[0]
    assert RECORD == Stub().record


def test_what_the_runtime_raises_names_the_segment_and_what_it_was_given() -> None:
    problem = ValueError(" bad input \n")

    with pytest.raises(EngineError) as caught:
        Stub(problem).run(FEEDS, ["layer1"])

    assert (
        "stub failed in segment2: got bad input for layer1 (2, 4), threshold (3,). The runner "
        "stays usable; try a smaller batch if memory is short."
    ) == str(caught.value)
    assert problem is caught.value.__cause__


@pytest.mark.parametrize("problem", [EngineError("as it is"), KeyboardInterrupt(), SystemExit(3)])
def test_our_own_error_and_an_interrupt_pass_unchanged(problem: BaseException) -> None:
    with pytest.raises(type(problem)) as caught:
        Stub(problem).run(FEEDS, ["layer1"])

    assert problem is caught.value


def test_an_engine_has_to_say_how_it_runs() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Engine(RECORD)  # type: ignore[abstract]
