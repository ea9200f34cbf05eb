"""What to ship, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet import certify
from calexnet.bench.model.decision import decide, useful
from calexnet.bench.report.decision import (
    Alternative,
    Certificate,
    ClassDrop,
    Decision,
    Kind,
    Standing,
)
from calexnet.bench.report.interval import Interval
from calexnet.bench.words.verdict import reasons, sentence
from calexnet.certify import Candidate, Counts
from tests.support.sample_report import UNSETTLED, VALIDITY

MAX_DROP = 0.01
IMAGES = 1000
NOISE = 0.05


def network(
    kind: Kind,
    ms: float,
    harmed: int = 0,
    helped: int = 0,
    standing: Standing = "passed",
    unsure: float = 0.004,
) -> Alternative:
    test = Counts(IMAGES, harmed, helped)
    tested = standing in ("passed", "failed")
    return Alternative(
        name=f"the {kind} at {ms:g}",
        kind=kind,
        target="onnxruntime",
        precision="fp32",
        operating_point=None,
        accuracy=Interval(0.9 - test.drop, 0.8, 1.0),
        balanced=0.9,
        drop=Interval(test.drop, test.drop - unsure, test.drop + unsure),
        worst_class=ClassDrop("cat", 100, Interval(test.drop, -0.1, 0.1)),
        ms=ms,
        ratio=Interval(ms / 20, ms / 20, ms / 20),
        certificate=Certificate(
            standing,
            1 if tested else None,
            0.05,
            None,
            test,
            certify.p_value(test, MAX_DROP) if tested else None,
            certify.upper_bound(test) if tested else None,
        ),
    )


def found(*networks: Alternative) -> Decision:
    times = {one.name: one.ms for one in networks}

    def ratio(over: str, under: str) -> Interval:
        value = times[over] / times[under]
        return Interval(value, value * (1 - NOISE), value * (1 + NOISE))

    return decide(networks, times, ratio, MAX_DROP)


PLAIN = network("plain", 20.0, standing="reference")


@pytest.mark.parametrize(
    ("others", "choice", "name"),
    [
        ([network("cascade", 12.0)], "cascade", "the cascade at 12"),
        ([network("cascade", 30.0, standing="no use")], "plain", "the plain at 20"),
        ([network("cascade", 19.5)], "unclear", "the cascade at 19.5"),
        ([network("cascade", 12.0, 50, standing="failed")], "plain", "the plain at 20"),
        # What is faster and not certified is a doubt that is told, and does not ship.
        ([network("cascade", 12.0, 8, standing="failed")], "plain", "the plain at 20"),
        ([network("cascade", 12.0, 0, standing="not reached")], "plain", "the plain at 20"),
        (
            [network("cascade", 12.0), network("smaller model", 8.0)],
            "smaller model",
            "the smaller model at 8",
        ),
        (
            [network("cascade", 12.0), network("cascade", 9.0, 8, standing="failed")],
            "cascade",
            "the cascade at 12",
        ),
        (
            [network("cascade", 12.0), network("cut network", 8.0)],
            "cut network",
            "the cut network at 8",
        ),
        # Two operating points are of one kind: which of them is no doubt about what to ship.
        ([network("cascade", 12.0), network("cascade", 12.1)], "cascade", "the cascade at 12"),
        ([network("plain", 11.9), network("cascade", 12.0)], "unclear", "the plain at 11.9"),
    ],
)
def test_the_fastest_that_is_certified_ships_if_times_are_clear(
    others: list[Alternative], choice: str, name: str
) -> None:
    decision = found(PLAIN, *others)

    assert (choice, name) == (decision.choice, decision.name)


def test_a_rival_that_was_of_no_use_is_still_what_the_winner_is_held_against() -> None:
    """It is surer than the cascade and slower: it ships nothing, but is the better comparison."""
    untested = network("plain", 13.0, standing="no use")

    assert "the plain at 13" == found(PLAIN, network("cascade", 12.0), untested).against
    lossy = network("plain", 13.0, 30, standing="no use")
    assert "the plain at 20" == found(PLAIN, network("cascade", 12.0), lossy).against


def test_a_rival_is_slower_and_certain_at_the_alpha_itself() -> None:
    winner, untested = network("cascade", 12.0), network("plain", 13.0, 2, standing="no use")
    assert untested.certificate is not None
    known = untested.certificate
    p = certify.p_value(known.test, MAX_DROP)

    def at(alpha: float, ms: float) -> str | None:
        certificate = replace(known, alpha=alpha)
        other = replace(untested, name="other", ms=ms, certificate=certificate)
        return found(PLAIN, winner, other).against

    assert "other" == at(p, 13.0)
    assert "the plain at 20" == at(p * 0.999, 13.0)
    assert "the plain at 20" == at(p, 12.0)


def test_who_is_as_fast_as_the_winner_is_no_doubt() -> None:
    winner, equal = network("cascade", 12.0), network("smaller model", 12.0, 8, standing="failed")

    assert found(PLAIN, winner, equal).doubt is None
    faster = network("smaller model", 11.9, 8, standing="failed")
    assert "the smaller model at 11.9" == found(PLAIN, winner, faster).doubt


def test_of_those_that_surely_lose_more_the_most_accurate_is_told() -> None:
    lossy = [
        network("cascade", 9.0, 60, standing="failed"),
        network("smaller model", 10.0, 40, standing="failed"),
        network("cascade", 8.0, 50, standing="failed"),
    ]

    assert "the smaller model at 10" == found(PLAIN, *lossy).lossy


def test_blocks_are_none_unless_they_are_told() -> None:
    assert (0, 0) == found(PLAIN).blocks


def test_a_candidate_as_fast_as_a_surer_one_needs_no_test() -> None:
    surer, other = (
        Candidate("surer", Counts(IMAGES, 0, 5), Counts(IMAGES, 0, 0)),
        Candidate("other", Counts(IMAGES, 5, 5), Counts(IMAGES, 0, 0)),
    )

    assert [surer] == useful([other, surer], {"surer": 3.0, "other": 3.0}, 4.0, MAX_DROP)
    assert [] == useful([surer], {"surer": 4.0}, 4.0, MAX_DROP)
    assert [surer, other] == useful([other, surer], {"surer": 3.0, "other": 2.9}, 4.0, MAX_DROP)


def test_the_network_is_picked_by_some_blocks_and_its_ratio_is_from_others() -> None:
    networks = PLAIN, network("cascade", 12.0), network("cascade", 12.2)
    picking = {"the plain at 20": 20.0, "the cascade at 12": 12.3, "the cascade at 12.2": 11.0}
    asked: list[tuple[str, str]] = []

    def ratio(over: str, under: str) -> Interval:
        asked.append((over, under))
        return Interval(0.7, 0.6, 0.8)

    decision = decide(networks, picking, ratio, MAX_DROP, blocks=(20, 20))

    assert "the cascade at 12.2" == decision.name
    assert [("the cascade at 12.2", "the plain at 20")] == asked
    assert (Interval(0.7, 0.6, 0.8), (20, 20)) == (decision.ratio, decision.blocks)


@pytest.mark.parametrize(("high", "choice"), [(0.9999, "cascade"), (1.0, "unclear")])
def test_a_ratio_whose_interval_holds_1_is_unclear(high: float, choice: str) -> None:
    networks = PLAIN, network("cascade", 12.0)
    ms = {one.name: one.ms for one in networks}

    found = decide(networks, ms, lambda over, under: Interval(0.9, 0.8, high), MAX_DROP)

    assert choice == found.choice


def test_the_reasons_hold_the_numbers_that_decide() -> None:
    lossy = network("cascade", 9.0, 50, standing="failed")
    doubtful = network("smaller model", 8.0, 8, standing="failed")
    networks = PLAIN, network("cascade", 12.0, 2), lossy, doubtful

    decision = found(*networks)

    needed = certify.images_needed(Counts(IMAGES, 8, 0), MAX_DROP)
    assert needed is not None
    assert needed > IMAGES
    assert (doubtful.name, needed, lossy.name) == (decision.doubt, decision.needed, decision.lossy)
    assert (
        "The cascade at 12 takes 12.0 ms an image and loses 0.2 points (between 0.6 lost and "
        "0.2 gained), with 95.0 % confidence at most 0.7 points lost; less than the plain at 20 at "
        "20.0 ms: ratio 0.600 (0.570 to 0.630). Of its classes, 'cat' fares worst: it loses 0.2 "
        "points (between 10.0 lost and 10.0 gained) on 100 images.",
        "The smaller model the smaller model at 8 would be faster still, 8.00 against 12.0 ms, but "
        "whether it keeps the accuracy is not sure: it loses 0.8 points (0.4 to 1.2), and at most "
        f"1 point may be lost. About {round(needed, -2):,} test images like these would tell; "
        "there are 1,000.",
        "The cascade at 9 is faster at 9.00 ms, but loses 5.0 points, more than 1 point.",
    ) == reasons(decision, networks)
    assert "the plain at 20" == decision.against


def test_what_lost_more_here_than_may_be_lost_is_not_helped_by_images_like_these() -> None:
    networks = PLAIN, network("cascade", 12.0, 12, standing="failed")
    decision = found(*networks)

    assert (networks[1].name, None) == (decision.doubt, decision.needed)
    assert reasons(decision, networks)[1].endswith("More test images like these would not tell.")


def test_a_network_alone_of_its_kind_wins_without_a_ratio() -> None:
    decision = found(PLAIN)

    assert ("plain", None, None) == (decision.choice, decision.against, decision.ratio)
    assert reasons(decision, (PLAIN,)) == (
        "The plain at 20 takes 20.0 ms an image and is the reference for accuracy; no network of "
        "another kind keeps the accuracy.",
    )


def test_who_is_right_and_wrong_on_the_same_images_is_said_to_be_and_no_more() -> None:
    """Labels may differ where both are wrong, and a drop may show on other images."""
    networks = PLAIN, network("cascade", 12.0)

    said = reasons(found(*networks), networks)[0]

    assert (
        "is right and wrong on the very images that the reference is, with 95.0 % confidence at "
        "most 0.4 points lost; less than" in said
    )


def test_a_cut_network_that_ships_comes_with_the_command_that_writes_it() -> None:
    cut = replace(network("cut network", 12.0), name="the network cut after layer2", cut=2)
    networks = (PLAIN, cut)

    said = reasons(found(*networks), networks)

    command = "calexnet-export RUN --cut 2 --out DIR"
    assert f"To get the network cut after layer2 as a bundle of its own: {command}." == said[-1]
    assert not any("--cut" in one for one in reasons(found(PLAIN), (PLAIN,)))


def test_a_gain_is_told_as_a_gain() -> None:
    networks = PLAIN, network("cascade", 12.0, 0, 221, unsure=0.035)
    decision = found(*networks)

    assert "and gains 22.1 points (18.6 to 25.6), with" in reasons(decision, networks)[0]
    said = sentence(decision, networks, VALID)
    assert "with 22.1 points of accuracy gained on 1,000 images (with 95.0 % confidence at" in said
    assert "points gained)." in said


@pytest.mark.parametrize(
    ("low", "standing", "expected"),
    [
        (0.009, "passed", True),
        (0.02, "reference", True),
        (0.01, "failed", None),
        (0.0101, "failed", False),
        (-0.01, "not reached", None),
        (-0.01, "left out", None),
        (-0.01, "no use", None),
        (0.02, "no use", False),
    ],
)
def test_a_network_keeps_the_accuracy_only_if_it_is_certified(
    low: float, standing: Standing, expected: bool | None
) -> None:
    one = network("cascade", 12.0, standing=standing)

    assert expected is replace(one, drop=Interval(0.0, low, 0.1)).keeps(MAX_DROP)


VALID = replace(VALIDITY, breaches=())
KEPT = "with 0.2 points of accuracy lost on 1,000 images (with 95.0 % confidence at most 0.7 points"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            [network("cascade", 12.0, 2)],
            "Ship the cascade at 12: 12.0 ms an image, 40 % less time than the plain at 20, "
            f"{KEPT} lost).",
        ),
        (
            [network("cascade", 45.0)],
            "Ship the plain at 20: 20.0 ms an image, 56 % less time than the cascade at 45, with "
            "no accuracy lost.",
        ),
        ([], "Ship the plain at 20: 20.0 ms an image, with no accuracy lost."),
        (
            [network("smaller model", 8.0, 2)],
            "Ship the smaller model the smaller model at 8: 8.00 ms an image, 60 % less time than "
            f"the plain at 20, {KEPT} lost).",
        ),
        (
            [network("cascade", 19.5, 2)],
            "It is unclear what to ship: the likeliest is the cascade at 19.5 with 19.5 ms an "
            f"image and {KEPT.removeprefix('with ')} lost), 2.5 % less time than the plain at 20, "
            "but it may as well take 2.4 % more time.",
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
    networks = PLAIN, network("cascade", 12.0, 2)
    shared = replace(VALIDITY, allowed=False)

    assert (
        f"Ship the cascade at 12: 40 % less time than the plain at 20, {KEPT} lost)."
        == sentence(found(*networks), networks, shared)
    )


def candidate(name: str, harmed: int | None) -> Candidate:
    known = None if harmed is None else Counts(500, harmed, 0)
    return Candidate(name, known, Counts(500, 0, 0))


def test_who_is_slower_than_one_that_is_surer_needs_no_test() -> None:
    """Surest first: b at 9 ms, c at 10 is no use, a at 7; d is slower than the reference."""
    candidates = [candidate("a", 5), candidate("b", 0), candidate("c", 1), candidate("d", 0)]
    ms = {"a": 7.0, "b": 9.0, "c": 10.0, "d": 20.0}

    assert ["b", "a"] == [one.name for one in useful(candidates, ms, 20.0, MAX_DROP)]


def test_candidates_without_calibration_come_last_in_the_order_given() -> None:
    candidates = [candidate("z", None), candidate("y", None), candidate("a", 9)]
    ms = {"z": 8.0, "y": 7.0, "a": 9.0}

    assert ["a", "z", "y"] == [one.name for one in useful(candidates, ms, 20.0, MAX_DROP)]


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(1, 30)), min_size=1, max_size=8
    )
)
def test_leaving_out_what_needs_no_test_never_ships_anything_slower(
    drawn: list[tuple[int, int, float]],
) -> None:
    """Who is slower than one that is surer never ships, and may have ended the chain too soon."""
    candidates = [
        Candidate(f"{n}", Counts(500, known, 0), Counts(500, seen, 0))
        for n, (known, seen, _) in enumerate(drawn)
    ]
    ms = {f"{n}": took for n, (_, _, took) in enumerate(drawn)}

    def ships(chain: list[Candidate]) -> float:
        passed = certify.certify(chain, MAX_DROP).passed
        return min([20.0, *(ms[name] for name in passed)])

    assert ships(useful(candidates, ms, 20.0, MAX_DROP)) <= ships(candidates)


KINDS = st.sampled_from(("plain", "cascade", "smaller model"))
STANDINGS = st.sampled_from(("passed", "failed", "not reached", "no use"))
NETWORKS = st.builds(
    network, KINDS, st.floats(1, 100), st.sampled_from((0, 8, 30)), st.just(0), STANDINGS
)


@settings(max_examples=50)
@given(st.lists(NETWORKS, max_size=6))
def test_what_is_shipped_is_certified_and_the_fastest_of_them(others: list[Alternative]) -> None:
    unique = {one.name: one for one in (*others, PLAIN)}
    rows = (PLAIN, *(one for one in unique.values() if one is not PLAIN))

    decision = found(*rows)

    best = unique[decision.name]
    assert best.keeps(MAX_DROP)
    assert all(best.ms <= one.ms for one in rows if one.keeps(MAX_DROP))
    assert decision.choice in ("unclear", best.kind)
