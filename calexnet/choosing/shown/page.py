"""A choice as one self-contained page, in the look of a report's."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from calexnet.bench.page import markup
from calexnet.bench.words.figures import (
    MISSING,
    amount,
    at_most,
    changed,
    counted,
    percent,
    points,
    significant,
)
from calexnet.bench.words.tables.table import Column, Table
from calexnet.choosing import choice
from calexnet.choosing.choice import Candidate, Choice, Contender
from calexnet.choosing.shown import words
from calexnet.choosing.shown.plot import frontier

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'"
_MILLION = 1_000_000


def render(found: Choice, folder: Path) -> str:
    """Return the page.

    Args:
        found: The facts.
        folder: Where the choice is, for the code that loads it.
    """
    title = escape(f"What to ship: {', '.join(found.asked.models)} on {found.data.name}")
    style = files("calexnet.bench.page").joinpath("page.css").read_text("utf-8")
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>",
            f'<header>\n<h1>{title}</h1>\n<p class="byline">{_byline(found)}</p>\n</header>',
            _verdict(found, folder),
            _part("frontier-part", "Everything that was looked at", _frontier(found)),
            _part("measured", "What was built, measured and tested", _measured(found)),
            _part("asked", "What was asked for, and of what it holds", _asked(found)),
            "</main>\n</body>\n</html>\n",
        )
    )


def _byline(found: Choice) -> str:
    data = found.data
    images = f"{counted(data.train, 'image')} trained, {data.calibration:,} chose"
    looked = counted(len(found.candidates), "candidate")
    return escape(f"{images}, {data.test:,} tested; {looked}, builds of the best measured")


def _part(anchor: str, title: str, inside: str) -> str:
    return f'<section class="part" id="{anchor}">\n<h2>{escape(title)}</h2>\n{inside}\n</section>'


def _verdict(found: Choice, folder: Path) -> str:
    best = found.winner
    style = {"network": "smaller-model"}.get(kind := choice.kind(best.chain, found.reference), kind)
    code = "\n".join(map(escape, words.code(found, folder).splitlines()))
    return (
        f'<section class="verdict {style.replace(" ", "-")}" id="verdict">\n<h2>What to ship</h2>\n'
        f'<p class="decision">{markup.text(words.sentence(found))}</p>\n'
        f"{markup.bullets(_why(found))}\n<pre>{code}</pre>\n</section>"
    )


def _why(found: Choice) -> list[str]:
    """Return why this one, and what it comes to."""
    best, plain = found.winner, found.plain
    said = []
    if best.ms is not None and plain.ms is not None:
        instead = "" if best is plain else f", instead of {_duration(plain.ms)}"
        takes = f"A million images take {_duration(best.ms)} on one thread of this machine"
        said.append(f"{takes}{instead}.")
    if found.asked.objective == "joules":
        used = (significant(one.objective * _MILLION / 3.6e6) for one in (best, plain))
        said.append("A million images use {} kWh instead of {}.".format(*used))
    cheaper = [
        one
        for one in found.contenders
        if one.objective < best.objective and one.standing not in ("reference", "passed")
    ]
    said += [f"{_capital(words.of(one, found))} costs less: {_but(one)}." for one in cheaper[:2]]
    return said


def _but(one: Contender) -> str:
    if one.standing == "breaks a limit":
        broken = [figure for figure in one.figures if not figure.kept]
        told = (
            f"{f.text} is {MISSING if f.value is None else significant(f.value)}" for f in broken
        )
        return f"it breaks a limit ({', '.join(told)})"
    if one.standing == "failed":
        return f"it {changed(-one.test.drop)} on the test part, which is not sure enough"
    return "it was not tested, as one that is surer had failed, or won"


def _duration(ms: float) -> str:
    """Return what a million images take, in the largest unit that is at least 1."""
    seconds = ms * _MILLION / 1e3
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{significant(seconds / size)} {unit}"
    return f"{significant(seconds)} seconds"


def _frontier(found: Choice) -> str:
    caption = (
        "Each mark is a candidate: its exits, and the thresholds at which it looked best, as the "
        "search saw it on calibration images. An open mark would probably not be certified by so "
        "many test images; one at the lower edge loses more than the scale shows."
    )
    table = Table(
        "candidates",
        "Candidates",
        (),
        (
            Column[Candidate](
                "Network",
                lambda one: words.name(one.chain, found.reference) + words.at(one.precision),
                "prose",
            ),
            Column("Of plain", lambda one: percent(one.cost / found.plain.predicted)),
            Column("Lost, points", lambda one: points(one.counts.drop)),
            Column("Leave at each exit", lambda one: ", ".join(map(percent, one.rates)), "prose"),
            Column("Price", lambda one: MISSING if one.price is None else f"{one.price:g}"),
        ),
        found.candidates,
    )
    return (
        f"{markup.paragraph(caption)}\n<figure>{markup.panels([frontier(found)])}</figure>\n"
        + markup.fold(f"All {counted(len(found.candidates), 'candidate')}", markup.grid(table))
    )


def _measured(found: Choice) -> str:
    sure = f"{100 * (1 - found.alpha):g} %"
    notes = [
        f"In the order of their tests, the surest on calibration images first, as far as the first "
        f"that failed; with {sure} confidence all that are certified lose at most "
        f"{at_most(found.asked.max_drop)} on images like these. Times are of single images on one "
        "thread, against plain in the same blocks, on calibration images.",
    ]
    off = words.prediction_error(found)
    if off is not None:
        notes.append(f"Predicted costs were off by {percent(off)} at most.")
    if found.fallen:
        notes.append(
            f"The machine was too busy or unsteady for claims about {', '.join(found.fallen)}; "
            "ratios stand all the same, unless they are among these."
        )
    return markup.paragraphs(notes) + markup.grid(_contenders(found))


def _contenders(found: Choice) -> Table[Contender]:
    limits = [
        Column[Contender](limit.text, lambda one, k=k: _figure(one, k))  # type: ignore[misc]
        for k, limit in enumerate(found.asked.limits)
    ]
    columns = (
        Column[Contender]("Network", lambda one: _marked(one, found), "prose"),
        Column("Time of plain", lambda one: _ratio(one)),
        Column("ms", lambda one: significant(one.ms)),
        *limits,
        Column("Lost, calibration", lambda one: points(one.calibration.drop)),
        Column("Lost, test", lambda one: points(one.test.drop)),
        Column("At most", lambda one: MISSING if one.upper is None else f"{100 * one.upper:.2f}"),
        Column("p", lambda one: MISSING if one.p is None else f"{one.p:.2g}"),
        Column("Verdict", words.standing, "word"),
    )
    return Table("contenders", "Measured", (), columns, found.contenders)


def _marked(one: Contender, found: Choice) -> str:
    return words.of(one, found) + (" \u2190 ship this" if one is found.winner else "")


def _ratio(one: Contender) -> str:
    if (found := one.ratio) is None:
        return MISSING
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _figure(one: Contender, place: int) -> str:
    return significant(one.figures[place].value)


def _asked(found: Choice) -> str:
    asked, best = found.asked, found.winner
    said = [
        f"Made small: {asked.objective}. May be lost: {at_most(asked.max_drop)} of plain "
        f"{found.reference}'s accuracy."
    ]
    said += [f"Has to be kept: {limit.text}." for limit in asked.limits]
    said += [f"{one.name} may lose {at_most(one.max_drop)}." for one in asked.classes]
    said += [
        f"The network {one.name}: {amount(one.macs)}MACs, exits after {', '.join(one.places)}."
        for one in found.networks
    ]
    said.append(
        f"The certificate is of {best.target} at {best.precision} on {', '.join(found.machine)}, "
        "and of images like the test part's, alone."
    )
    told = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    said.append(f"Effort {asked.effort}; {told}; {found.seconds:.0f} s after training.")
    return markup.bullets(said)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
