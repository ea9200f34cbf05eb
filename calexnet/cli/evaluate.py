"""``calexnet evaluate``: a trained cascade on its test part, promises beside what was kept."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet import arguments as kinds
from calexnet import data, models
from calexnet.calibration import OperatingPoint, class_hits, cut_point, operating_point
from calexnet.cli.certificates import certificates, certificates_by_group
from calexnet.cli.head_costs import head_costs
from calexnet.cli.train import tell_chance, tell_uncalibrated
from calexnet.costs import Macs
from calexnet.data.groups import group_names
from calexnet.data.split import recorded_calibration_part, recorded_test_part
from calexnet.errors import InputError
from calexnet.gating import ExitTable
from calexnet.models import ModelCascade, ModelCascadeSpec
from calexnet.models.asking import asked
from calexnet.progress import Progress
from calexnet.training import runs
from calexnet.training.spec import Plain

if TYPE_CHECKING:
    from calexnet.data.dataset import Dataset
    from calexnet.training.runs import AnyCascade
    from calexnet.training.spec import CascadeSpec, Distilled

HELP = "Judge a trained cascade on its test part, at every operating point."

_BATCH = 256

#: Width of a class's figures at one branch.
_CELL = 24


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="what calexnet train wrote")
    parser.add_argument("--data", required=True, help=kinds.SOURCES)
    kinds.data_root(parser)
    kinds.allow(parser)
    kinds.max_drop(parser)
    parser.add_argument(
        "--classes",
        action="store_true",
        help="each class's precision too; takes the data set with its calibration part",
    )
    parser.add_argument(
        "--operating-point", help="which one's classes; the cascade's default by default"
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer the test part once; print a line for each operating point, and for each class."""
    cascade = _loaded(arguments)
    point = _point(cascade, arguments.operating_point)
    spec = cascade.spec
    samples = data.load_alike(arguments.data, arguments.data_root, spec.preprocessing, spec.split)
    test = _answers(cascade, samples, recorded_test_part(samples, cascade.spec.split), "test")
    macs, cuts = cascade.macs(), _cuts(cascade.spec)
    reads = [branch.reads for branch in cascade.branches]
    to_cut = {one.name: macs.cut(number, reads) for number, one in enumerate(cuts, 1)}
    print(_by_point(cascade.spec, cuts, macs, to_cut, test))
    tell_chance(Plain.of(test.plain, test.truth))
    if spec.attach:  # a network alone has nothing to be held against
        candidates = *spec.operating_points, *cuts
        print(f"\n{_certificates(spec, candidates, samples, test, arguments.max_drop)}")
    if not isinstance(spec, ModelCascadeSpec) and spec.distilled is not None:
        print(f"\n{_of_teacher(spec.distilled, macs)}")
    print(f"\n{head_costs(spec.attach, macs, cascade.parameters())}")
    tell_uncalibrated(cascade.spec.uncalibrated)
    if arguments.classes:
        rows = recorded_calibration_part(samples, cascade.spec.split)
        calibration = _answers(cascade, samples, rows, "calibration")
        parts = (calibration, test)
        hits = (class_hits(point.table(), part.table, part.truth) for part in parts)
        print(f"\n{_by_class(cascade, point, *hits)}")
    return 0


def _loaded(arguments: argparse.Namespace) -> AnyCascade | ModelCascade:
    if models.is_models(arguments.run):
        return models.load(arguments.run)[0]
    return runs.load(arguments.run, kinds.allowed(arguments))[0]


@dataclass(frozen=True)
class _Answers:
    """What every exit and plain answer to one part of the data, and what is right."""

    table: ExitTable
    plain: NDArray[np.int32]
    truth: NDArray[np.int64]


def _cuts(spec: CascadeSpec | ModelCascadeSpec) -> tuple[OperatingPoint, ...]:
    """Return the network cut after each branch's stage; of whole networks, each alone."""
    shape = len(spec.attach), len(spec.classes)
    whole = len(spec.small) if isinstance(spec, ModelCascadeSpec) else 0
    return tuple(
        cut_point(f"{name} alone" if number <= whole else f"cut after {name}", number, shape, known)
        for number, (name, known) in enumerate(zip(spec.attach, spec.known_cuts(), strict=True), 1)
    )


def _of_teacher(known: Distilled, macs: Macs) -> str:
    return (
        f"It learnt from {known.teacher} at {macs.plain / known.teacher_macs:.1%} of its MACs, "
        f"which answers {known.teacher_accuracy:.2%} of the calibration images rightly."
    )


