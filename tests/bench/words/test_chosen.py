"""Which operating point is meant, where the decision takes another than the default."""

from __future__ import annotations

from dataclasses import replace

from calexnet.bench import reporting
from calexnet.bench.page import html
from calexnet.bench.report.document import Report
from calexnet.bench.words import chosen, markdown
from tests.support.sample_report import ALTERNATIVES, POINTS, sample_report


def decided(name: str) -> Report:
    return sample_report(decision=replace(sample_report().decision, name=name))


OTHER = decided(ALTERNATIVES[2].name)  # at margin-0.1; margin-0.02 is the default


def test_a_decision_for_the_default_point_or_for_plain_needs_no_word() -> None:
    for report in (sample_report(), decided(ALTERNATIVES[0].name), decided(ALTERNATIVES[3].name)):
        assert chosen.chosen(report) is None
        assert chosen.sentences(report) == ()
        assert chosen.beside(report, ("onnxruntime", "fp32")) == ()


def test_another_point_is_said_everywhere_that_the_decision_is() -> None:
    (said,) = chosen.sentences(OTHER)

    assert chosen.chosen(OTHER) == POINTS[2]
    assert said.startswith("The verdict takes the operating point margin-0.1. ")
    assert "at the default one, margin-0.02" in said
    assert said in reporting.summary(OTHER)
    assert markdown.escape(said) in markdown.render(OTHER)
    page = html.render(OTHER).replace("<code>", "").replace("</code>", "")
    assert said in page
    assert page.index(said) < page.index('id="where"')


def test_the_name_of_a_point_is_explained_where_it_first_appears() -> None:
    report = sample_report()
    (said,) = chosen.explained(report)

    assert said.startswith("margin-0.02 is an operating point. An operating point is one setting")
    assert "Its margin is how far the answers of an exit may be less often right" in said
    assert said in reporting.summary(report)
    page = html.render(report).replace("<code>", "").replace("</code>", "")
    assert page.index(said) < page.index('id="validity-part"')
    against = decided(ALTERNATIVES[0].name)
    both = replace(against, decision=replace(against.decision, against=ALTERNATIVES[2].name))
    assert chosen.explained(both)[0].startswith("margin-0.1 is an operating point. ")
    alone = replace(against, decision=replace(against.decision, against=None))
    assert chosen.explained(alone) == ()


def test_its_own_ratio_stands_beside_the_defaults() -> None:
    (said,) = chosen.beside(OTHER, ("onnxruntime", "fp32"))

    assert said == (
        "At margin-0.1, which the verdict takes, a single image takes 9.00 ms: ratio 0.450 (0.430 "
        "to 0.470) to plain on onnxruntime fp32, cascade is faster, and the cascade loses 3.3 "
        "points (2.5 to 4.1)."
    )
    page = html.render(OTHER)
    assert 'at margin-0.02 <span class="cell cascade">0.620</span>' in page
    assert 'at margin-0.1 <span class="cell cascade">0.450</span>' in page


def test_what_the_verdict_sets_it_against_is_said_if_it_is_another() -> None:
    report = replace(OTHER, decision=replace(OTHER.decision, against="plain on tflite fp32"))

    (said,) = chosen.beside(report, ("onnxruntime", "fp32"))

    assert said.endswith("The verdict sets it against plain on tflite fp32 instead.")
    assert chosen.beside(report, ("tflite", "fp32")) == ()
