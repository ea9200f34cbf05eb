"""A cell on disk: ``NAME.json``, what it is, beside ``NAME.npz``, every exit's answers.

All analyses read these two and need no torch. A cell that failed is ``NAME.failed.json``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet import rules
from calexnet.costs import Macs
from calexnet.errors import InputError
from calexnet.files import arrays, jsontext, schema
from calexnet.files.storage import regular_bytes, sha256, staged_file
from calexnet.gating import ExitTable
from calexnet.manifest import FileRecord
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part
from calexnet.rules.base import Rule
from calexnet.sweep.lookover import look_over, look_over_answers
from calexnet.sweep.spec import CellSpec

SCHEMA = 1
FAILED = ".failed.json"

_PARTS = ("calibration", "test")

#: Answers are never larger: 2 GiB hold a hundred exits for millions of samples.
_MOST_BYTES = 2**31

#: What each part has, and how it is stored.
_ARRAYS = {"labels": "int16", "scores": "float32", "truth": "int16", "positions": "int32"}


@dataclass(frozen=True)
class Answered:
    """What every exit answered for the samples of one part.

    Attributes:
        table: All exits' labels and scores.
        truth: int32 ``(n,)``, the right classes.
        positions: int32 ``(n,)``, where the samples are in the data set.
    """

    table: ExitTable
    truth: NDArray[np.int32]
    positions: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.truth)

    def select(self, samples: NDArray[np.intp]) -> Answered:
        """Return the answers for some samples only."""
        return Answered(self.table.select(samples), self.truth[samples], self.positions[samples])


@dataclass(frozen=True)
class Answers:
    """What a cell's cascade answers for the samples that it was not trained on."""

    calibration: Answered
    test: Answered


@dataclass(frozen=True)
class CellResult:
    """A finished cell.

    Attributes:
        schema: Of this document.
        fingerprint: Of the spec.
        spec: All that decided the result.
        classes: Names in label order.
        rule: How thresholds are found from the answers.
        macs: MACs of each stage, branch and gate.
        branches: What training each branch came to, as its method reports it.
        answers: The file with the answers.
        threads: Of torch.
        seconds: It took.
        versions: Of the packages that took part.
        uncalibrated: Classes without a calibration sample, which never exit early; ``None`` if it
            was not recorded.
    """

    schema: int
    fingerprint: str
    spec: CellSpec
    classes: tuple[str, ...]
    rule: Part
    macs: Macs
    branches: tuple[dict[str, Any], ...]
    answers: FileRecord
    threads: int
    seconds: float
    versions: dict[str, str]
    uncalibrated: tuple[str, ...] | None = None


@dataclass(frozen=True)
class FailedCell:
    """A cell that could not be finished.

    Attributes:
        schema: Of this document.
        fingerprint: Of the spec.
        spec: All that decides the result.
        error: The kind of error.
        message: What it said: for a loss, also the step.
    """

    schema: int
    fingerprint: str
    spec: CellSpec
    error: str
    message: str


@dataclass(frozen=True)
class Cell:
    """A finished cell in a folder; its answers are read when they are first asked for.

    Attributes:
        folder: Where it is.
        result: Its document.
        allow: Whose own rules may be imported.
    """

    folder: Path
    result: CellResult
    allow: Allowed = BUILT_IN_ONLY

    @cached_property
    def rule(self) -> Rule:
        """The threshold rule.

        Raises:
            InputError: There is none of that name, or it may not be imported.
        """
        return rules.build(self.result.rule, self.allow.but_not_from(self.folder))

    @cached_property
    def answers(self) -> Answers:
        """Every exit's answers.

        Raises:
            InputError: The file is missing, damaged or another one.
        """
        record = self.result.answers
        if Path(record.path).name != record.path or not record.path.endswith(".npz"):
            raise InputError(
                f"the answers of {self.folder} lie elsewhere", got=record.path, fix=_AGAIN
            )
        path = self.folder / record.path
        try:
            data = regular_bytes(path, _MOST_BYTES)
        except (OSError, ValueError) as problem:
            raise InputError(f"cannot read {path}", got=problem, fix=_AGAIN) from problem
        if sha256(data) != self.result.answers.sha256:
            raise InputError(f"{path} was changed after its cell was finished", fix=_AGAIN)
        found = unpack(data, path)
        with _readable(path):
            exits, classes = len(self.result.macs.stages), len(self.result.classes)
            for name in _PARTS:
                part: Answered = getattr(found, name)
                look_over_answers(name, part.table, part.truth, exits, classes)
        return found


_AGAIN = "Run the same sweep again: it redoes such cells and skips the rest"


def pack(answers: Answers) -> bytes:
    """Return answers as an ``.npz``: int16 labels and truth, float32 scores, int32 positions."""
    packed: dict[str, NDArray[Any]] = {}
    for name in _PARTS:
        part: Answered = getattr(answers, name)
        packed[f"{name}_labels"] = part.table.labels.astype(np.int16)
        packed[f"{name}_scores"] = part.table.scores.astype(np.float32)
        packed[f"{name}_truth"] = part.truth.astype(np.int16)
        packed[f"{name}_positions"] = part.positions.astype(np.int32)
    stream = BytesIO()
    np.savez_compressed(stream, **packed)  # type: ignore[arg-type]
    return stream.getvalue()


