"""What to ship, case by case."""

# The expected value comes first in every comparison.
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.decision import decide, eligible
from calexnet.bench.decision_records import Alternative, Decision, Kind
from calexnet.bench.interval import Interval
from calexnet.bench.verdict import reasons, sentence
from tests.bench.sample_report import UNSETTLED, VALIDITY

TOLERANCE = 0.01
NOISE = 0.05


def network(kind: Kind, ms: float, drop: float = 0.0, unsure: float = 0.0) -> Alternative:
    loss = Interval(drop, drop - unsure, drop + unsure)
    return Alternative(
        name=f"the {kind} at {ms:g}",
        kind=kind,
        target="onnxruntime",
        precision="fp32",
        operating_point=None,
        accuracy=Interval(0.9 - drop, 0.8, 1.0),
        drop=loss,
        ms=ms,
        ratio=Interval(ms / 20, ms / 20, ms / 20),
        eligible=eligible(loss, TOLERANCE),
    )


def found(*networks: Alternative) -> Decision:
    times = {one.name: one.ms for one in networks}

    def ratio(over: str, under: str) -> Interval:
        value = times[over] / times[under]
        return Interval(value, value * (1 - NOISE), value * (1 + NOISE))

    return decide(networks, ratio, TOLERANCE)


PLAIN = network("plain", 20.0)


@pytest.mark.parametrize(
    ("others", "choice", "name"),
    [
        ([network("cascade", 12.0)], "cascade", "the cascade at 12"),
        ([network("cascade", 30.0)], "plain", "the plain at 20"),
        ([network("cascade", 19.5)], "unclear", "the cascade at 19.5"),
        ([network("cascade", 12.0, drop=0.05)], "plain", "the plain at 20"),
        ([network("cascade", 12.0, drop=0.008, unsure=0.004)], "unclear", "the plain at 20"),
        ([network("cascade", 30.0, drop=0.008, unsure=0.004)], "plain", "the plain at 20"),
        (
            [network("cascade", 12.0), network("smaller model", 8.0)],
            "smaller model",
            "the smaller model at 8",
        ),
        (
            [network("cascade", 12.0), network("smaller model", 8.0, drop=0.03)],
            "cascade",
            "the cascade at 12",
        ),
        (
            [network("cascade", 12.0), network("cascade", 9.0, drop=0.008, unsure=0.004)],
            "cascade",
            "the cascade at 12",
        ),
        # Two operating points are of one kind: which of them is no doubt about what to ship.
        ([network("cascade", 12.0), network("cascade", 12.1)], "cascade", "the cascade at 12"),
        ([network("plain", 11.9), network("cascade", 12.0)], "unclear", "the plain at 11.9"),
    ],
)
def test_the_fastest_that_keeps_the_accuracy_is_shipped_if_it_is_clear(
    others: list[Alternative], choice: str, name: str
) -> None:
    decision = found(PLAIN, *others)

    assert (choice, name) == (decision.choice, decision.name)


def test_the_reasons_hold_the_numbers_that_decide() -> None:
    lossy, doubtful = network("cascade", 9.0, 0.05), network("smaller model", 8.0, 0.012, 0.004)

    networks = PLAIN, network("cascade", 12.0, 0.002), lossy, doubtful

    decision = found(*networks)

    assert (doubtful.name, lossy.name) == (decision.doubt, decision.lossy)
    assert (
        "The cascade at 12 takes 12.0 ms an image and loses 0.2 points (0.2 to 0.2); less than "
        "the plain at 20 at 20.0 ms: ratio 0.600 (0.570 to 0.630).",
        "The smaller model the smaller model at 8 would be faster still, 8.00 against 12.0 ms, but "
        "whether it keeps the accuracy is not sure: it loses 1.2 points (0.8 to 1.6), and at most "
        "1 point may be lost. More test images would tell.",
        "The cascade at 9 is faster at 9.00 ms, but loses 5.0 points, more than 1 point.",
    ) == reasons(decision, networks)
    assert "the plain at 20" == decision.against


def test_a_network_alone_of_its_kind_wins_without_a_ratio() -> None:
    decision = found(PLAIN)

    assert ("plain", None, None) == (decision.choice, decision.against, decision.ratio)
    assert reasons(decision, (PLAIN,)) == (
        "The plain at 20 takes 20.0 ms an image and is the reference for accuracy; no network of "
        "another kind keeps the accuracy.",
    )


