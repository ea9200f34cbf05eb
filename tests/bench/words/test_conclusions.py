"""The sentences that the rows come to."""

from __future__ import annotations

from dataclasses import replace

from calexnet.bench.model.settings import flips
from calexnet.bench.report.decision import Alternative
from calexnet.bench.report.document import BuildRecord
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import Flip, LayoutRow
from calexnet.bench.words.conclusions import (
    affordable_sentences,
    flip_sentences,
    headline,
    layout_sentences,
    missing_int8,
    never_early,
    prediction_sentences,
    slower_precisions,
)
from tests.support.sample_report import (
    ALTERNATIVES,
    AMORTISATION,
    CROSSOVER,
    POINTS,
    SUBJECT,
    one_batch_report,
    sample_report,
)


def test_a_flip_is_between_two_clear_verdicts_of_one_setting() -> None:
    assert flips(CROSSOVER) == (Flip(*SUBJECT, 1, 2, "cascade", 8, "plain"),)


def test_settings_do_not_mix() -> None:
    other = tuple(replace(row, precision="int8", verdict="plain") for row in CROSSOVER[:2])
    assert flips((*CROSSOVER[:2], *other)) == ()


def test_a_flip_names_both_batches_and_sides() -> None:
    assert flip_sentences(CROSSOVER) == (
        "With 1 thread the verdict flips between batch 2 (cascade is faster) and batch 8 "
        "(plain is faster).",
        "With 4 threads one batch was measured, so no flip could show: "
        "cascade is faster at batch 1.",
    )


def test_without_flips_every_verdict_is_said() -> None:
    assert flip_sentences(CROSSOVER[:3]) == (
        "With 1 thread the verdict never flips: cascade is faster at batch 1 and 2; "
        "unclear at batch 4.",
    )
    assert "no flip could show" in flip_sentences(one_batch_report().crossover)[0]


def test_the_fastest_point_that_is_certified_is_named() -> None:
    assert affordable_sentences(POINTS, 0.02) == (
        "Of the operating points that are certified to lose at most 2 points of accuracy, "
        "margin-0.02 is the fastest: ratio 0.620, and it loses 0.8 points (0.3 to 1.3).",
    )


def test_no_point_is_offered_that_is_not_certified() -> None:
    """Though it lost less here: the table calls it not sure."""
    unsure = tuple(replace(row, keeps=None) for row in POINTS)
    assert affordable_sentences(unsure, 0.02) == (
        "At most 2 points may be lost. No operating point is certified to lose so little.",
    )
    assert affordable_sentences(POINTS[2:], 0.01) == (
        "At most 1 point may be lost. Every operating point surely loses more.",
    )
    assert affordable_sentences(POINTS[:1], 0.01)[0].endswith(
        "It is not clearly faster than plain."
    )


def test_the_headline_gives_verdicts_accuracy_and_the_one_point_answer() -> None:
    report = sample_report()
    sentences = headline(AMORTISATION, CROSSOVER, POINTS, report.accuracy, 0.02)
    assert "cascade is faster at batch 1 (ratio" in sentences[0]
    assert "plain is faster at batch 8" in sentences[0]
    assert sentences[1].startswith("With 4 threads: cascade is faster at batch 1")
    assert "points (" in sentences[2]
    assert sentences[3:] == affordable_sentences(POINTS, 0.02)


def test_the_headline_warns_of_an_exit_that_nobody_takes() -> None:
    default = next(row for row in POINTS if row.default)
    rest = 1 - default.exit_rates[-1]
    idle = replace(default, exit_rates=(0.0, rest, *default.exit_rates[2:-1], 1 - rest))
    sentences = headline(AMORTISATION, CROSSOVER, (idle,), sample_report().accuracy, 0.02)
    assert sentences[-1].startswith("No image leaves at exit 1, yet")


def test_a_precision_that_is_slower_here_is_named() -> None:
    full, *_ = ALTERNATIVES

    def narrow(precision: str, low: float) -> Alternative:
        ratio = Interval(low + 0.1, low, low + 0.2)
        return replace(full, precision=precision, ms=20 * ratio.value, ratio=ratio)

    assert slower_precisions((full, narrow("int8", 1.05), narrow("fp16", 0.95))) == (
        "On onnxruntime, int8 is slower here than fp32: for one image on one thread plain takes "
        "23.0 ms against 20.0.",
    )
    elsewhere = replace(narrow("int8", 2.0), target="tflite")
    assert slower_precisions((full, elsewhere)) == (), "another target's is no measure"


