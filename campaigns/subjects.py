"""What the fuzz campaign damages, and what reads it: one kind of data each."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from calexnet.errors import CalexnetError
from campaigns import damage

Files = dict[str, bytes]

#: Drawn beside one another: meters' logs in the forms that are known.
LOGS = (
    "time,power_mW\n",
    "time (s),current (A),voltage (V),power (W)\n",
    "timestamp,amps,voltage_v\n",
    "Time(ms),Main Avg Current(mA),Main Avg Voltage(V)\n",
    "t;W\n",
    "",
)


@dataclass(frozen=True)
class Subject:
    """One kind of data.

    Attributes:
        make: Writes sound data into a folder.
        damaged: Returns the files of such a folder with one thing wrong.
        read: Reads such a folder as a user's command or app would.
        sound: The one file that is read, ``None`` = all of them.
    """

    make: Callable[[Path], None]
    damaged: Callable[[Files, Random], Files]
    read: Callable[[Path], None]
    sound: str | None = None


def make_run(folder: Path) -> None:
    """Write a run that was trained in a second or two."""
    from calexnet.training import checkpoint
    from tests.support.small_cascade import small_data, train

    checkpoint.save(train(small_data()), folder)


def make_bundle(folder: Path) -> None:
    """Write a bundle for onnxruntime and tflite."""
    from calexnet.export import export_bundle, export_run

    run = folder.with_name("for-bundle")
    run.mkdir()
    make_run(run)
    export_run(run, folder)
    export_bundle(folder, folder, target="tflite")


def make_data(folder: Path) -> None:
    """Write a data set as one file."""
    from calexnet.data import npz
    from tests.support.small_cascade import small_data

    npz.save(small_data(40), folder / "data.npz")


def make_report(folder: Path) -> None:
    """Write a report."""
    from calexnet.files import schema
    from tests.support.sample_report import sample_report

    (folder / "report.json").write_text(json.dumps(schema.encode(sample_report())), "utf-8")


def make_log(folder: Path) -> None:
    """Write meters' logs, one a form."""
    random = np.random.default_rng(0)
    for number, heading in enumerate(LOGS):
        cells, comma = max(2, heading.count(",") + 1), ";" if ";" in heading else ","
        rows = (
            comma.join(
                [f"{1795980000 + 0.1 * i:.3f}", *(f"{x:.3f}" for x in random.random(cells - 1))]
            )
            for i in range(30)
        )
        (folder / f"{number}.csv").write_text(heading + "\n".join(rows) + "\n", "utf-8")


def make_plan(folder: Path) -> None:
    """Write a plan."""
    from calexnet.costs import SegmentTimes
    from calexnet.runtimes.plan import Plan, Stamp

    times = SegmentTimes((1, 2, 8), ((0.1, 0.2, 0.8), (0.3, 0.4, 1.0), (0.2, 0.3, 0.9)))
    stamp = Stamp("0" * 64, "onnxruntime", "fp32", 1, "onnxruntime-1.0")
    (folder / "plan.json").write_text(Plan(times, (0.0, 0.01, 0.01), stamp).to_json(), "utf-8")


def make_cells(folder: Path) -> None:
    """Write a sweep's cell."""
    from tests.support.sample_cells import answers, axes, save

    save(axes(), answers(count=60), folder)


def damaged_bundle(files: Files, random: Random) -> Files:
    """Change the manifest and seal it again, or leave it at that, or damage any file."""
    if random.random() < 0.75:
        document = json.loads(files["manifest.json"])
        return files | {
            "manifest.json": damage.of_json(document, random, seal=random.random() < 0.95)
        }
    name = random.choice(sorted(files))
    return files | {name: damage.of_bytes(files[name], random)}


def damaged_graph(files: Files, random: Random) -> Files:
    """Change an ONNX graph of a bundle, and have the manifest vouch for it."""
    name = random.choice([path for path in sorted(files) if path.endswith(".onnx")])
    change = random.choice((damage.of_onnx, damage.of_onnx, damage.of_bytes))
    return vouched(files, name, change(files[name], random))


