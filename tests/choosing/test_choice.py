"""``choice.json``: written, read back, refused when it was touched; and what it says in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.choosing import choice
from calexnet.choosing.choice import Choice
from calexnet.choosing.shown import page, words
from calexnet.errors import InputError
from tests.support.sample_choice import CUT, contender, sample_choice


def test_a_choice_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = sample_choice()
    (tmp_path / choice.JSON).write_bytes(choice.dump(found))

    assert found == choice.read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"chosen": 1', b'"chosen": 2', "content with SHA-256"),
        (b'"schema": 1', b'"schema": 9', "no document of schema 1"),
        (b"{", b"", "Extra data"),
    ],
)
def test_a_choice_that_was_altered_is_refused(
    tmp_path: Path, old: bytes, new: bytes, told: str
) -> None:
    (tmp_path / choice.JSON).write_bytes(choice.dump(sample_choice()).replace(old, new, 1))

    with pytest.raises(InputError, match=rf"^cannot read .* as a choice: got {told}"):
        choice.read(tmp_path)


def test_the_sentence_says_what_to_ship_what_it_saves_and_what_is_promised() -> None:
    assert (
        "Ship the cascade with exits at layer1 (strided), layer2 (linear), drop-1: 50 % less time "
        "than plain, and with 95 % confidence it loses at most 1 point on images like these "
        "(0.71 points at most, by 1,000 test images)."
    ) == words.sentence(sample_choice())


def _plain(needed: int | None) -> Choice:
    plain, _, cut = sample_choice().contenders
    return replace(sample_choice(), contenders=(plain, cut), chosen=0, needed=needed)


def test_plain_is_a_full_answer_and_says_how_many_images_would_do() -> None:
    said = words.sentence(_plain(4000))

    assert said.startswith("Ship plain: nothing that costs less is certified to lose at most 1 po")
    assert "the network cut after layer1 (strided), loses 1.3 points on 1,000 test" in said
    assert said.endswith(
        "2.10 points at most; about 4,000 test images would do if they are like these."
    )
    assert "no number of such images would do" in words.sentence(_plain(None))


def test_plain_is_shipped_where_nothing_costs_less() -> None:
    found = sample_choice()
    alone = replace(found, contenders=found.contenders[:1], chosen=0)

    assert "Ship plain: nothing that may be certified costs less." == words.sentence(alone)


def test_the_code_names_a_narrow_precision() -> None:
    found = sample_choice()
    narrow = replace(found.contenders[1], precision="int8")
    found = replace(found, contenders=(found.contenders[0], narrow))

    assert 'calexnet.load("out/bundle", precision="int8")' in words.code(found, Path("out"))
    assert words.of(narrow, found).endswith("layer2 (linear) at int8, drop-1")


def test_the_error_of_the_prediction_is_the_largest_at_full_precision() -> None:
    """45 of 100 was predicted and half of plain's time measured: 10 % off; of int8 none was."""
    found = sample_choice()
    plain, cascade, _ = found.contenders
    narrow = contender(CUT, 0.4, predicted=90.0, precision="int8")

    off = words.prediction_error(replace(found, contenders=(plain, cascade, narrow)))

    assert 0.1 == pytest.approx(off)


def test_the_terminal_gets_about_ten_lines_that_end_in_the_sentence_and_the_code() -> None:
    lines = words.summary(sample_choice(), Path("out")).splitlines()
    assert "(plain is right on 91.2 % of the 1,000 test images)" in lines

    assert len(lines) <= 14
    assert words.sentence(sample_choice()) == lines[-5]
    assert "labels = network(images).labels" == lines[-1]


def test_the_page_is_whole_in_itself_and_shows_every_candidate() -> None:
    found = sample_choice()

    html = page.render(found, Path("out"))

    assert "http" not in html.replace('http-equiv="', "")
    assert "<script" not in html
    assert len(found.candidates) == html.count("</title></")  # of marks, for a pointer
    assert "A million images take 16.7 minutes on one thread of this machine, instead of 33.3 " in (
        html
    )
    assert "costs less: it loses 1.3 points on the test part" in html


def test_the_page_escapes_names() -> None:
    found = sample_choice()
    found = replace(found, data=replace(found.data, name="<b>"))

    assert "<b>" not in page.render(found, Path("out"))
