"""A cascade whose network and branches are ONNX graphs, answered by ONNX Runtime. No torch.

It is what a cascade of any other kind can be turned into (`calexnet.export.graph.capture`), and
what is kept of one whose backbone came as an ONNX file, and of a distilled network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.costs import Macs, Parameters
from calexnet.gating import ExitTable
from calexnet.training import record
from calexnet.training.backbones.graph_file import GraphFile, HeadGraph, session
from calexnet.training.record import Record
from calexnet.training.spec import CascadeSpec, Samples

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class GraphBranch:
    """A branch.

    Attributes:
        data: ONNX: ``features`` float32 ``(n, ...)``, then the states that it reads, to ``logits``
            ``(n, classes)``, then ``score`` ``(n,)`` and its own state ``(n, width)``, where it
            has them.
        known: What is known of it.
    """

    data: bytes
    known: HeadGraph

    @property
    def reads(self) -> tuple[int, ...]:
        """Indices (from 0) of the earlier branches whose state it takes, in rising order."""
        return self.known.reads

    @property
    def state_width(self) -> int:
        """Length of one sample's state, 0 if it makes none."""
        return self.known.state_width


@dataclass(frozen=True)
class GraphCascade:
    """A trained cascade, or a network alone.

    Attributes:
        spec: All but the graphs.
        backbone: The network's graph, with its attach points.
        branches: In running order; none of a network alone.
        samples: Real images to verify exports on; from the calibration part.
        optimised: Let the runtime change the order of sums.
    """

    spec: CascadeSpec
    backbone: GraphFile
    branches: tuple[GraphBranch, ...]
    samples: Samples
    optimised: bool = True

    def as_written(self) -> GraphCascade:
        """Return the same, its sums in the order that the graphs have."""
        return replace(self, optimised=False)

    def answers(self, images: NDArray[np.uint8]) -> tuple[ExitTable, Floats]:
        """Return what every exit says of uint8 images ``(n, H, W, C)``, nobody leaving early.

        Returns:
            Labels and scores, and the softmax, float32 ``(exits, n, classes)``.
        """
        said = self._said(np.ascontiguousarray(self.spec.preprocessing.normalise(images)))
        probabilities = _softmax(np.stack([one["logits"] for one in said]))
        labels = np.stack([one["logits"].argmax(1) for one in said]).astype(np.int32)
        scores = [
            one.get("score", largest)
            for one, largest in zip(said, probabilities.max(2), strict=True)
        ]
        return ExitTable(labels, np.stack(scores)), probabilities

    def answer(self, images: NDArray[np.uint8]) -> ExitTable:
        """Return every exit's labels and scores, likewise."""
        return self.answers(images)[0]

    def macs(self) -> Macs:
        """Return the MACs of one image, stage by stage, branch by branch, gate by gate."""
        upto = self.backbone.costs.macs
        stages = np.diff(upto, prepend=0).tolist()
        return Macs(
            tuple(stages), tuple(one.known.macs for one in self.branches), (0,) * len(self.branches)
        )

    def parameters(self) -> Parameters:
        """Return how many numbers the plain network and each branch have learnt."""
        heads = tuple(one.known.parameters for one in self.branches)
        return Parameters(self.backbone.costs.parameters, heads)

    def _said(self, inputs: Floats) -> list[Mapping[str, Any]]:
        """Return what each exit gives, by the names of its graph's outputs."""
        *maps, logits = self._network.run([*self.backbone.attach, "logits"], {"image": inputs})
        said: list[Mapping[str, Any]] = []
        states: list[Any] = []
        for branch, runs, features in zip(self.branches, self._heads, maps, strict=True):
            given = [features, *(states[k] for k in branch.reads)]
            fed = zip(runs.get_inputs(), given, strict=True)
            outputs = [one.name for one in runs.get_outputs()]
            found = runs.run(None, {one.name: array for one, array in fed})
            states.append(found[-1])
            said.append(dict(zip(outputs, found, strict=True)))
        return [*said, {"logits": logits}]

    @cached_property
    def _network(self) -> Any:
        return session(self.backbone.data, "backbone", optimised=self.optimised)

    @cached_property
    def _heads(self) -> list[Any]:
        return [session(one.data, "branch", optimised=self.optimised) for one in self.branches]


def save(cascade: GraphCascade, folder: Path) -> None:
    """Write `cascade` into `folder`; see `calexnet.training.record.write`."""
    files = dict(zip(_files(cascade.spec.attach), _graphs(cascade), strict=True))
    record.write(folder, cascade.spec, files, cascade.samples)


def read(folder: Path, found: Record) -> GraphCascade:
    """Return the cascade of graphs that a run's record describes.

    Raises:
        CheckpointError: A file is missing or was changed.
    """
    spec = found.cascade
    assert spec.graph is not None
    network, *heads = (record.content(folder, name, found) for name in _files(spec.attach))
    return GraphCascade(
        spec,
        GraphFile(network, spec.attach, spec.graph),
        tuple(map(GraphBranch, heads, spec.heads)),
        record.samples(folder, found),
    )


def _files(attach: Sequence[str]) -> tuple[str, ...]:
    return (record.GRAPH, *(f"branch{number}.onnx" for number in range(1, len(attach) + 1)))


def _graphs(cascade: GraphCascade) -> tuple[bytes, ...]:
    return (cascade.backbone.data, *(branch.data for branch in cascade.branches))


def _softmax(logits: Floats) -> Floats:
    """Return the softmax along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), dtype=np.float32)