def damaged_tflite(files: Files, random: Random) -> Files:
    """Damage a TFLite file of a bundle, and have the manifest vouch for it."""
    name = random.choice([path for path in sorted(files) if path.endswith(".tflite")])
    return vouched(files, name, damage.of_bytes(files[name], random))


def vouched(files: Files, name: str, data: bytes) -> Files:
    """Return a bundle's files with one changed, whose hash and size the manifest has."""
    from calexnet.files import selfhash

    document = json.loads(files["manifest.json"])
    for build in document["compiled"]:
        for graph in (*build["segments"], build["plain"]):
            if graph["file"]["path"] == name:
                graph["file"] |= {"sha256": sha256(data).hexdigest(), "size": len(data)}
    return files | {name: data, "manifest.json": selfhash.signed(document)}


def damaged_run(files: Files, random: Random) -> Files:
    """Change a run's record and seal it again, or damage a file that it vouches for.

    A record may have another form then, or the same and contradict itself.
    """
    document = json.loads(files["cascade.json"])
    drawn = random.random()
    if drawn < 0.35:
        return files | {"cascade.json": damage.of_json(document, random, seal=True)}
    if drawn < 0.75:
        changed = json.loads(damage.of_values(document, random))
        return files | {"cascade.json": damage.of_json_sealed(changed)}
    name = random.choice([path for path in sorted(files) if path != "cascade.json"])
    data = damage.of_bytes(files[name], random)
    document["files"][name] = sha256(data).hexdigest()
    return files | {name: data, "cascade.json": damage.of_json_sealed(document)}


def damaged_arrays(files: Files, random: Random) -> Files:
    """Damage the bytes of an ``.npz``, or the arrays in it."""
    if random.random() < 0.4:
        return {"data.npz": damage.of_bytes(files["data.npz"], random)}
    arrays: dict[str, Any] = dict(np.load(io.BytesIO(files["data.npz"])))
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice((*arrays, "labels", "images", "official", "resize", "skipped", "x"))
        arrays[name] = damage.of_array(arrays.get(name, np.arange(40)), random)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return {"data.npz": stream.getvalue()}


def damaged_document(files: Files, random: Random) -> Files:
    """Change the one JSON document that there is; a sealed one is sealed again."""
    ((name, data),) = ((name, data) for name, data in files.items() if name.endswith(".json"))
    if random.random() < 0.1:
        return files | {name: damage.of_bytes(data, random)}
    document = json.loads(data)
    return files | {name: damage.of_json(document, random, seal="sha256" in document)}


def contradicting(files: Files, random: Random) -> Files:
    """Damage the one JSON document that there is, or let it contradict itself."""
    if random.random() < 0.3:
        return damaged_document(files, random)
    ((name, data),) = ((name, data) for name, data in files.items() if name.endswith(".json"))
    document = json.loads(data)
    changed = damage.of_values(document, random)
    if "sha256" in document:
        changed = damage.of_json_sealed(json.loads(changed))
    return files | {name: changed}


def damaged_log(files: Files, random: Random) -> Files:
    """Damage a meter's log, or put a strange word into it."""
    name = random.choice(sorted(files))
    data = files[name]
    if random.random() < 0.6:
        words = (
            b"NaN",
            b"-inf",
            b"1e999",
            b"\0",
            b'"',
            b"1,5",
            b"12:00",
            b"2026-13-40T00:00:00Z",
            b"\xff",
            b"9" * 400,
            b";",
            b",",
            b"\n",
            b"W",
            b"ms",
            b"time",
            b"#",
            b"\r",
            b"mW",
            b"9999-12-31T23:59:59Z",
            b"0001-01-01 00:00:00",
            b"1e300",
            b"\xe2\x80\xa8",
        )
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(data) + 1)
            data = data[:at] + random.choice(words) + data[at + random.choice((0, 1, 5)) :]
        return {name: data}
    return {name: damage.of_bytes(data, random)}


def read_bundle(folder: Path, target: str | None = None) -> None:
    """Load a bundle and answer two images."""
    import calexnet

    cascade = calexnet.load(folder, target=target, threads=1, cache=False)
    cascade(np.zeros((2, 8, 8, 3), np.uint8), probabilities=True)