def test_plain_at_int8_is_missed_with_what_adds_it() -> None:
    full, *_ = ALTERNATIVES
    held = BuildRecord("onnxruntime", "fp32", "segments")
    missing = "Plain at int8, what would be shipped without a cascade, is missing here: "

    assert missing_int8((full,), (held,)) == (
        missing + "add it with calexnet-export BUNDLE --target onnxruntime --precision int8 "
        "--calib-data DATA.",
    )
    built = replace(full, target="tensorrt")
    assert "--target tensorrt --precision int8-symmetric" in missing_int8((built,), (held,))[0]
    assert missing_int8((full,), (held, replace(held, precision="int8"))) == (
        missing + "the bundle has it, so measure without --target and --precision.",
    )


def test_plain_at_int8_is_not_missed_where_it_was_measured() -> None:
    full, *_ = ALTERNATIVES
    narrow = replace(full, precision="int8-symmetric")

    assert missing_int8((full, narrow), ()) == ()
    cascade = replace(narrow, kind="cascade")
    assert missing_int8((full, cascade), ()), "a cascade at int8 is no plain network"


def test_an_exit_is_unused_only_if_no_target_uses_it() -> None:
    idle = replace(POINTS[1], exit_rates=(0.0, 0.6, 0.4))
    used = replace(POINTS[1], target="tflite", exit_rates=(0.001, 0.599, 0.4))
    accuracy = sample_report().accuracy
    assert "exit 1" in headline(AMORTISATION, CROSSOVER, (idle,), accuracy, 0.02)[-1]
    assert "exit 1" not in headline(AMORTISATION, CROSSOVER, (idle, used), accuracy, 0.02)[-1]


def test_a_build_that_lets_nobody_out_is_named() -> None:
    idle = replace(POINTS[1], default=True, precision="int8", exit_rates=(0.0, 0.0, 1.0))
    used = replace(POINTS[1], default=True, exit_rates=(0.0, 0.001, 0.999))

    (said,) = never_early((idle, used, replace(idle, default=False)))

    assert said.startswith("On onnxruntime int8 no image exits early at margin-")
    assert said in headline(AMORTISATION, CROSSOVER, (idle, used), sample_report().accuracy, 0.02)


def test_ratios_of_two_targets_do_not_mix() -> None:
    other = [replace(row, target="tflite", ratio=0.1234) for row in AMORTISATION]
    crossover = (*CROSSOVER, *(replace(row, target="tflite") for row in CROSSOVER))
    sentences = headline((*AMORTISATION, *other), crossover, POINTS, sample_report().accuracy, 0.02)
    assert sentences[0].startswith("With onnxruntime fp32, 1 thread: cascade is faster at batch 1")
    assert "(ratio 0.600)" in sentences[0]
    assert "(ratio 0.123)" in sentences[2]
    assert "The cascade on onnxruntime fp32 answers" in sentences[4]


def layout(exit_number: int | None, ratio: float, unsure: float = 0.05) -> LayoutRow:
    return LayoutRow(
        *SUBJECT, 1, exit_number, 10.0, 10 * ratio, ratio, ratio - unsure, ratio + unsure
    )


def test_one_file_against_segments_is_told_exit_by_exit() -> None:
    rows = [layout(None, 1.2), layout(1, 0.7), layout(2, 1.01), layout(3, 1.3)]

    assert layout_sentences(rows) == (
        "Segments are faster than one file on onnxruntime fp32 with 1 thread: a single image takes "
        "12.0 ms with all exits in one graph, 10.0 ms segment by segment, ratio 1.200 (1.150 to "
        "1.250); for images that leave at one exit it is 0.700 at exit 1, 1.010? at exit 2 and "
        "1.300 at the last exit.",
    )
    assert layout_sentences([layout(None, 0.8), *rows[1:]])[0].startswith("One file is faster than")
    assert layout_sentences([layout(None, 1.0), *rows[1:]])[0].startswith("It is unclear whether")
    assert layout_sentences([]) == ()


def test_the_error_of_the_prediction_stands_beside_the_noise_of_what_checks_it() -> None:
    # Off by 5, 0, 5.3, 5 and 1 %; noise of 6.7, 4.4, 3.8, 5.6 and 3.3 %: three of five within.
    (said,) = prediction_sentences(AMORTISATION)

    assert said == (
        "Checked against 5 measured times, the prediction is typically off by 5.0 %, and by 5.3 % "
        "at most (batch 4, 1 thread); the measured times are themselves only good to 4.4 %, and 4 "
        "of 5 predictions lie within their noise."
    )
    assert prediction_sentences(()) == ()