def test_what_answers_as_the_reference_does_is_said_to() -> None:
    networks = PLAIN, network("cascade", 12.0)

    said = reasons(found(*networks), networks)[0]

    assert "12.0 ms an image and answers every image as the reference does" in said


def test_a_gain_is_told_as_a_gain() -> None:
    networks = PLAIN, network("cascade", 12.0, -0.221, 0.035)
    decision = found(*networks)

    assert "and gains 22.1 points (18.6 to 25.6); less than" in reasons(decision, networks)[0]
    assert "with 22.1 points of accuracy gained." in sentence(decision, networks, VALID)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.01, 0.01, True), (0.0, 0.011, None), (0.011, 0.02, False), (0.01, 0.02, None)],
)
def test_a_network_keeps_the_accuracy_only_if_the_interval_does(
    low: float, high: float, expected: bool | None
) -> None:
    assert expected is eligible(Interval((low + high) / 2, low, high), TOLERANCE)


VALID = replace(VALIDITY, breaches=())


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            [network("cascade", 12.0, 0.002)],
            "Ship the cascade at 12: 12.0 ms an image, 40 % less time than the plain at 20, with "
            "0.2 points of accuracy lost.",
        ),
        (
            [network("cascade", 45.0)],
            "Ship the plain at 20: 20.0 ms an image, 56 % less time than the cascade at 45, with "
            "no accuracy lost.",
        ),
        ([], "Ship the plain at 20: 20.0 ms an image, with no accuracy lost."),
        (
            [network("smaller model", 8.0)],
            "Ship the smaller model the smaller model at 8: 8.00 ms an image, 60 % less time than "
            "the plain at 20, with no accuracy lost.",
        ),
        (
            [network("cascade", 19.5)],
            "It is unclear what to ship: the likeliest is the cascade at 19.5 with 19.5 ms an "
            "image and no accuracy lost, 2.5 % less time than the plain at 20, but it may as well "
            "take 2.4 % more time.",
        ),
        (
            [network("cascade", 12.0, drop=0.008, unsure=0.004)],
            "It is unclear what to ship: the likeliest is the plain at 20 with 20.0 ms an image "
            "and no accuracy lost, but the cascade at 12 at 12.0 ms is faster, and whether it "
            "keeps the accuracy is not sure.",
        ),
    ],
)
def test_the_decision_is_one_sentence_with_its_numbers(
    others: list[Alternative], said: str
) -> None:
    networks = PLAIN, *others

    assert said == sentence(found(*networks), networks, VALID)


def test_a_run_whose_ratios_do_not_stand_decides_nothing_unless_asked_to() -> None:
    networks = PLAIN, network("cascade", 12.0)
    decision = found(*networks)
    unsettled = replace(VALIDITY, breaches=(UNSETTLED,))

    assert sentence(decision, networks, unsettled).startswith(
        "Unstable run, a hint at most. Ship the cascade at 12: 12.0 ms an image"
    )
    assert "INVALID: this run broke the rules of measuring, so it decides nothing." == sentence(
        decision, networks, replace(unsettled, allowed=False)
    )


def test_a_verdict_that_stands_is_said_without_the_times_that_do_not() -> None:
    networks = PLAIN, network("cascade", 12.0)
    shared = replace(VALIDITY, allowed=False)

    assert (
        "Ship the cascade at 12: 40 % less time than the plain at 20, with no accuracy lost."
        == sentence(found(*networks), networks, shared)
    )


KINDS = st.sampled_from(("plain", "cascade", "smaller model"))
NETWORKS = st.builds(
    network, KINDS, st.floats(1, 100), st.floats(-0.05, 0.05), st.floats(0.0, 0.02)
)


@given(st.lists(NETWORKS, max_size=6))
def test_what_is_shipped_keeps_the_accuracy_and_is_clearly_the_fastest(
    others: list[Alternative],
) -> None:
    unique = {one.name: one for one in (*others, PLAIN)}
    rows = (PLAIN, *(one for one in unique.values() if one is not PLAIN))

    decision = found(*rows)

    best = unique[decision.name]
    assert best.eligible
    if decision.choice != "unclear":
        assert decision.choice == best.kind
        for one in rows:
            assert one.eligible is False or one.kind == best.kind or best.ms <= one.ms
