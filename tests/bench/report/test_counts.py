"""Rows of counts from a manifest, and the table that a report makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.bench.report.counts import CountRow, count_rows
from calexnet.bench.report.document import Report
from calexnet.bench.words.tables.counts import count_tables
from calexnet.bundle import open_bundle
from calexnet.counts import GraphCounts, OperatorCount
from calexnet.files import schema
from tests.support.onnx_bundle import write_bundle
from tests.support.sample_report import SUBJECT, sample_report

COUNTED = GraphCounts(
    1_200_000, 74_666, 298_664, 1_130, (OperatorCount("Add", 1, 8), OperatorCount("Relu", 7, 9_000))
)


@pytest.mark.slow
def test_plain_comes_first_then_the_segments(small_bundle: Path) -> None:
    content = open_bundle(small_bundle).manifest
    (build,) = content.compiled

    rows = count_rows(content, [build])

    assert [0, 1, 2, 3] == [row.segment for row in rows]
    assert [g.counts for g in (build.plain, *build.segments)] == [row.counts for row in rows]
    assert {("onnxruntime", "fp32", "onnxruntime", "fp32")} == {
        (row.target, row.precision, row.source_target, row.source_precision) for row in rows
    }


def test_what_is_no_onnx_graph_is_counted_on_the_graph_it_was_compiled_from(
    small_bundle: Path,
) -> None:
    content = open_bundle(small_bundle).manifest
    (build,) = content.compiled
    bare = [replace(graph, counts=None) for graph in (*build.segments, build.plain)]
    flat = replace(build, target="tflite", segments=tuple(bare[:-1]), plain=bare[-1])

    rows = count_rows(replace(content, compiled=(build, flat)), [flat])

    assert [g.counts for g in (build.plain, *build.segments)] == [row.counts for row in rows]
    assert {("tflite", "onnxruntime", "fp32")} == {
        (row.target, row.source_target, row.source_precision) for row in rows
    }


@pytest.mark.slow
def test_engines_are_counted_on_the_graphs_of_their_precision(small_narrow_bundle: Path) -> None:
    content = open_bundle(small_narrow_bundle).manifest
    narrow = next(build for build in content.compiled if build.precision == "int8")
    bare = [replace(graph, counts=None) for graph in (*narrow.segments, narrow.plain)]
    engine = replace(narrow, target="tensorrt", segments=tuple(bare[:-1]), plain=bare[-1])

    (plain, *_) = count_rows(content, [engine])

    assert ("onnxruntime", "int8", narrow.plain.counts) == (
        plain.source_target,
        plain.source_precision,
        plain.counts,
    )


def test_an_older_bundle_says_nothing(tmp_path: Path) -> None:
    content = write_bundle(tmp_path / "bundle")

    rows = count_rows(content, content.compiled)

    assert [None] * 4 == [row.counts for row in rows]


def test_the_table_names_what_is_not_counted_the_largest_first() -> None:
    rows = (
        CountRow(*SUBJECT, 0, *SUBJECT, COUNTED),
        CountRow(*SUBJECT, 2, *SUBJECT, COUNTED),
        CountRow(*SUBJECT, 3, *SUBJECT, None),
    )
    report = sample_report(counts=rows)

    (table,) = count_tables(report)

    assert (
        ("plain", "1.20 M", "74.7 k", "299 k", "1.13 k", "Relu 7 (9.00 k), Add 1 (8)"),
        ("segment 2", "1.20 M", "74.7 k", "299 k", "1.13 k", "Relu 7 (9.00 k), Add 1 (8)"),
        ("segment 3 (tail)", "n/a", "n/a", "n/a", "n/a", "n/a"),
    ) == tuple(row[:-1] for row in table.rows)
    assert () == count_tables(sample_report()) == count_tables(sample_report(counts=rows[2:]))
    assert report == schema.decode(Report, schema.encode(report))
