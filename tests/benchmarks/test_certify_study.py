"""The study of certificates simulates what it says, and tests as certificates are made."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import certify_study as study
from calexnet.certify import Candidate, Counts, certify, noninferiority


def test_the_candidates_have_the_shares_they_say() -> None:
    harmed, helped = study.drawn(study.SETUPS[2], 0.01, 2000, np.random.default_rng(0))

    assert harmed.shape == (study.RUNS, 28)
    expected = 2000 * np.array(study.HELPED * 4)
    assert helped.mean(0) == pytest.approx(expected, rel=0.05)
    assert harmed.mean(0) == pytest.approx(expected + 20, rel=0.03)


def test_points_are_nested_and_builds_mostly_agree() -> None:
    harmed, _ = study.drawn(study.SETUPS[2], 0.01, 2000, np.random.default_rng(0))

    assert (np.diff(harmed[:, :7], axis=1) >= 0).all()
    builds = np.corrcoef(harmed[:, 6], harmed[:, 13])[0, 1]
    assert builds == pytest.approx(0.9, abs=0.03)


@pytest.mark.slow
def test_a_simulated_chain_certifies_what_certify_does() -> None:
    rng = np.random.default_rng(3)
    setup = study.SETUPS[1]
    parts = [study.drawn(setup, 0.002, images, rng) for images in (400, 600)]
    calibration, test = (np.stack(part, axis=2)[:8] for part in parts)
    limits = noninferiority.score_limits(400, calibration[..., 0], calibration[..., 1], study.ALPHA)
    sure = noninferiority.certified(600, study.MAX_DROP, study.ALPHA).contains(
        test[..., 0], test[..., 1]
    )
    passed = study.chain(sure, np.argsort(limits, axis=1, kind="stable"))

    for run in range(8):
        candidates = [
            Candidate(
                str(point),
                Counts(400, *calibration[run, point].tolist()),
                Counts(600, *test[run, point].tolist()),
            )
            for point in range(7)
        ]
        assert len(certify(candidates, study.MAX_DROP).passed) == passed[run].sum()
    assert 0 < passed.sum() < passed.size


def test_a_wrong_certificate_too_often_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "IMAGES", (200,))
    monkeypatch.setattr(study, "SETUPS", study.SETUPS[:1])
    monkeypatch.setattr(study, "RUNS", 200)
    monkeypatch.setattr(study, "CLIPS", ((40, 5),))
    assert study.main() == 0
    assert "one point, at most, exactly | 200 | 4." in capsys.readouterr().out
    monkeypatch.setattr(study, "BAD", (0.002,))
    assert study.main() == 1
    assert "TOO OFTEN WRONG" in capsys.readouterr().out
