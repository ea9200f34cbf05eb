"""The MACs of a cascade: as its graphs count, beside what torch ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calexnet.costs import Macs
from calexnet.errors import ExportError
from calexnet.export.graph.counts import count
from calexnet.export.graph.portable import PortableGraphs


@dataclass(frozen=True)
class Counted:
    """Two counts of one cascade.

    Attributes:
        graphs: From the exported graphs; ``None`` if they cannot be counted.
        reason: Why not.
        modules: From torch's modules, as they run.
    """

    graphs: Macs | None
    reason: str | None
    modules: Macs

    @property
    def macs(self) -> Macs:
        """What is recorded: the graphs' count where there is one."""
        return self.graphs or self.modules

    def doubt(self) -> str | None:
        """Return in words what is doubtful about it, ``None`` if nothing is."""
        if self.graphs is None:
            return f"{self.reason}; the MACs are those of the torch modules, {_told(self.modules)}"
        if self.graphs != self.modules:
            return (
                f"two counts of the MACs differ: the graphs have {_told(self.graphs)}, the torch "
                f"modules {_told(self.modules)}; the graphs' count is recorded"
            )
        return None


def counted(graphs: PortableGraphs, branches: Sequence[bytes], modules: Macs) -> Counted:
    """Return the MACs of a cascade from its graphs, beside those of its modules.

    Args:
        graphs: All of the cascade.
        branches: See `calexnet.export.graph.segments.CascadeGraphs`.
        modules: What `calexnet.training.flops` counted.
    """
    try:
        heads = tuple(map(_macs, branches))
        visited = (*heads, 0)
        parts = [_macs(graph.data) for graph in graphs.segments]
        stages = tuple(part - head for part, head in zip(parts, visited, strict=True))
    except ExportError as problem:
        return Counted(None, str(problem), modules)
    return Counted(Macs(stages, heads, (0,) * len(heads)), None, modules)


def _macs(data: bytes) -> int:
    found = count(data)
    if found.uncounted:
        raise ExportError(
            "a graph cannot be counted", got=f"the operator {', '.join(found.uncounted)}"
        )
    return found.macs


def _told(macs: Macs) -> str:
    stages, heads = (" + ".join(f"{n:,}" for n in part) for part in (macs.stages, macs.branches))
    return f"{stages} in the stages and {heads} in the heads"
