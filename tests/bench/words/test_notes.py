"""What a reader should know of the run before any figure."""

from __future__ import annotations

from dataclasses import replace

from calexnet.bench.page import html
from calexnet.bench.report.document import LeftOut, StandIn
from calexnet.bench.words import markdown
from calexnet.bench.words.notes import notes
from tests.support.sample_report import sample_report


def test_every_fact_of_the_run_is_a_sentence() -> None:
    plain = replace(sample_report().provenance, old_notes=())
    found = sample_report(
        left_out=(LeftOut("tflite", "int8", "LiteRT is missing"),),
        data=replace(sample_report().data, part="all"),
        provenance=replace(plain, resumed=1, tree=StandIn("recorded", "a board"), schema=4),
    )

    assert () == notes(sample_report(provenance=plain))
    left_out, old, tree, resumed, everything = notes(found)
    assert left_out == "tflite int8 was not measured: LiteRT is missing"
    assert "in schema 4: what it did not record is said to be so" in old
    assert "read from a tree of files (recorded: a board), as CALEXNET_SYSFS_ROOT says" in tree
    assert resumed == "1 block was measured in an earlier run that was cut short."
    assert everything == "Measured on all samples given, not on the recorded test part."


def test_certificates_of_images_that_belong_together_are_told_to_be_too_sure() -> None:
    found = sample_report(data=replace(sample_report().data, group="folder"))

    (said,) = (note for note in notes(found) if "folder" in note)
    assert "belong together by folder, and certificates here take each by itself" in said
    assert said in markdown.render(found)
    assert said in html.render(found)
