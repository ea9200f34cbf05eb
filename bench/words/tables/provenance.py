"""What the report says of the run itself: whether it counts, and what it was made of."""

from __future__ import annotations

from calexnet.bench.model.settings import subjects_of
from calexnet.bench.report.document import Report
from calexnet.bench.report.validity import Breach
from calexnet.bench.words import remedies
from calexnet.bench.words.figures import MISSING, percent, significant
from calexnet.bench.words.glossary import GLOSSARY
from calexnet.bench.words.tables.table import Column, Table, facts


def validity(report: Report) -> Table[Breach]:
    """Return the rules that the run broke, and how steady the machine was."""
    found = report.validity
    columns: tuple[Column[Breach], ...] = (
        Column("Rule", lambda row: row.rule, "word"),
        Column("Found", remedies.found, "prose"),
        Column("Allowed", lambda row: remedies.allowed(row) or "none", "prose"),
        Column("Does not stand", lambda row: remedies.claims(row.voids), "prose"),
        Column("What to do", lambda row: remedies.remedy(row.rule), "prose"),
    )
    seen = found.conditions
    notes = (
        remedies.standing(found) or "This run broke no rule: all that it claims stands.",
        f"Other processes used {percent(seen.foreign_share)} of the cores' time, the host of a "
        f"virtual machine took {percent(seen.steal_share)}. All networks were "
        "timed in turns, in rounds (blocks) of random order. The slowest round took "
        f"{significant(max(found.swing.values()))} times as long as the fastest; the last quarter "
        f"of the rounds {significant(max(found.drift.values(), key=lambda x: abs(x - 1)))} times "
        "as long as the first. A ratio compares within each round, so that such swings cancel out.",
        *([] if report.settled is None else [remedies.settled(report.settled)]),
    )
    return Table("validity", "May these numbers be used?", notes, columns, found.breaches)


def bundle(report: Report) -> Table[tuple[str, str]]:
    """Return what was measured."""
    found = report.bundle
    return facts(
        "bundle",
        "What was measured",
        (),
        (
            ("Path", found.path),
            ("SHA-256", found.sha256),
            ("Backbone", found.backbone),
            ("Branches attached at", ", ".join(found.attach)),
            ("Branch head", found.head),
            ("Targets and precisions", ", ".join(map(" ".join, subjects_of(report)))),
            ("Default operating point", found.operating_point),
            ("Method of training", found.method),
        ),
    )


def data(report: Report) -> Table[tuple[str, str]]:
    """Return the images it was measured on."""
    found = report.data
    part = {"all": "all (vouched for by the user as not used in training)"}
    return facts(
        "data",
        "The images",
        (),
        (
            ("Source", found.source),
            ("Part", part.get(found.part, found.part)),
            ("Images", f"{found.samples:,}"),
            ("SHA-256", found.sha256 or MISSING),
        ),
    )


def provenance(report: Report) -> Table[tuple[str, str]]:
    """Return how the numbers came to be."""
    found = report.provenance
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    providers = ", ".join(f"{name}: {provider}" for name, provider in found.providers.items())
    return facts(
        "provenance",
        "How it was measured",
        (),
        (
            ("Command", found.command),
            ("Started", found.started),
            ("Took", f"{significant(found.seconds)} s"),
            ("Rounds (interleaved blocks)", str(found.blocks)),
            ("Clock", found.clock),
            ("Load", found.load),
            ("Seed of the orders", str(found.seed)),
            ("Versions", versions),
            ("Back ends in use", providers or MISSING),
            ("Schema of the report", str(report.schema)),
        ),
    )


def kinds(report: Report) -> Table[tuple[str, str]]:
    """Return which figures are not plainly measured."""
    return Table(
        "kinds",
        "Kinds of figures",
        (
            "Predicted figures come from the cost model, counted ones from the graphs, estimated "
            "ones from a rated power. All others were measured on this device.",
        ),
        (
            Column("Figure", lambda pair: pair[0], "prose"),
            Column("Kind", lambda pair: pair[1], "prose"),
        ),
        tuple(report.provenance.kinds.items()),
    )


def glossary() -> Table[tuple[str, str]]:
    """Return the words that a newcomer needs."""
    return Table(
        "glossary",
        "Words",
        (),
        (
            Column("Word", lambda pair: pair[0], "word"),
            Column("Meaning", lambda pair: pair[1], "prose"),
        ),
        GLOSSARY,
    )
