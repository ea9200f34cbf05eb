"""What an exported graph holds, as it is recorded in a manifest: work, parameters, bytes.

Counted where onnx is (`calexnet.export.graph.counts`), read anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Operators that multiply and accumulate, or may hold what does. Those that are counted by now are
#: not among the others of a graph, except in what earlier versions wrote.
UNCOUNTED = frozenset(
    [
        *("Attention", "DFT", "DeformConv", "Einsum", "GRU", "If", "LSTM", "Loop"),
        *("RNN", "STFT", "Scan", "SequenceMap"),
    ]
)


@dataclass(frozen=True)
class OperatorCount:
    """An operator that is no convolution or matrix product.

    Attributes:
        name: ONNX's, after its domain and a colon where that is not ONNX's own.
        count: How often it is in the graph.
        elements: Numbers that it writes for one image, all together.
    """

    name: str
    count: int
    elements: int


@dataclass(frozen=True)
class GraphCounts:
    """One graph, for one image.

    A narrow tensor counts as narrow: the pairs that quantise and dequantise are how a file says so,
    and move nothing themselves. Nor do operators that only rename a shape. Otherwise every operator
    reads all its inputs and writes all its outputs once: nothing is fused, nothing stays in a
    cache. So the bytes are an upper bound that two graphs can be compared by, not a measurement.

    Attributes:
        macs: Multiply-accumulates of convolutions and matrix products (x 2 = FLOPs).
        parameters: Numbers in its constants: weights, biases, statistics; not shapes and axes, nor
            the scales and zero points of narrow tensors.
        weight_bytes: Read of these, whatever the batch.
        activation_bytes: Read and written of everything else, an image.
        others: All other operators, by name.
    """

    macs: int
    parameters: int
    weight_bytes: int
    activation_bytes: int
    others: tuple[OperatorCount, ...]

    def moved_bytes(self, batch: int) -> int:
        """Return the bytes moved for a batch."""
        return self.weight_bytes + batch * self.activation_bytes

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Operators whose MACs are missing: `UNCOUNTED`, and all that are not ONNX's own."""
        names = (operator.name for operator in self.others)
        return tuple(name for name in names if name in UNCOUNTED or ":" in name)
