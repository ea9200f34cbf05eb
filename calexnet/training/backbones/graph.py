"""An ONNX graph as the recipe sees it: features at its tensors, by ONNX Runtime. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calexnet.errors import InputError, RuntimeUnavailableError, first_line
from calexnet.files import onnxgraph
from calexnet.files.declared import GraphError
from calexnet.files.storage import sha256
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.backbones.graph_file import GraphFile


class GraphBackbone(FrozenBackbone):
    """The other variant of a frozen backbone: nothing about it is torch's but the tensors it gives.

    Args:
        file: The graph.
    """

    def __init__(self, file: GraphFile) -> None:
        nn.Module.__init__(self)
        self.network = _Graph(file.data)
        self.attach = file.attach
        self.costs = file.costs
        self.data = file.data
        self._runs = _session(file.data)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the features at each attach point, then the logits, for float32 images.

        Args:
            images: float32 ``(n, C, H, W)``, normalised.
        """
        if images.dtype != torch.float32:
            raise TypeError(f"a graph takes float32, not {images.dtype}")
        found = self._runs.run([*self.attach, "logits"], {"image": images.contiguous().numpy()})
        return tuple(torch.from_numpy(np.asarray(one)) for one in found)


class _Graph(nn.Module):
    """Stands for the network where torch's are: without modules, told apart by its content."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._hash = sha256(data)

    def extra_repr(self) -> str:
        """Return what tells it from others."""
        return self._hash


def _session(data: bytes) -> Any:
    try:
        onnxgraph.seen(data)  # a run is data: it reads no other file, and brings no operators
    except GraphError as problem:
        raise InputError(
            "the backbone's graph cannot be used",
            got=problem,
            fix="Do not use this run; get it again from where it was made, or train again",
        ) from problem
    try:
        import onnxruntime
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "an ONNX backbone cannot be asked here",
            got=missing,
            fix='Run: pip install "calexnet[onnxruntime]"',
        ) from missing
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # of its own kinds, which it does not export
        raise InputError(
            "ONNX Runtime cannot load the backbone", got=first_line(problem)
        ) from problem
