"""The Markdown report: read back as tables, and disarmed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from calexnet.bench.words import markdown
from calexnet.bench.words.tables import amortisation as cost_tables
from calexnet.bench.words.tables import order as tables
from tests.support.sample_report import one_batch_report, sample_report


def sections(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of every table by its heading, unescaped as a Markdown reader would."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.setdefault(heading, []).append(
                [re.sub(r"\\(.)", r"\1", cell).strip() for cell in cells]
            )
    return found


def test_a_table_reads_back_as_it_is() -> None:
    report = sample_report()
    for table in tables.tables(report):
        if table.records:
            head, rule, *rows = sections(markdown.section(table))[table.title]
            assert head == [column.title for column in table.columns]
            assert len(rule) == len(head)
            assert tuple(map(tuple, rows)) == table.rows


def test_the_report_is_short_and_what_is_left_out_is_said_to_be_elsewhere() -> None:
    """A build more is a row more in most tables, so tables give way and not sentences."""
    report = sample_report()
    large = replace(report, amortisation=report.amortisation * 200)

    for found in (report, large):
        text = markdown.render(found)
        assert len(re.findall(r"\S*\w\S*", text)) <= markdown.MOST_WORDS
        assert text.endswith("and as CSV in the folder tables beside it.\n")
        assert "## What decides" in text
        assert text.index("What next: ") < text.index("## What decides")
    assert "## Time by batch size" not in markdown.render(large)


def test_figures_of_the_report_are_there() -> None:
    found = sections(markdown.section(cost_tables.amortisation(sample_report())))
    assert found["Time by batch size"][2] == [
        "1",
        "1",
        "20.0",
        "12.0",
        "0.600 (0.580 to 0.620)",
        "11.4",
        "-5.0 %",
        "\u00b1 6.7 %",
        "yes",
    ]


def test_figures_are_set_to_the_right() -> None:
    found = sections(markdown.section(cost_tables.crossover(sample_report())))
    assert found["How many images must leave early"][1] == ["---:", "---:", "---:", "---:", "---"]


def test_the_verdict_comes_before_every_table() -> None:
    text = markdown.render(sample_report())
    assert text.startswith(
        "# Do early exits pay? resnet18 on ARM Cortex-A76\n\n**Ship the cascade.** Ship the"
    )
    assert text.index("12.4 ms an image") < text.index("\n| ")


def test_the_notes_of_the_run_come_first_and_only_if_there_are_any() -> None:
    text = markdown.render(sample_report())
    assert text.index("## Before you read on") < text.index("## What decides")
    quiet = sample_report(provenance=replace(sample_report().provenance, old_notes=()))
    assert "Before you read on" not in markdown.render(quiet)


def test_no_markup_of_the_user_survives() -> None:
    text = markdown.render(sample_report())
    assert not re.search(r"(?<!\\)<", text)
    assert r"cats \<script\>alert(" in text


@pytest.mark.parametrize("sign", list(r"\`*_[]<>|~#&$"))
def test_every_special_sign_is_escaped(sign: str) -> None:
    assert markdown.escape(f"a{sign}b") == f"a\\{sign}b"


def test_a_line_break_cannot_end_a_table() -> None:
    assert markdown.escape("a\n\n| b") == r"a \| b"


def test_a_table_without_rows_says_so() -> None:
    after = markdown.section(cost_tables.amortisation(sample_report(amortisation=())))
    assert "Nothing was measured here." in after
    assert "|" not in after


def test_one_batch_renders() -> None:
    assert markdown.render(one_batch_report()).startswith("# Do early exits pay?")
