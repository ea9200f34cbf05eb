"""An ONNX graph as the recipe sees it: features at its tensors, by ONNX Runtime. Needs torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from calexnet.files.storage import sha256
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.backbones.graph_file import GraphFile, session


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
        self._runs = session(file.data, "backbone", torch.get_num_threads())
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