def unpack(data: bytes, path: Path) -> Answers:
    """Return the answers in an ``.npz``; `path` names it in messages.

    Raises:
        InputError: It is damaged.
    """
    try:
        found = arrays.read(data)
        return Answers(*(_unpacked(found, name) for name in _PARTS))
    except (ValueError, KeyError) as problem:
        raise InputError(f"{path} is damaged", got=problem, fix=_AGAIN) from problem


def _unpacked(found: Mapping[str, NDArray[Any]], name: str) -> Answered:
    labels, scores, truth, positions = (found[f"{name}_{what}"] for what in _ARRAYS)
    samples = labels.shape[-1:]
    forms = [(array.dtype.name, array.shape) for array in (labels, scores, truth, positions)]
    shapes = labels.shape, labels.shape, samples, samples
    if labels.ndim != 2 or forms != list(zip(_ARRAYS.values(), shapes, strict=True)):
        raise ValueError(f"{name}: {', '.join(f'{dtype} {shape}' for dtype, shape in forms)}")
    return Answered(ExitTable(labels.astype(np.int32), scores), truth.astype(np.int32), positions)


def write(result: CellResult, answers: bytes, folder: Path) -> None:
    """Write a finished cell: the answers, then the document that vouches for them.

    A kill in between leaves answers that no document vouches for: an unfinished cell.

    Raises:
        StorageError: The system refused to write.
    """
    name = result.spec.axes.name
    _put(folder / f"{name}.npz", answers)
    _put(folder / f"{name}.json", _document(result))
    (folder / f"{name}{FAILED}").unlink(missing_ok=True)


def write_failure(failed: FailedCell, folder: Path) -> None:
    """Write down that a cell failed.

    Raises:
        StorageError: The system refused to write.
    """
    _put(folder / f"{failed.spec.axes.name}{FAILED}", _document(failed))


def answers_record(name: str, answers: bytes) -> FileRecord:
    """Return the record of a cell's packed answers."""
    return FileRecord(f"{name}.npz", sha256(answers), len(answers))


def finished(spec: CellSpec, folder: Path) -> bool:
    """Tell whether `folder` holds the result of exactly this spec, whole."""
    path = folder / f"{spec.axes.name}.json"
    try:
        cell = Cell(folder, _read(CellResult, path))
        return cell.result.fingerprint == spec.fingerprint and len(cell.answers.test) > 0
    except (InputError, OSError):
        return False


def readable(folder: Path) -> tuple[Cell, ...]:
    """Return the finished cells in `folder` whose document can be read, by name."""
    found = []
    for path in _documents(folder):
        with contextlib.suppress(InputError):  # the sweep redoes such a cell
            found.append(Cell(folder, _read(CellResult, path)))
    return tuple(found)


def read(folder: Path, allow: Allowed = BUILT_IN_ONLY) -> tuple[Cell, ...]:
    """Return the finished cells in `folder`, by name.

    Args:
        folder: What a sweep wrote.
        allow: Whose own rules may be imported.

    Raises:
        InputError: There are none, one is damaged, or they are not of one sweep.
    """
    cells = tuple(Cell(folder, _read(CellResult, path), allow) for path in _documents(folder))
    if not cells:
        raise InputError(
            f"no finished cells in {folder}",
            got="no folder" if not folder.is_dir() else f"{len(failures(folder))} failed cells",
            expected="what calexnet sweep writes",
        )
    refuse_mixture((cell.result.spec for cell in cells), folder)
    return cells


def failures(folder: Path) -> tuple[FailedCell, ...]:
    """Return the cells in `folder` that failed, by name.

    Raises:
        InputError: A record is damaged.
    """
    return tuple(_read(FailedCell, path) for path in sorted(folder.glob(f"*{FAILED}")))


def refuse_mixture(specs: Iterable[CellSpec], folder: Path | str) -> None:
    """Refuse cells of different data, splits or backbones: nothing could be compared.

    Raises:
        InputError: They are mixed.
    """
    subjects = {spec.subject: spec for spec in specs}
    if len(subjects) > 1:
        raise InputError(
            f"{folder} would mix cells that cannot be compared",
            got=" and ".join(sorted(_subject(spec) for spec in subjects.values())),
            expected="one data set, split and trained backbone",
            fix="Give each its own --out",
        )


def _subject(spec: CellSpec) -> str:
    return (
        f"{spec.plan['backbone']} ({spec.weights.sha256[:8]}) on {spec.split.data} "
        f"({spec.data.sha256[:8]}, test part {spec.split.parts['test'].sha256[:8]})"
    )


def _documents(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.json") if not p.name.endswith(FAILED))


def _read(cls: Any, path: Path) -> Any:
    with _readable(path):
        document = jsontext.read(path)
    version = document.get("schema") if isinstance(document, dict) else None
    if version != SCHEMA:
        raise InputError(
            f"{path} is of another schema", got=repr(version), expected=str(SCHEMA), fix=_AGAIN
        )
    with _readable(path):
        found = schema.decode(cls, document)
        if isinstance(found, CellResult):
            look_over(found.spec, len(found.classes), found.macs, len(found.branches))
        return found


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what is wrong in `path`, also a value that its own class refuses, into one message."""
    try:
        yield
    except (OSError, ValueError) as problem:
        raise InputError(f"{path} is no cell of a sweep", got=problem, fix=_AGAIN) from problem


def _document(record: Any) -> bytes:
    text = json.dumps(schema.encode(record), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _put(path: Path, data: bytes) -> None:
    with staged_file(path) as stage:
        stage.write_bytes(data)