def read_graphs(folder: Path) -> None:
    """Load a bundle's ONNX graphs and answer, and take one of them for a rival's."""
    with contextlib.suppress(CalexnetError):
        read_rival(next(folder.rglob("plain.onnx")))
    read_bundle(folder, "onnxruntime")


def read_tflite(folder: Path) -> None:
    """Load a bundle's TFLite files and answer, and take one of them for a rival's."""
    with contextlib.suppress(CalexnetError):
        read_rival(next(folder.rglob("plain.tflite")))
    read_bundle(folder, "tflite")


def read_rival(path: Path) -> None:
    """Open a file as a classifier from outside, and answer two images."""
    from calexnet.images.preprocessing import Preprocessing
    from calexnet.runtimes.classifier import open_classifier

    looks = Preprocessing(8, 8, (0.45, 0.5, 0.55), (0.2, 0.25, 0.3))
    open_classifier(path, looks, 4, threads=1)


def read_run(folder: Path) -> None:
    """Load a run, answer two of its samples, and ask what is told of it."""
    from calexnet.gating import choose_exits
    from calexnet.training import runs

    cascade, _ = runs.load(folder)
    spec = cascade.spec
    exits = cascade.answer(cascade.samples.images[:2])
    for point in spec.operating_points:
        choose_exits(exits, point.table())
    _ = cascade.macs(), cascade.parameters(), spec.known_cuts(), spec.cut_after(1)


def read_data(folder: Path) -> None:
    """Read a data set and divide it."""
    from calexnet.data import npz
    from calexnet.data.split import divide

    divide(npz.load(folder / "data.npz"), 0)


def read_report(folder: Path) -> None:
    """Read a report, show it in every form, and compare it with itself and with a sound one."""
    from calexnet.bench import reporting
    from calexnet.bench.model.comparable import ACROSS
    from calexnet.bench.model.compare import compare
    from calexnet.bench.page import html
    from calexnet.bench.words import markdown
    from calexnet.cli.compare import lines
    from tests.support.sample_report import sample_report

    report = reporting.open_report(folder)
    reporting.summary(report), markdown.render(report), html.render(report)
    reporting.write_tables(report, folder)
    with contextlib.suppress(CalexnetError):
        for one in (report, sample_report()):
            list(lines(one, report, compare(one, report, across=tuple(ACROSS), everything=True)))
    list(lines(report, report, compare(report, report, across=tuple(ACROSS), relative=True)))


def read_log(folder: Path) -> None:
    """Read a meter's log, with and without the volts of a supply."""
    from calexnet.devices.power_log import read_log as read

    (path,) = folder.iterdir()
    with contextlib.suppress(CalexnetError):
        read(path, 5.0)
    read(path)


def read_plan(folder: Path) -> None:
    """Read a plan and ask it."""
    from calexnet.runtimes.plan import Plan

    plan = Plan.from_json((folder / "plan.json").read_text("utf-8", errors="surrogateescape"))
    for segment in range(plan.segments):
        plan.gathers(segment, 4, 2)


def read_cells(folder: Path) -> None:
    """Read a sweep's cells with their answers and rules, and make tables of them."""
    from calexnet.analysis import artefact
    from calexnet.analysis.recipes import recipes
    from calexnet.analysis.statics import statics, table
    from calexnet.analysis.summary import plain
    from calexnet.sweep import results

    cells = results.read(folder)
    for cell in cells:
        _ = cell.answers, cell.rule, plain(cell.answers), results.finished(cell.result.spec, folder)
    artefact.as_csv(table(statics(recipes(cells), 0)))


SUBJECTS = {
    "bundles": Subject(make_bundle, damaged_bundle, read_bundle),
    "graphs": Subject(make_bundle, damaged_graph, read_graphs),
    "tflite": Subject(make_bundle, damaged_tflite, read_tflite),
    "runs": Subject(make_run, damaged_run, read_run),
    "npz": Subject(make_data, damaged_arrays, read_data),
    "reports": Subject(make_report, contradicting, read_report),
    "logs": Subject(make_log, damaged_log, read_log, "0.csv"),
    "plans": Subject(make_plan, damaged_document, read_plan),
    "cells": Subject(make_cells, contradicting, read_cells),
}
