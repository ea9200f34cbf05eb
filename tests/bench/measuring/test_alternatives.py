"""The decision's tests, from answers and times that were made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calexnet.bench.measuring.alternatives import Contender, Rules, decided
from calexnet.bench.model.accuracy import Marks
from calexnet.bench.model.blocks import told_apart
from calexnet.bench.report.decision import Alternative, Decision, Kind
from calexnet.bench.report.document import Report
from calexnet.bench.words.notes import notes
from calexnet.bench.words.tables import choice
from calexnet.bench.words.verdict import headline
from calexnet.certify import Counts
from tests.support.sample_report import sample_report

#: A clip of two frames, and nine of 110 each.
CLIPS = [*"aa", *np.repeat([*"bcdefghij"], 110).tolist()]
TRUTH = np.zeros(len(CLIPS), np.int64)


def contender(name: str, lost: int = 0) -> Contender:
    """A network that answers the first images wrongly."""
    labels = (np.arange(len(TRUTH)) < lost).astype(np.int32)
    kind: Kind = "plain" if name == "plain" else "cascade"
    return Contender(name, kind, "onnxruntime", "fp32", None, labels, name, Counts(1000, lost, 0))


def outcome(
    lost: int, groups: list[str] | None, max_drop: float = 0.01
) -> tuple[tuple[Alternative, ...], Decision]:
    """Plain, and a cascade twice as fast that loses the first so many images; what ships."""
    series = {name: ms + np.linspace(0, 0.01, 20) for name, ms in (("plain", 2), ("cascade", 1))}
    networks = [contender("plain"), contender("cascade", lost)]
    rules = Rules(max_drop, Marks(TRUTH, ("cat", "dog"), groups))
    return decided(networks, told_apart(series, 0), rules)


def test_a_clip_that_is_lost_whole_fails_by_group_though_it_passes_by_image() -> None:
    """Two of 992 images are 0.2 %; one of ten clips is 10 % in the mean over clips."""
    (_, alone), ships = outcome(2, None)
    (_, grouped), stays = outcome(2, CLIPS)

    assert (alone.certificate.standing, ships.name) == ("passed", "cascade")  # type: ignore[union-attr]
    assert alone.drop.value == pytest.approx(2 / 992)
    assert grouped.certificate is not None
    assert (grouped.certificate.standing, stays.name) == ("failed", "plain")
    assert grouped.drop.value == pytest.approx(0.1)
    assert grouped.accuracy.value == pytest.approx(0.9)
    by_group = grouped.certificate.by_group
    assert by_group is not None
    assert (by_group.groups, by_group.p) == (10, grouped.certificate.p)
    assert by_group.upper == grouped.certificate.upper
    assert by_group.needed is None  # ten points are lost, however many clips


def test_clips_that_lose_nothing_are_certified_where_there_are_enough() -> None:
    """Ten clips tell of a third at most, and how many would tell of ten points is said."""
    (_, loose), ships = outcome(0, CLIPS, max_drop=0.4)
    (_, strict), stays = outcome(0, CLIPS, max_drop=0.1)

    assert (loose.certificate.standing, ships.name) == ("passed", "cascade")  # type: ignore[union-attr]
    assert (strict.certificate.standing, stays.doubt) == ("failed", "cascade")  # type: ignore[union-attr]
    assert stays.needed == strict.certificate.by_group.needed  # type: ignore[union-attr]
    assert stays.needed is not None
    assert stays.needed % 10 == 0
    assert 10 < stays.needed < 200


def report(lost: int, max_drop: float) -> Report:
    """The report on such clips, of which nothing but the decision is told."""
    rows, decision = outcome(lost, CLIPS, max_drop)
    data = replace(sample_report().data, group="clip", groups=10)
    return sample_report(alternatives=rows, decision=decision, data=data)


def test_the_words_say_of_how_many_groups() -> None:
    ships, stays = report(0, 0.4), report(0, 0.1)

    assert "no accuracy lost on 10 groups of 992 images" in headline(ships)[0]
    assert any(
        "groups of test images like these would tell; there are 10." in s for s in headline(stays)
    )
    assert "More groups of test images like these would not tell." in " ".join(
        headline(report(2, 0.09))
    )
    assert any("belong together by clip, in 10 groups" in note for note in notes(ships))
    assert "is tested on the test images, in the mean over their groups" in choice.rule(ships)[0]
