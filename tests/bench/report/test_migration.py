"""Reports of older versions: their facts are kept, what they lack is said to be so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench import reporting
from calexnet.bench.page import html
from calexnet.bench.report.document import SCHEMA, Report
from calexnet.bench.report.migration import migrated
from calexnet.bench.report.task import Setting, Task
from calexnet.bench.words import markdown
from calexnet.bench.words.notes import notes
from calexnet.bench.words.verdict import sentence
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.files.schema import SchemaError
from tests.support.sample_report import sample_report

#: Each as that version wrote it, on a small bundle of digits.
OLD = Path(__file__).parent / "old"
VERSIONS = (3, 4, 5)
#: Tables whose figures every version wrote alike.
ALIKE = ("exits", "flips", "latency", "samples", "worst", "crossover")


def document(version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OLD / f"schema{version}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_report_is_read_and_rendered_whole(version: int) -> None:
    found = reporting.open_report(OLD / f"schema{version}.json")

    assert (SCHEMA, version) == (found.schema, found.provenance.schema)
    assert found == schema.decode(Report, schema.encode(found)), "and stays what it is"
    said = sentence(found.decision, found.alternatives, found.validity)
    assert said == reporting.summary(found).splitlines()[-1]
    for text in (reporting.summary(found), markdown.render(found), html.render(found)):
        assert f"in schema {version}: what it did not record is said to be so" in text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("table", ALIKE)
def test_its_figures_are_what_they_were(version: int, table: str) -> None:
    old, new = document(version), migrated(document(version))

    assert len(old[table]) == len(new[table]) > (0 if table != "flips" else -1)
    for before, after in zip(old[table], new[table], strict=True):
        assert before == {name: after[name] for name in before}


@pytest.mark.parametrize("version", [3, 4])
def test_what_was_not_recorded_is_null_and_said_to_be_so(version: int) -> None:
    found = reporting.open_report(OLD / f"schema{version}.json")

    assert {None} == {one.certificate for one in found.alternatives}
    assert found.accuracy.worst_class is None
    assert "not recorded" in markdown.render(found)


def test_the_oldest_holds_no_intervals_of_times_and_keeps_those_of_its_predictions() -> None:
    old = document(3)["amortisation"][0]
    row = reporting.open_report(OLD / "schema3.json").amortisation[0]

    assert (None, None) == (row.plain_low, row.cascade_high)
    assert (old["cascade_low"], old["cascade_high"]) == (row.prediction_low, row.prediction_high)


def test_sentences_of_broken_rules_become_numbers() -> None:
    """Half of the cores were taken; the limit was a tenth. One network had not settled."""
    old = document(4)
    old["validity"]["conditions"] |= {"foreign_share": 0.5, "steal_share": 0.0, "slowed_down": []}
    old["validity"] |= {"drift": {"1": 1.25}, "effective_blocks": {"1": 5.0}}
    old["validity"]["breaches"] = [
        {"rule": "not settled", "found": "plain, ...", "limit": "within 10.0 %"}
    ]

    found = schema.decode(Report, migrated(old)).validity

    assert [
        ("foreign load", 0.5, 0.1, None),
        ("drift", 1.25, 0.1, 1),
        ("not settled", None, 0.1, None),
    ] == [(one.rule, one.value, one.limit, one.threads) for one in found.breaches]
    assert not found.stands("verdict"), "nobody knows whose time had not settled"


def test_reasons_become_codes_and_recorded_text() -> None:
    old = document(5)
    row = {"target": "t", "precision": "p", "network": "plain", "batch": 1, "threads": 1}
    row |= {"peak_bytes": None, "before_bytes": None, "reason": "it was killed"}
    old["memory"] = [row]
    old["provenance"]["notes"] = [
        "a note",
        "Measured on all samples given, not on the recorded test part.",
    ]

    found = schema.decode(Report, migrated(old))

    assert found.memory[0].failure is not None
    assert ("said", "it was killed") == (
        found.memory[0].failure.kind,
        found.memory[0].failure.message,
    )
    assert ("a note",) == found.provenance.old_notes
    assert "a note" in notes(found)


def test_the_decision_names_what_was_faster_and_not_taken() -> None:
    old = document(4)
    chosen, unsure, lossy = old["alternatives"][:3]
    old["alternatives"] = [chosen, unsure, lossy]
    old["decision"]["name"] = chosen["name"]
    chosen |= {"ms": 2.0, "eligible": True}
    unsure |= {"ms": 1.0, "eligible": None}
    lossy |= {"ms": 1.5, "eligible": False}

    found = schema.decode(Report, migrated(old)).decision

    assert (unsure["name"], lossy["name"]) == (found.doubt, found.lossy)
    assert old["decision"]["tolerance"] == found.max_drop


def test_a_damaged_old_report_is_refused(tmp_path: Path) -> None:
    broken = document(4)
    del broken["decision"]
    (tmp_path / "report.json").write_text(json.dumps(broken), "utf-8")

    with pytest.raises(SchemaError, match=r"^no report of schema 4: KeyError\('decision'\)$"):
        migrated(broken)
    with pytest.raises(InputError, match=r"as a bench report: got no report of schema 4: "):
        reporting.open_report(tmp_path)


def test_todays_reports_are_left_as_they_are() -> None:
    today = {"schema": SCHEMA}

    assert today is migrated(today)
    with pytest.raises(SchemaError, match=rf"^schema 2, and this version reads 3 to {SCHEMA}$"):
        migrated({"schema": 2})


@pytest.mark.parametrize("schema", [[], {}, "4", None, 4.5])
def test_a_version_that_is_no_number_is_refused(schema: object) -> None:
    with pytest.raises(SchemaError, match=r"^schema .*, and this version reads "):
        migrated({"schema": schema})


@pytest.mark.parametrize(
    ("what", "task"),
    [
        ("onnxruntime fp32 plain@1", Task(Setting("onnxruntime", "fp32", 1, 2), "plain")),
        ("tflite int8 exit2@8", Task(Setting("tflite", "int8", 8, 2), "cascade", 2)),
        ("tflite int8 half1@8", Task(Setting("tflite", "int8", 8, 2), "cascade", 1, half=True)),
        ("a fp16 point margin-0@1", Task(Setting("a", "fp16", 1, 2), "cascade", name="margin-0")),
        ("a fp16 one file@1", Task(Setting("a", "fp16", 1, 2), "one file")),
        ("a fp16 one file exit3@1", Task(Setting("a", "fp16", 1, 2), "one file", 3)),
        ("a fp16 cut2@1", Task(Setting("a", "fp16", 1, 2), "cut", 2)),
        ("rival my net.onnx@4", Task(Setting("", "", 4, 2), "rival", name="my net.onnx")),
    ],
)
def test_what_had_not_settled_was_a_name_in_schema_6(what: str, task: Task) -> None:
    breach = {"rule": "not settled", "value": 1.2, "limit": 0.1, "voids": ["time"], "threads": 2}
    old: dict[str, Any] = schema.encode(sample_report())
    old["schema"] = 6
    old["validity"]["breaches"] = [{**breach, "what": what}]

    found = schema.decode(Report, migrated(old))

    (read,) = found.validity.breaches
    assert (read.task, read.what) == (task, "")
    if task.network != "rival":
        assert task.key == what
