"""Decision parity in words."""

from __future__ import annotations

from dataclasses import replace

from calexnet.cli.parity import parity_lines
from calexnet.parity import ExitFlips, Parity

AGREED = Parity(
    reference="PyTorch",
    samples=128,
    bound=1e-4,
    score_difference=1.4e-6,
    exits=(ExitFlips((), (), 100, 0), ExitFlips((), (), 20, 0), ExitFlips((), (), 8, 0)),
    plain_margins=(),
    within_bound=0.0,
    reference_accuracy=126 / 128,
    accuracy=126 / 128,
    early=120 / 128,
    rounding=4e-7,
)
FLIPPED = Parity(
    reference="onnxruntime fp32",
    samples=343,
    bound=1e-4,
    score_difference=0.072,
    exits=(
        ExitFlips((0.06, 0.02, 0.01), (0.004,), 200, 2),
        ExitFlips((), (), 100, 0),
        ExitFlips((0.03,), (), 43, 1),
    ),
    plain_margins=(0.03, 0.02),
    within_bound=0.023,
    reference_accuracy=0.9942,
    accuracy=0.98,
    early=0.9,
)
NO_GATE = (
    "No gate: a narrow precision rounds more (scores within 7.2e-02); its accuracy is what counts."
)
WEAK = (
    "A weak check: 2.3% of all decisions lie within 0.0001 of a threshold, where rounding decides."
)


def test_agreement_takes_two_lines_the_answers_first() -> None:
    assert [
        "Answers of the cascade: 0 of 128 differ from PyTorch's; right on 98.44% of them, PyTorch "
        "on 98.44%.",
        "Good: scores within 1.4e-06, and rounding explains 1.0e-04 (it was seen to move scores by "
        "4.0e-07).",
    ] == parity_lines(AGREED)


def test_what_differs_is_told_by_the_exits_where_the_reference_lets_them_out() -> None:
    assert [
        "Answers of the cascade: 3 of 343 differ from onnxruntime fp32's; right on 98.00% of them, "
        "onnxruntime fp32 on 99.42%.",
        "  exit 1: 2 of 200 answers differ, 1 image leaving on one side alone",
        "  exit 3 (backbone): 1 of 43 answers differ",
        "  plain: 2 of 343 answers differ",
        WEAK,
        NO_GATE,
    ] == parity_lines(FLIPPED, full=False)


def test_full_precision_says_what_was_found_against_what_rounding_explains() -> None:
    assert (
        "Not good: scores differ by up to 7.2e-02, and rounding explains 1.0e-04; labels of an "
        "exit differ where the reference was sure by 6.0e-02, and rounding explains 2.0e-04; "
        "labels of plain differ where the reference was sure by 3.0e-02, and rounding explains "
        "2.0e-04; images leave elsewhere whose scores were from the threshold by 4.0e-03, and "
        "rounding explains 1.0e-04."
    ) == parity_lines(FLIPPED)[-1]


def test_margins_and_answers_with_nobody_leaving_are_for_who_asks() -> None:
    few, many = (parity_lines(FLIPPED, full=False, verbose=more) for more in (False, True))

    assert [
        "  exit 1, of all images: 3 other labels, by a margin of 2.0e-02 (median), 6.0e-02 (most)",
        "  exit 1, of all images: 1 other exit, by a margin of 4.0e-03 (median), 4.0e-03 (most)",
        "  exit 3 (backbone), of all images: 1 other label, by a margin of 3.0e-02 (median), "
        "3.0e-02 (most)",
        "  plain, of all images: 2 other labels, by a margin of 2.0e-02 (median), 3.0e-02 (most)",
    ] == [line for line in many if line not in few]


def test_a_build_that_lets_nobody_out_is_said_to_cost_more_than_plain() -> None:
    assert (
        "No image leaves early: this costs more than plain. Choose another --operating-point, or "
        "ship plain."
    ) in parity_lines(replace(AGREED, early=0.0))


def test_an_older_record_without_answers_still_tells_the_rest() -> None:
    old = replace(AGREED, exits=(ExitFlips((), ()),) * 3, early=None, rounding=None)

    assert [
        "Compared with PyTorch on 128 real images: right on 98.44% of them, PyTorch on 98.44%.",
        "Good: scores within 1.4e-06, and rounding explains 1.0e-04.",
    ] == parity_lines(old)
