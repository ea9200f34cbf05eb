"""A backbone in PyTorch, captured once and cut at its attach points. Needs torch.

The counterpart of `calexnet.export.graph.cut` for converters that take torch modules: a stage holds
what its feature needs and no earlier stage has, the last one the rest.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from calexnet.errors import ExportError, first_line


@dataclass(frozen=True)
class Stage:
    """One piece of a captured network.

    Attributes:
        module: Takes what it reads, gives its goal, then what later stages read of it.
        reads: Names of what it takes: ``image``, or of what earlier stages gave. Identifiers, as
            all names here.
        gives: Names of what it gives; the first is its feature's, or ``logits``.
        carried: Those of `gives` that a later stage reads.
    """

    module: nn.Module
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    carried: tuple[str, ...]


def identifier(name: str) -> str:
    """Return a tensor's name as the converter takes it, which writes Python with it."""
    return name.replace(".", "_")


def cut(backbone: nn.Module, attach: Sequence[str], image: Tensor) -> tuple[Stage, ...]:
    """Return the stages of `backbone`, one more than attach points, for batches as `image` is.

    Args:
        backbone: Gives the features at the attach points, then the logits.
        attach: Names of the attach points.
        image: float32 ``(n, C, H, W)``.

    Raises:
        ExportError: torch cannot capture it, or something other than a tensor with a row a sample
            would have to cross.
    """
    try:
        program = torch.export.export(backbone.eval(), (image,), strict=False)
        whole = program.run_decompositions({}).module()
    except Exception as problem:  # torch raises many kinds; all mean the same to the user
        raise ExportError(
            "torch.export cannot capture the backbone",
            got=first_line(problem),
            expected="a network without decisions that depend on its data",
            fix="Try torch.export.export on the network alone to see where",
        ) from problem
    return _Cutter(whole, (*attach, "logits"), len(image)).stages()


class _Cutter:
    def __init__(self, whole: fx.GraphModule, goals: Sequence[str], rows: int) -> None:
        self.whole, self.rows = whole, rows
        self.nodes = list(whole.graph.nodes)
        (self.image,) = (node for node in self.nodes if node.op == "placeholder")
        given = self.nodes[-1].args[0]
        assert isinstance(given, (tuple, list))
        self.goals = [node for node in given if isinstance(node, fx.Node)]
        self.names = {self.image: "image"}
        self.names |= dict(zip(self.goals, goals, strict=True))
        self.stage_of = self._assign()

    def stages(self) -> tuple[Stage, ...]:
        return tuple(self._stage(number) for number in range(len(self.goals)))

    def _assign(self) -> dict[fx.Node, int]:
        """Give each node that depends on the image the first stage whose goal needs it."""
        varying = {self.image}
        for node in self.nodes:
            if varying & set(node.all_input_nodes):
                varying.add(node)
        found: dict[fx.Node, int] = {}
        for stage, goal in enumerate(self.goals):
            waiting = [goal]
            while waiting:
                node = waiting.pop()
                if node in varying and node is not self.image and node not in found:
                    found[node] = stage
                    waiting += node.all_input_nodes
        for node in self.nodes:  # a part of several results stays with them
            if node.target is operator.getitem and node in found:
                found[node] = found[node.all_input_nodes[0]]
        return found

    def _crossing(self, earlier: int, later: range) -> list[fx.Node]:
        """Return what stages in `later` read of stage `earlier`; -1 is the image."""
        here = [n for n in self.nodes if self.stage_of.get(n) == earlier]
        made = [self.image] if earlier == -1 else here
        return [n for n in made if any(self.stage_of.get(user) in later for user in n.users)]

    def _stage(self, number: int) -> Stage:
        last = len(self.goals)
        reads = [
            node
            for earlier in range(-1, number)
            for node in self._crossing(earlier, range(number, number + 1))
        ]
        carried = self._crossing(number, range(number + 1, last))
        gives = list(dict.fromkeys([self.goals[number], *carried]))
        for node in carried:
            self._refuse_unless_batched(node)
        return Stage(
            self._module(number, reads, gives),
            tuple(map(self._name, reads)),
            tuple(map(self._name, gives)),
            tuple(map(self._name, carried)),
        )

    def _name(self, node: fx.Node) -> str:
        return identifier(self.names.get(node, node.name))

    def _refuse_unless_batched(self, node: fx.Node) -> None:
        value = node.meta.get("val")
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != self.rows:
            raise ExportError(
                f"{node.name} would have to cross a cut",
                got=tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__,
                expected="a tensor with a row a sample",
                fix="Choose another attach point",
            )

    def _module(self, number: int, reads: list[fx.Node], gives: list[fx.Node]) -> nn.Module:
        graph = fx.Graph()
        copies = {node: graph.placeholder(node.name) for node in reads}

        def copy(node: fx.Node) -> fx.Node:
            """Return the copy of `node`; what does not depend on the image is repeated."""
            if node not in copies:
                for needed in node.all_input_nodes:
                    copy(needed)
                copies[node] = graph.node_copy(node, copies.__getitem__)
            return copies[node]

        for node in self.nodes:
            if self.stage_of.get(node) == number:
                copy(node)
        graph.output(tuple(copies[node] for node in gives))
        return fx.GraphModule(self.whole, graph)
