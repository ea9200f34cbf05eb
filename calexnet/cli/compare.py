"""``calexnet compare``: two bench reports in; what became faster or slower, and how surely."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet.files import schema
from calexnet.files.storage import staged_file

if TYPE_CHECKING:
    from calexnet.bench.model.compare import ChangeRow, Compared
    from calexnet.bench.report.document import Report

HELP = "Compare two bench reports: what became faster or slower, and how surely."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("a", type=Path, help="the old report: folder or JSON file")
    parser.add_argument("b", type=Path, help="the new one")
    parser.add_argument(
        "--within",
        type=float,
        default=5.0,
        metavar="PER_CENT",
        help="the smallest change that matters; what is surely smaller is the same (default 5)",
    )
    parser.add_argument(
        "--across",
        action="append",
        default=[],
        metavar="KIND",
        help="compare all the same though they differ in this: device, clocks, threads, rails, "
        "images, load, provider, or invalid for an invalid run; any number",
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="GATE",
        help='end with exit code 1 if this is true, for example "ratio.low>1.05" or "slower>0"; '
        "any number",
    )
    parser.add_argument(
        "--relative",
        action="store_true",
        help="times over plain's in the same run: what is left when the machine itself is faster "
        "or slower",
    )
    parser.add_argument(
        "--all", action="store_true", help="single exits and other operating points too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; a failed gate is exit code 1."""
    from calexnet.bench.gates import grammar as gates
    from calexnet.bench.gates.change import METRICS
    from calexnet.bench.model.compare import compare
    from calexnet.bench.reporting import open_report

    asked = [gates.parse(text, METRICS) for text in arguments.fail_if]
    a, b = open_report(arguments.a), open_report(arguments.b)
    compared = compare(
        a,
        b,
        within=arguments.within / 100,
        across=arguments.across,
        relative=arguments.relative,
        everything=arguments.all,
    )
    print("\n".join(lines(a, b, compared)))
    if arguments.json is not None:
        _write(compared, arguments.json)
    return gates.report(gates.check(asked, compared, METRICS))


def lines(a: Report, b: Report, compared: Compared) -> Iterator[str]:
    """Yield the comparison as lines for a terminal."""
    from calexnet.bench.model.compare import name

    yield f"A: {_what(a)}"
    yield f"B: {_what(b)}"
    yield from (f"Compared across {one.words}" for one in compared.across)
    yield from _versions(a, b)
    names = [
        name((row.target, row.precision, row.network, row.batch, row.threads))
        for row in compared.rows
    ]
    width = max(map(len, names))
    yield ""
    yield f"{'':{width}}  {'A':>13}  {'B':>13}  B / A, 95 % interval"
    for label, row in zip(names, compared.rows, strict=True):
        yield f"{label:{width}}  {_line(row)}"
    yield ""
    yield from _only("A", compared.only_a)
    yield from _only("B", compared.only_b)
    yield _counted(compared)


def _what(report: Report) -> str:
    found = report.bundle
    return (
        f"{found.backbone}, {found.operating_point}, bundle {found.sha256[:12]}, on "
        f"{report.device.model}, {report.provenance.started}"
    )


def _versions(a: Report, b: Report) -> Iterator[str]:
    """Yield every package whose version changed."""
    one, other = a.provenance.versions, b.provenance.versions
    for package in dict.fromkeys((*one, *other)):
        before, after = one.get(package, "not used"), other.get(package, "not used")
        if before != after:
            yield f"{package}: {before} against {after}"


def _line(row: ChangeRow) -> str:
    from calexnet.bench.words.figures import interval, ratio, significant

    unit = {"time": "ms", "relative": "x plain", "energy": "mJ"}[row.quantity]
    before, after = (f"{significant(value)} {unit}" for value in (row.a, row.b))
    found = interval(ratio, row.ratio.value, row.ratio.low, row.ratio.high)
    return f"{before:>13}  {after:>13}  {found:<22}  {row.change}"


def _only(which: str, names: tuple[str, ...]) -> Iterator[str]:
    if names:
        yield f"Only {which} measured: {'; '.join(names)}"


def _counted(compared: Compared) -> str:
    changes = dict.fromkeys(row.change for row in compared.rows)
    counts = ", ".join(f"{compared.count(change)} {change}" for change in changes)
    return f"{counts}. A change within {100 * compared.within:g} % either way counts as the same."


def _write(compared: Compared, path: Path) -> None:
    document = json.dumps(schema.encode(compared), indent=1, ensure_ascii=False, allow_nan=False)
    with staged_file(path) as stage:
        stage.write_text(document + "\n", "utf-8")
