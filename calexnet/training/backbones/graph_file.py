"""Networks and branches that are ONNX graphs, as whoever read or wrote them hands them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calexnet.errors import InputError, RuntimeUnavailableError, first_line
from calexnet.files import onnxgraph
from calexnet.files.declared import GraphError


@dataclass(frozen=True)
class GraphCosts:
    """What a graph costs, counted where it was read.

    Attributes:
        macs: Of one image, up to each attach point, then all.
        parameters: Numbers in its weights.
    """

    macs: tuple[int, ...]
    parameters: int

    @property
    def can_be(self) -> bool:
        """Whether a graph may cost this."""
        return min(*self.macs, self.parameters) >= 0 and list(self.macs) == sorted(self.macs)


@dataclass(frozen=True)
class GraphFile:
    """A graph that gives features.

    Attributes:
        data: ONNX: ``image`` float32 ``(n, C, H, W)`` to one output for each attach point, named
            so, and ``logits`` ``(n, classes)``.
        attach: Where branches go, in running order.
        costs: What it costs.
    """

    data: bytes
    attach: tuple[str, ...]
    costs: GraphCosts


@dataclass(frozen=True)
class HeadGraph:
    """What is known of a branch that is an ONNX graph.

    Attributes:
        reads: Indices (from 0) of the earlier branches whose state it takes, in rising order.
        state_width: Length of one sample's state, 0 if it makes none.
        macs: Of one image.
        parameters: Numbers that it has learnt.
    """

    reads: tuple[int, ...]
    state_width: int
    macs: int
    parameters: int

    def can_be(self, number: int) -> bool:
        """Tell whether it may be the branch of that number, from 0: it reads earlier ones alone."""
        earlier = all(0 <= k < number for k in self.reads)
        rising = list(self.reads) == sorted(set(self.reads))
        return earlier and rising and min(self.state_width, self.macs, self.parameters) >= 0


def session(data: bytes, what: str, threads: int = 0, *, optimised: bool = True) -> Any:
    """Return ONNX Runtime's session for a graph of a run.

    Args:
        data: Of the graph: it reads no other file, and brings no operators.
        what: It is, for messages: ``backbone``.
        threads: Within an operator, 0 = all cores.
        optimised: Let the runtime change the order of sums.

    Raises:
        InputError: The graph cannot be used.
        RuntimeUnavailableError: onnxruntime is not installed.
    """
    try:
        onnxgraph.seen(data)  # a run is data
    except GraphError as problem:
        raise InputError(
            f"the {what}'s graph cannot be used",
            got=problem,
            fix="Do not use this run; get it again from where it was made, or train again",
        ) from problem
    try:
        import onnxruntime
    except ImportError as missing:
        raise RuntimeUnavailableError(
            f"an ONNX {what} cannot be asked here",
            got=missing,
            fix='Run: pip install "calexnet[onnxruntime]"',
        ) from missing
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # of its own kinds, which it does not export
        raise InputError(
            f"ONNX Runtime cannot load the {what}", got=first_line(problem)
        ) from problem
