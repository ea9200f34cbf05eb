"""What the networks of a model cascade say, by ONNX Runtime on their own graphs: the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.files import onnxgraph
from calexnet.files.declared import GraphError
from calexnet.files.storage import sha256
from calexnet.gating import ExitTable
from calexnet.manifest import FileRecord, GraphRecord
from calexnet.models.averaging import Average, softmax
from calexnet.models.model import Model, ModelCascade, ModelSpec, seen_by
from calexnet.parity import Answers
from calexnet.runtimes.engines.base import Engine
from calexnet.runtimes.onnxruntime import OnnxRuntime
from calexnet.runtimes.threads import cores

Floats = NDArray[np.float32]

#: Images a call.
_BATCH = 64


@dataclass(frozen=True)
class Said:
    """What every exit of some networks says of ``n`` images.

    Attributes:
        logits: Of each exit, float32 ``(exits, n, classes)``; the last network's own come last.
        scores: A branch's own score, float32 ``(n,)``; ``None`` = the largest probability.
        networks: How many of the exits are whole networks before the last.
    """

    logits: Floats
    scores: tuple[Floats | None, ...]
    networks: int

    def probabilities(self, average: Average | None = None) -> Floats:
        """Return every exit's, float32 ``(exits, n, classes)``, the last as `average` says."""
        table = softmax(self.logits)
        if average is not None:
            table[-1] = average.of(self.of_networks())
        return table

    def of_networks(self) -> list[Floats]:
        """Return the logits of the whole networks, without those of branches."""
        return [*self.logits[: self.networks], self.logits[-1]]

    def exits(self, average: Average | None = None) -> ExitTable:
        """Return labels and scores, the last exit's as `average` says."""
        table = self.probabilities(average)
        labels = self.logits.argmax(2).astype(np.int32)
        if average is not None:
            labels[-1] = table[-1].argmax(1)
        own = zip(table, self.scores, strict=True)
        scores = [rows.max(1) if score is None else score for rows, score in own]
        return ExitTable(labels, np.stack(scores).astype(np.float32))

    def answers(self, average: Average | None = None) -> Answers:
        """Return all of it, with the last network by itself as plain."""
        plain = softmax(self.logits[-1])
        labels = self.logits[-1].argmax(1).astype(np.int32)
        exits, table = self.exits(average), self.probabilities(average)
        return Answers(exits, table, labels, plain.max(1), plain)


class Asked:
    """The networks of a model cascade, opened.

    Args:
        models: In running order.
        runs: ONNX Runtime, in one of its ways.

    Raises:
        InputError: A graph reads other files or brings operators of its own.
        BundleError: ONNX Runtime refuses one.
        RuntimeUnavailableError: It is not installed.
    """

    def __init__(self, models: Sequence[Model], runs: OnnxRuntime | None = None) -> None:
        runs = runs or OnnxRuntime()
        runs.require()
        self._specs = tuple(model.spec for model in models)
        self._networks = [_opened(runs, model.spec.name, model.data) for model in models]
        last = models[-1]
        self._branches = [
            _opened(runs, f"{last.spec.name}, the branch at {branch.attach}", data)
            for branch, data in zip(last.spec.branches, last.branches, strict=True)
        ]

    def __call__(self, images: NDArray[np.uint8], batch: int = _BATCH) -> Said:
        """Return what every exit says of travelling images, uint8 ``(n, H, W, C)``."""
        parts = [
            [said for part in self._each(images[start : start + batch]) for said in part]
            for start in range(0, len(images), batch)
        ]
        columns = list(zip(*parts, strict=True))
        logits = np.stack([np.concatenate([one for one, _ in column]) for column in columns])
        scores = tuple(_joined([score for _, score in column]) for column in columns)
        return Said(logits, scores, len(self._specs) - 1)

    def _each(self, images: NDArray[np.uint8]) -> Iterator[list[tuple[Floats, Floats | None]]]:
        """Yield logits and own score of each network's exits, its branches first."""
        for spec, network in zip(self._specs, self._networks, strict=True):
            names = [*spec.attach, "logits"]
            *features, logits = network.run({"image": seen_by(spec, images)}, names)
            yield [*self._said(spec, features), (logits, None)]

    def _said(
        self, spec: ModelSpec, features: Sequence[NDArray[Any]]
    ) -> Iterator[tuple[Floats, Floats | None]]:
        states: dict[str, Floats] = {}
        engines = self._branches if spec.branches else []
        for engine, feature in zip(engines, features, strict=True):
            given = [tensor.name for tensor in engine.record.inputs if tensor.name != "features"]
            names = [tensor.name for tensor in engine.record.outputs]
            feeds = {"features": feature, **{name: states[name] for name in given}}
            said = dict(zip(names, engine.run(feeds, names), strict=True))
            states |= said
            yield said["logits"], said.get("score")


def asked(cascade: ModelCascade) -> Asked:
    """Return the networks of `cascade`, opened once."""
    return _opened_once(cascade.models)


@lru_cache(maxsize=2)
def _opened_once(models: tuple[Model, ...]) -> Asked:
    return Asked(models)


def _joined(scores: Sequence[Floats | None]) -> Floats | None:
    found = [score for score in scores if score is not None]
    return np.concatenate(found) if found else None


def _opened(runs: OnnxRuntime, name: str, data: bytes) -> Engine:
    try:
        onnxgraph.seen(data)  # a run is data: it reads no other file, and brings no operators
    except GraphError as problem:
        raise InputError(
            f"the graph of {name} cannot be used",
            got=problem,
            fix="Do not use this run; get it again from where it was made, or train again",
        ) from problem
    found = runs.signature(data)
    file = FileRecord(name, sha256(data), len(data))
    record = GraphRecord(name, file, found.inputs, found.outputs, None)
    return runs.load(record, data, provider=None, threads=cores())
