"""Decision parity in words."""

from __future__ import annotations

from calexnet.cli.parity import parity_lines
from calexnet.parity import ExitFlips, Parity

AGREED = Parity(
    "PyTorch", 128, 1e-4, 1.4e-6, (ExitFlips((), ()),) * 3, (), 0.0, 126 / 128, 126 / 128
)
FLIPPED = Parity(
    "onnxruntime fp32",
    343,
    1e-4,
    0.072,
    (ExitFlips((0.06, 0.02, 0.01), (0.004,)), ExitFlips((), ()), ExitFlips((0.03,), ())),
    (0.03, 0.02),
    0.023,
    0.9942,
    0.98,
)


def test_agreement_takes_two_lines() -> None:
    assert [
        "Verified against PyTorch on 128 real images: scores within 1.4e-06; 0 other labels, 0 "
        "other exits.",
        "Right on 98.44% of them; the reference on 98.44%.",
    ] == parity_lines(AGREED)


def test_flips_are_told_exit_by_exit_with_their_margins() -> None:
    assert [
        "Verified against onnxruntime fp32 on 343 real images: scores within 7.2e-02; 4 other "
        "labels, 1 other exit.",
        "  exit 1: 3 other labels, by a margin of 2.0e-02 (median), 6.0e-02 (most); 1 sample "
        "leaving on one side alone, by a margin of 4.0e-03 (median), 4.0e-03 (most)",
        "  exit 3 (backbone): 1 other label, by a margin of 3.0e-02 (median), 3.0e-02 (most)",
        "  plain: 2 other labels, by a margin of 2.0e-02 (median), 3.0e-02 (most)",
        "Right on 98.00% of them; the reference on 99.42%.",
        "A weak check: 2.3% of all decisions lie within 0.0001 of a threshold, where rounding "
        "decides.",
    ] == parity_lines(FLIPPED)
