"""What ``calexnet try`` says of the cascade that comes with calexnet."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.bench.model.statistics import Comparison
from calexnet.bench.report.interval import Interval
from calexnet.cli import trial
from calexnet.runtimes import Result


def results(labels: list[int], scores: list[float], exits: list[int]) -> Result:
    return Result(
        np.array(labels, np.int32), np.array(scores, np.float32), np.array(exits, np.int32)
    )


def test_exits_are_told_as_shares_and_bars() -> None:
    found = results([0] * 4, [0.9] * 4, [1, 1, 1, 2])

    assert trial._exits(found, ["after layer1", "whole network"]).splitlines() == [
        "",
        "4 test images, and where they leave:",
        "  after layer1    75.0%  " + "#" * 30,
        "  whole network   25.0%  " + "#" * 10,
    ]


def test_accuracy_comes_with_what_is_surely_not_lost() -> None:
    truth = np.arange(300) % 3
    right = results(truth.tolist(), [0.9] * 300, [1] * 300)

    # No image is judged differently: the 95 % limit of the share harmed, 1 - 0.05^(1/300).
    assert (
        "\nRight on 100.0% of them; the whole network alone on 100.0%. With 95 % confidence it "
        "loses at most 1.0 points on images like these."
    ) == trial._accuracy(truth, right, right)


def test_an_image_is_drawn_by_its_greys() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, 16:] = 255

    assert ["        @@@@@@@@"] * 8 == trial._drawn(image)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (Interval(0.5, 0.4, 0.6), "0.50 of it (0.40 to 0.60); the cascade is faster here."),
        (Interval(2.0, 1.5, 2.5), "2.00 of it (1.50 to 2.50); the plain network is faster here."),
        (Interval(1.0, 0.9, 1.1), "1.00 of it (0.90 to 1.10); too close to call here; try it on a"),
    ],
)
def test_times_end_in_who_is_faster(ratio: Interval, said: str) -> None:
    told = trial._times(Comparison(plain=0.2, ours=0.2 * ratio.value, ratio=ratio))

    assert told.startswith(
        f"One image at a time, one thread: {0.2 * ratio.value:.3f} ms, the whole network 0.200 ms: "
    )
    assert said in told
