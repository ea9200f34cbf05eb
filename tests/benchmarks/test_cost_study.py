"""The study of predicted costs: its arithmetic, and that it runs. Nothing is said of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import cost_study as study
from benchmarks.networks import Network
from calexnet.bench.costs.opened import OpenedBuild
from calexnet.bench.costs.prediction import Costs
from calexnet.bench.report.task import Setting
from calexnet.export.pool.document import Span, open_pool
from tests.support.sample_board import board

NETWORK = Network("tints", "resnet8", ("layer1", "layer2"), 8, 8)


def test_candidates_are_cascades_with_someone_at_every_exit() -> None:
    found = study.candidates(study.NETWORK, 20)

    assert 20 == len(found)
    for one in found:
        assert [None, *(span.stop for span in one.chain[:-1])] == [s.start for s in one.chain]
        assert None is one.chain[-1].stop
        assert 1.0 == pytest.approx(sum(one.rates))
        counts = [rate * study.IMAGES for rate in one.rates]
        assert [max(1, round(count)) for count in counts] == pytest.approx(counts)
        assert len(one.rates) == len(one.chain)


def test_images_leave_by_the_shares_asked_for(small_pool: Path) -> None:
    opened = OpenedBuild(open_pool(small_pool), "onnxruntime", "fp32").networks["tints"]
    one = study.Candidate(study.chain_of(NETWORK, (0, 1)), (0.25, 0.05, 0.7))
    task = study.walk(opened, one, blocks=2, seed=0)

    for block in range(2):
        exits = [int(call().exits[0]) for call in task.calls(block)]  # type: ignore[attr-defined]
        assert [5, 1, 14] == list(np.bincount(exits)[1:])
    assert exits != sorted(exits)


def test_a_candidate_beside_what_is_foretold() -> None:
    """Half leave at once: (2 + 3) / 2 for the first piece, warm or cold, and half of 4."""
    first, tail, whole = Span("n", None, "a", "h"), Span("n", "a"), Span("n")
    times = {(first, 1): (2.0, 3.0), (tail, 1): (4.0, 5.0)}
    weights = {first: 1, tail: 9, whole: 10}
    costs = Costs(board(times), Setting("onnxruntime", "fp32"), weights, whole)

    found = study.outcome(costs, study.Candidate((first, tail), (0.5, 0.5)), 5.0)

    assert (4.5, 4.0, 5.5) == pytest.approx((found.foretold_ms, found.warm_ms, found.cold_ms))
    assert -0.1 == pytest.approx(found.error())
    assert 0.1 == pytest.approx(found.error(found.cold_ms))
    lines = study.table([found]).splitlines()
    assert "foretold: median error 10.0%, largest 10.0%" in lines
    assert "goal: median at most 3%, largest at most 10%: missed" == lines[-1]


def test_it_runs(small_pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = study.candidates(NETWORK, 2)

    outcomes = study.study(open_pool(small_pool), NETWORK, found, 2)

    assert found == [one.candidate for one in outcomes]
    assert all(one.measured_ms > 0 and one.foretold_ms > 0 for one in outcomes)
    assert "other processes used" in capsys.readouterr().out
