"""Reports of older versions, brought into today's form.

Facts are carried over, or told from other facts of the same report; what was not recorded becomes
``None`` or an empty table. Sentences of old reports are given up where their facts are there, and
kept as recorded text where they are all there is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

from calexnet.bench.report.document import SCHEMA
from calexnet.files.schema import Json, SchemaError

Document = dict[str, Any]

#: What the rules of schemas 3 and 4 allowed, which wrote it as sentences.
_FOREIGN, _STEAL, _CLOCK, _DRIFT, _SETTLING, _EFFECTIVE = 0.10, 0.02, 0.10, 0.10, 0.10, 5
_ABSOLUTE = ("time", "percentile", "energy")
_OF_A_TASK = ("verdict", "ratio", "time", "percentile")
#: A sentence of old reports that `data.part` says already.
_ALL_SAMPLES = "Measured on all samples given, not on the recorded test part."
_NO_WINDOWS = "no windows were asked for"
#: How schema 6 named what was timed: ``onnxruntime fp32 exit2@8``, ``rival net.onnx@1``.
_TASK = re.compile(
    r"(?:rival (?P<rival>.+)|(?P<build>.+?) (?:(?P<network>plain|cascade|one file)"
    r"|(?P<one>one file )?exit(?P<exit>\d+)|half(?P<half>\d+)|cut(?P<cut>\d+)|point (?P<point>.+)))"
    r"@(?P<batch>\d+)",
    re.DOTALL,
)


def migrated(document: Json) -> Json:
    """Return a report's JSON in the form of `SCHEMA`; what is of this form already, unchanged.

    Raises:
        SchemaError: It is of a version that cannot be read, or damaged.
    """
    found = document.get("schema", SCHEMA) if isinstance(document, dict) else SCHEMA
    if found == SCHEMA:
        return document
    if not isinstance(found, int) or found not in _STEPS:
        raise SchemaError(f"schema {found}, and this version reads {min(_STEPS)} to {SCHEMA}")
    new: Document = copy.deepcopy(document)
    try:
        for number in range(found, SCHEMA):
            _STEPS[number](new)
        new["provenance"]["schema"] = found
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise SchemaError(f"no report of schema {found}: {problem!r}") from problem
    new["schema"] = SCHEMA
    return new


def _from_3(report: Document) -> None:
    """Give times their own intervals, which were not recorded; give up what lacks them."""
    for row in report["amortisation"]:
        for end in ("low", "high"):
            row[f"prediction_{end}"] = row.pop(f"cascade_{end}")
            row[f"plain_{end}"] = row[f"cascade_{end}"] = None
    for table in ("foretold", "segments", "energy_crossover"):
        report[table] = []


def _from_4(report: Document) -> None:
    """Take sentences out: what they told is told from the numbers that they were made of."""
    del report["headline"]
    report["validity"] = _judged(report["validity"], report["provenance"]["blocks"])
    _decided(report["decision"], report["alternatives"])
    eligible = {
        (row["target"], row["precision"], row["operating_point"]): row.pop("eligible")
        for row in report["alternatives"]
    }
    for row in report["operating_points"]:
        row["keeps"] = eligible.get((row["target"], row["precision"], row["name"]))
    for row in report["latency"]:
        row.setdefault("p95_ms", None)
    for row in report.get("gathers", ()):
        row.setdefault("counted", row["low"] > 0)


def _from_5(report: Document) -> None:
    """Turn reasons into codes or recorded text; what came within schema 5 may be missing."""
    for name in ("plain_balanced", "cascade_balanced", "worst_class"):
        report["accuracy"].setdefault(name, None)
    for row in report["alternatives"]:
        row.pop("eligible", None)
        for name in ("balanced", "worst_class", "certificate"):
            row.setdefault(name, None)
    for row in report["operating_points"]:
        for name in ("balanced", "worst_class", "keeps"):
            row.setdefault(name, None)
    decision = report["decision"]
    if "tolerance" in decision:
        decision["max_drop"] = decision.pop("tolerance")
    decision.setdefault("blocks", None)
    _reasons(report)
    provenance = report["provenance"]
    notes = provenance.pop("notes")
    provenance["old_notes"] = [note for note in notes if note != _ALL_SAMPLES]


def _reasons(report: Document) -> None:
    for row in report.get("memory", ()):
        said = row.pop("reason")
        row["failure"] = None if said is None else {"kind": "said", "message": said}
    for row in report["rivals"]:
        row["takes"] = row["gives"] = None
        row["macs_message"] = row.pop("macs_reason")
    for row in report.get("counts", ()):
        row["source_target"], _, row["source_precision"] = row.pop("source").rpartition(" ")
    method = report.get("energy_method")
    measured = method is not None and method["source"] is not None
    for row in (*report["energy"], *report.get("exit_energy", ())):
        reason = row.pop("reason")
        row["message"] = reason if measured else None
    if method is not None:
        del method["reason"]
        method["idle_message"] = method.pop("idle_reason")
        if _NO_WINDOWS in method["refused"].values():
            method["refused"] = {}


def _from_6(report: Document) -> None:
    """Take apart the name of what had not settled."""
    for breach in report["validity"]["breaches"]:
        if breach["rule"] == "not settled" and (found := _TASK.fullmatch(breach["what"])):
            breach["task"] = _task(found, breach["threads"])
            breach["what"] = ""


def _task(found: re.Match[str], threads: int) -> Document:
    build = found["build"] or ""
    target, _, precision = build.rpartition(" ")
    number = found["exit"] or found["half"] or found["cut"]
    network = found["network"] or ("cut" if found["cut"] else "cascade")
    return {
        "setting": {
            "target": target,
            "precision": precision,
            "batch": int(found["batch"]),
            "threads": threads,
        },
        "network": "rival" if found["rival"] else "one file" if found["one"] else network,
        "exit": None if number is None else int(number),
        "half": found["half"] is not None,
        "name": found["rival"] or found["point"] or "",
    }


_STEPS: dict[int, Callable[[Document], None]] = {
    3: _from_3,
    4: _from_4,
    5: _from_5,
    6: _from_6,
}


def _judged(old: Document, blocks: int) -> Document:
    """Return a validity whose breaches are codes and numbers, told from what was recorded."""
    unsettled = sum(breach["rule"] == "not settled" for breach in old["breaches"])
    breaches = [
        *_of_the_machine(old["conditions"]),
        *_of_the_pace(old, blocks),
        *[_breach("not settled", None, _SETTLING, voids=_OF_A_TASK)] * unsettled,
    ]
    kept = {name: value for name, value in old.items() if name != "valid"}
    return {**kept, "breaches": breaches}


def _of_the_machine(found: Document) -> Iterator[Document]:
    for reason in found["slowed_down"]:
        yield _breach("throttling", None, None, reason)
    for name in found["foreign"]:
        yield _breach("foreign process", None, None, name)
    for rule, share, limit in (
        ("foreign load", found["foreign_share"], _FOREIGN),
        ("stolen time", found["steal_share"], _STEAL),
    ):
        if share is not None and share > limit:
            yield _breach(rule, share, limit)
    for name, span in found["clocks_mhz"].items():
        if span["low"] < (1 - _CLOCK) * span["high"]:
            yield _breach("clocks", 1 - span["low"] / span["high"], _CLOCK, name)


def _of_the_pace(old: Document, blocks: int) -> Iterator[Document]:
    least = min(_EFFECTIVE, blocks)
    for threads, change in old["drift"].items():
        if abs(change - 1) > _DRIFT:
            yield _breach("drift", change, _DRIFT, threads=int(threads))
        effective = old["effective_blocks"][threads]
        if effective < least:
            yield _breach("unsteady pace", effective, least, threads=int(threads))


def _breach(
    rule: str,
    value: float | None,
    limit: float | None,
    what: str = "",
    threads: int | None = None,
    voids: tuple[str, ...] = _ABSOLUTE,
) -> Document:
    return {
        "rule": rule,
        "value": value,
        "limit": limit,
        "voids": [*voids],
        "what": what,
        "threads": threads,
    }


def _decided(decision: Document, networks: list[Document]) -> None:
    """Name what is faster and was not taken, as the sentences of the decision did."""
    del decision["reasons"]
    (ms,) = (one["ms"] for one in networks if one["name"] == decision["name"])
    faster = [one for one in networks if one["ms"] < ms]
    unsure = [one for one in faster if one["eligible"] is None]
    lossy = [one for one in faster if one["eligible"] is False]
    first = min(unsure, key=lambda one: one["ms"], default={"name": None})
    best = max(lossy, key=lambda one: one["accuracy"]["value"], default={"name": None})
    decision["doubt"], decision["lossy"] = first["name"], best["name"]
