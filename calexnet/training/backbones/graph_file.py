"""A backbone that is an ONNX graph, as whoever read the file hands it on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GraphCosts:
    """What a graph costs, counted where it was read.

    Attributes:
        macs: Of one image, up to each attach point, then all.
        parameters: Numbers in its weights.
    """

    macs: tuple[int, ...]
    parameters: int


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
