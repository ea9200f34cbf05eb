"""The first screen: one word, three numbers, what next; all of what ships."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calexnet.bench.report.decision import Kind
from calexnet.bench.words import first
from tests.support.sample_report import ALTERNATIVES, DECISION, UNSETTLED, VALIDITY, sample_report

QUIET = replace(VALIDITY, breaches=())


def test_the_numbers_are_of_what_ships() -> None:
    time, share, lost = first.numbers(sample_report(validity=QUIET))

    assert ("12.4 ms", "62 %", "-0.8 points") == (time.figure, share.figure, lost.figure)
    assert share.label == "of the time of plain on onnxruntime fp32 (60 to 64)"
    assert lost.label == (
        "of accuracy on 2,000 images; with 97.5 % confidence at most 1.5 points lost"
    )


def test_times_that_do_not_stand_are_no_number_and_ratios_are() -> None:
    void = replace(VALIDITY, allowed=False)

    time, share, _ = first.numbers(sample_report(validity=void))

    assert ("n/a", "62 %") == (time.figure, share.figure)


def test_the_reference_loses_nothing_and_needs_no_certificate() -> None:
    plain = replace(DECISION, choice="plain", name=ALTERNATIVES[0].name, against=None, ratio=None)

    found = first.numbers(sample_report(decision=plain, validity=QUIET))

    assert ["20.0 ms", "0"] == [one.figure for one in found]


@pytest.mark.parametrize(
    ("choice", "name", "word", "following"),
    [
        ("cascade", 1, "Ship the cascade", 'operating_point="margin-0.02").'),
        ("plain", 0, "Ship plain", ").plain(images). Early exits do not pay here."),
        ("smaller model", 3, "Ship the small model", "Ship /models/net.onnx as it is."),
        ("unclear", 1, "Unclear", "Measure for longer"),
    ],
)
def test_every_choice_has_its_word_and_what_to_do(
    choice: Kind, name: int, word: str, following: str
) -> None:
    decision = replace(DECISION, choice=choice, name=ALTERNATIVES[name].name)
    report = sample_report(decision=decision, validity=QUIET)

    assert word == first.word(report)
    assert following in first.following(report)


def test_one_file_is_loaded_as_one_file() -> None:
    whole = replace(ALTERNATIVES[1], layout="if")
    report = sample_report(alternatives=(ALTERNATIVES[0], whole), validity=QUIET)

    assert first.following(report).endswith('operating_point="margin-0.02", layout="if").')


def test_a_cut_network_is_made_by_an_export() -> None:
    cut = replace(ALTERNATIVES[0], name="cut after layer2", kind="cut network", cut=2)
    decision = replace(DECISION, choice="cut network", name=cut.name)
    report = sample_report(alternatives=(ALTERNATIVES[0], cut), decision=decision, validity=QUIET)

    assert "Ship the cut network" == first.word(report)
    assert "calexnet-export RUN --cut 2 --out DIR" in first.following(report)


def test_a_run_that_decides_nothing_says_what_to_do_about_it() -> None:
    void = replace(VALIDITY, breaches=(UNSETTLED,), allowed=False)

    report = sample_report(validity=void)

    assert "Invalid" == first.word(report)
    assert first.following(report).startswith("Measure for longer")
