"""Which images leave where: a table, and a contact sheet for every exit. After figure A2.1.

The sheets hold images of the data set: its licence says whether they may be passed on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet import arguments as kinds
from calexnet import data
from calexnet.analysis import operating, sources
from calexnet.analysis.artefact import Artefact, Draw
from calexnet.analysis.operating import Taken
from calexnet.bench.words.figures import MISSING, counted, percent
from calexnet.bench.words.tables.table import Column, Table
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.gating import chosen_labels
from calexnet.sweep.results import Cell
from calexnet.sweep.spec import hash_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Which images leave where, with a contact sheet for every exit."

_COLUMNS, _LINES = 8, 4
_LONGEST = 20


@dataclass(frozen=True)
class Image:
    """One test image: where it is in the data set, where it left, with what."""

    position: int
    exit: int
    truth: str
    answer: str
    score: float


@dataclass(frozen=True)
class Row:
    """Who leaves at one exit.

    Attributes:
        exit: From 1; the last is the backbone's own head.
        images: That leave there.
        rate: As a share of all.
        accuracy: Of their answers; ``None`` if there are none.
        backbone_accuracy: What the backbone would have been on them.
        more: The classes most overrepresented here, with their share here over their share of all.
    """

    exit: int
    images: int
    rate: float
    accuracy: float | None
    backbone_accuracy: float | None
    more: tuple[str, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    parser.add_argument("--data", required=True, help="the data set of the sweep, for its images")
    kinds.data_root(parser)
    parser.add_argument("--cell", help="name of a cell; the first of calexnet by default")
    operating.configure(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the images that are shown")


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return the table of exits and a contact sheet for each."""
    cell = pick(sources.read(arguments), arguments.cell)
    samples = data.load(arguments.data, arguments.data_root)
    if hash_of(samples) != cell.result.spec.data.sha256:
        raise InputError(
            f"{samples.name} is not the data set of this sweep",
            got=f"SHA-256 {hash_of(samples)[:12]}...",
            expected=f"{cell.result.spec.data.sha256[:12]}... of {cell.result.spec.split.data}",
        )
    taken = operating.near(cell, arguments.saving)
    images, rows = tell(cell, taken)
    return Artefact(
        "exemplars",
        (_table(rows, cell, taken), Table("images", "Every image", (), (), tuple(images))),
        {_caption(row): _sheet(row, images, samples, arguments.seed) for row in rows if row.images},
    )


def pick(cells: Sequence[Cell], name: str | None) -> Cell:
    """Return the cell of that name, or the first of calexnet, or the first.

    Raises:
        InputError: There is none of that name.
    """
    by_name = {cell.result.spec.axes.name: cell for cell in cells}
    if name is None:
        ours = [cell for cell in cells if cell.result.spec.axes.method == "calexnet"]
        return (ours or list(cells))[0]
    if name not in by_name:
        raise InputError("no such cell", got=name, expected=f"one of {'; '.join(by_name)}")
    return by_name[name]


def tell(cell: Cell, taken: Taken) -> tuple[list[Image], list[Row]]:
    """Return where each test image leaves, and a summary of each exit."""
    test, names = cell.answers.test, cell.result.classes
    answers = chosen_labels(test.table, taken.exits)
    scores = test.table.scores[taken.exits - 1, np.arange(len(test))]
    images = [
        Image(int(position), int(exit), names[truth], names[answer], float(score))
        for position, exit, truth, answer, score in zip(
            test.positions, taken.exits, test.truth, answers, scores, strict=True
        )
    ]
    right, backbone = answers == test.truth, test.table.labels[-1] == test.truth
    rows = []
    for exit in range(1, test.table.branches + 2):
        here = taken.exits == exit
        rows.append(
            Row(
                exit,
                int(here.sum()),
                float(here.mean()),
                float(right[here].mean()) if here.any() else None,
                float(backbone[here].mean()) if here.any() else None,
                overrepresented(test.truth, here, names) if here.any() else (),
            )
        )
    return images, rows


def overrepresented(
    truth: NDArray[np.int32], here: NDArray[np.bool_], names: Sequence[str], most: int = 3
) -> tuple[str, ...]:
    """Return the classes whose share among `here` is largest against their share of all."""
    everyone = np.bincount(truth, minlength=len(names)) / len(truth)
    mine = np.bincount(truth[here], minlength=len(names)) / here.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.where(everyone > 0, mine / everyone, 0.0)
    order = np.argsort(-lift, kind="stable")[:most]
    return tuple(f"{names[c]} ({lift[c]:.1f}x)" for c in order if lift[c] > 1)


def _caption(row: Row) -> str:
    return (
        f"Some of the {counted(row.images, 'test image')} that leave at exit {row.exit}, drawn at "
        f"random. Answered rightly: {percent(row.accuracy)}. Crossed out: answered wrongly."
    )


def _table(rows: Sequence[Row], cell: Cell, taken: Taken) -> Table[Row]:
    attach = [*(str(b.get("attach", "")) for b in cell.result.branches), "backbone"]
    columns: tuple[Column[Row], ...] = (
        Column("Exit", lambda row: str(row.exit)),
        Column("After", lambda row: attach[row.exit - 1], "word"),
        Column("Images", lambda row: f"{row.images:,}"),
        Column("Share", lambda row: percent(row.rate)),
        Column("Accuracy", lambda row: percent(row.accuracy)),
        Column("Backbone's on them", lambda row: percent(row.backbone_accuracy)),
        Column("Leave here most", lambda row: ", ".join(row.more) or MISSING, "prose"),
    )
    notes = (
        f"{cell.result.spec.axes.name}, where it saves {percent(taken.saved)} of the FLOPs on the "
        "test part. Classes: their share here over their share of all test images.",
    )
    return Table("exemplars", "Which images leave where", notes, columns, tuple(rows))


def _sheet(row: Row, images: Sequence[Image], samples: Dataset, seed: int) -> Draw:
    here = [image for image in images if image.exit == row.exit]
    order = np.random.default_rng(seed).permutation(len(here))[: _COLUMNS * _LINES]
    return partial(_draw, row=row, shown=[here[i] for i in order], samples=samples)


def _draw(figure: Figure, row: Row, shown: Sequence[Image], samples: Dataset) -> None:
    figure.set_size_inches(_COLUMNS * 0.9, _LINES * 1.05 + 0.4)
    figure.suptitle(f"exit {row.exit}: {row.images:,} images, {percent(row.accuracy)} right")
    for axes, image in zip(figure.subplots(_LINES, _COLUMNS).flat, shown, strict=False):
        axes.imshow(samples.images[image.position], interpolation="nearest")
        axes.set_title(_short(image.answer), fontsize=5, pad=2)
        if image.answer != image.truth:
            axes.set_title(f"{_short(image.answer)}\nis {_short(image.truth)}", fontsize=5, pad=2)
            axes.plot([0, 1], [0, 1], color="#d55e00", lw=1, transform=axes.transAxes)
    for axes in figure.axes:
        axes.set_axis_off()


def _short(name: str) -> str:
    """Return a class's name, cut to what fits over its image."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