def _certificates(
    spec: CascadeSpec | ModelCascadeSpec,
    candidates: Sequence[OperatingPoint],
    samples: Dataset,
    test: _Answers,
    max_drop: float,
) -> str:
    if spec.split.group is None:
        return certificates(candidates, spec.classes, test.table, test.truth, max_drop, test.plain)
    names = group_names(samples, spec.split.group)
    groups = [names[row] for row in recorded_test_part(samples, spec.split)]
    return certificates_by_group(candidates, test.table, test.truth, groups, max_drop, test.plain)


def _point(cascade: AnyCascade | ModelCascade, name: str | None) -> OperatingPoint:
    points = {point.name: point for point in cascade.spec.operating_points}
    wanted = cascade.spec.default_operating_point if name is None else name
    if wanted not in points:
        raise InputError("no such operating point", got=wanted, expected=", ".join(points))
    return points[wanted]


def _answers(
    cascade: AnyCascade | ModelCascade, samples: Dataset, rows: NDArray[np.intp], part: str
) -> _Answers:
    """Return every exit's answers for the samples at `rows`, and the right ones."""
    found, plain = [], []
    with Progress(f"answering the {part} part", len(rows)) as progress:
        for start in range(0, len(rows), _BATCH):
            images = samples.images[rows[start : start + _BATCH]]
            if isinstance(cascade, ModelCascade):
                said = asked(cascade)(images).answers(cascade.spec.average)
                found.append(said.exits)
                plain.append(said.plain_labels)
            else:
                found.append(cascade.answer(images))
                plain.append(found[-1].labels[-1])
            progress.advance(found[-1].labels.shape[1])
    table = ExitTable(
        np.concatenate([some.labels for some in found], 1),
        np.concatenate([some.scores for some in found], 1),
    )
    return _Answers(table, np.concatenate(plain), samples.labels[rows])


def _by_point(
    spec: CascadeSpec | ModelCascadeSpec,
    cuts: Sequence[OperatingPoint],
    macs: Macs,
    to_cut: Mapping[str, int],
    test: _Answers,
) -> str:
    table, truth = test.table, test.truth
    plain = float((test.plain == truth).mean())
    width = max([16, *(len(point.name) for point in cuts)])
    lines = [
        f"{len(truth)} test images, plain {plain:.2%}",
        "",
        f"{'operating point':<{width}}  accuracy     plain   change  MACs saved  leave  "
        "precision promised -> kept",
    ]
    for point in (*spec.operating_points, *cuts):
        kept = operating_point(point.name, point.setting, point.table(), table, truth)
        saved = 1.0 - to_cut.get(point.name, macs.expected(kept.exit_rates)) / macs.plain
        default = "  (default)" * (point.name == spec.default_operating_point)
        lines.append(
            f"{point.name:<{width}}  {kept.accuracy:8.2%}  {plain:8.2%}"
            f"  {100 * (kept.accuracy - plain):+7.2f}"
            f"  {saved:10.1%}  {1.0 - kept.exit_rates[-1]:5.0%}  {_promises(point, kept)}{default}"
        )
    lines.append(
        "(change in points; one precision a branch, of the images that leave there; cut after: the "
        "network that ends there with that head and no gate, see calexnet-export --cut)"
    )
    return "\n".join(lines)


def _promises(promised: OperatingPoint, kept: OperatingPoint) -> str:
    pairs = zip(promised.precisions, kept.precisions, strict=True)
    return "  ".join(f"{_share(one)} -> {_share(other)}" for one, other in pairs)


#: Images that leave, by branch and answer, and how many of them are right; see `class_hits`.
_Hits = tuple[NDArray[np.intp], NDArray[np.intp]]


def _by_class(
    cascade: AnyCascade | ModelCascade, point: OperatingPoint, promised: _Hits, kept: _Hits
) -> str:
    width = max(map(len, ("class", *cascade.spec.classes)))
    heads = "".join(f"  {name:<{_CELL}}" for name in cascade.spec.attach)
    lines = [
        f"{point.name}, by the class answered: precision promised -> kept (test images that leave)",
        f"{'class':<{width}}{heads}".rstrip(),
    ]
    for label, name in enumerate(cascade.spec.classes):
        figures = ""
        for branch, thresholds in enumerate(point.thresholds):
            one, other = (_precision(hits, branch, label) for hits in (promised, kept))
            told = f"{_share(one)} -> {_share(other)} ({kept[0][branch, label]})"
            figures += f"  {'never' if thresholds[label] is None else told:<{_CELL}}"
        lines.append(f"{name:<{width}}{figures}".rstrip())
    return "\n".join(lines)


def _precision(hits: _Hits, branch: int, label: int) -> float | None:
    left, right = (int(counts[branch, label]) for counts in hits)
    return right / left if left else None


def _share(precision: float | None) -> str:
    return "  -  " if precision is None else f"{precision:5.1%}"
