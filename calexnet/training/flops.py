"""MACs of torch modules: every product that their outputs need, seen as it runs. Needs torch.

A fused multiply-add counts as one, so FLOPs are twice as many. Convolutions and matrix products of
every kind count, attention's among them, however a module writes them; normalisation, activation,
pooling, softmax and gate are left out, as the field does. `calexnet.export.graph.counts` counts the
exported graphs alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from calexnet.costs import Macs, Parameters
from calexnet.errors import InputError

if TYPE_CHECKING:
    from calexnet.images.preprocessing import Preprocessing
    from calexnet.training.backbones.frozen import FrozenBackbone
    from calexnet.training.branches import Branch


def count(
    backbone: FrozenBackbone, branches: Sequence[Branch], preprocessing: Preprocessing
) -> Macs:
    """Return the MACs of one image, stage by stage, branch by branch, gate by gate.

    Raises:
        InputError: An operator multiplies, and nobody knows how often.
    """
    image = torch.zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)
    upto = reached(backbone, image)
    stages = [after - before for before, after in zip([0, *upto], upto, strict=False)]
    return Macs(tuple(stages), of_branches(branches), (0,) * len(branches))


def of_branches(branches: Sequence[Branch]) -> tuple[int, ...]:
    """Return the MACs of each branch, for one image.

    Raises:
        InputError: An operator multiplies, and nobody knows how often.
    """
    return tuple(
        macs_of(
            branch,
            torch.zeros(1, *branch.head.feature_shape),
            *(torch.zeros(1, branches[k].state_width) for k in branch.reads),
        )
        for branch in branches
    )


def reached(backbone: FrozenBackbone, image: Tensor) -> list[int]:
    """Return the MACs up to each attach point, and those of the whole network.

    Args:
        backbone: With its attach points in running order.
        image: float32 ``(1, C, H, W)``.

    Raises:
        InputError: An operator multiplies, and nobody knows how often.
    """
    if backbone.costs is not None:
        return list(backbone.costs.macs)
    products, outputs = _run(backbone, (image,))
    return [products.needed(outputs[: k + 1]) for k in range(len(outputs))]


def parameters(backbone: FrozenBackbone, branches: Sequence[Branch]) -> Parameters:
    """Return how many numbers the network and each branch have learnt, shared ones once.

    What a branch took from the network, such as an exit that was trained with it, is the branch's.
    """
    held = [{id(p): p.numel() for p in branch.parameters()} for branch in branches]
    if backbone.costs is not None:
        return Parameters(backbone.costs.parameters, tuple(sum(one.values()) for one in held))
    taken = {key for one in held for key in one}
    own = sum(p.numel() for p in backbone.network.parameters() if id(p) not in taken)
    return Parameters(own, tuple(sum(one.values()) for one in held))


def macs_of(module: nn.Module, *inputs: Tensor) -> int:
    """Return the MACs of `module` on `inputs`.

    What no output needs is not counted, nor what no input reaches, such as a product of weights.

    Raises:
        InputError: An operator multiplies, and nobody knows how often.
    """
    products, outputs = _run(module, inputs)
    return products.needed(outputs)


def _run(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[_Products, Any]:
    with torch.no_grad(), _written_out(), _Products(inputs) as products:
        outputs = module.eval()(*inputs)
    return products, outputs


@contextlib.contextmanager
def _written_out() -> Iterator[None]:
    """Have attention run as the products that it consists of, not as one fused operator."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _product(place: int) -> Callable[[Sequence[Any], Tensor], int]:
    """Return the count of a matrix product whose left side is argument `place`."""
    return lambda given, out: int(out.numel() * given[place].shape[-1])


def _convolution(given: Sequence[Any], out: Tensor) -> int:
    source, weight, transposed = given[0], given[1], given[6]
    laid_on = source if transposed else out
    return int(weight.numel() * laid_on.shape[0] * prod(laid_on.shape[2:]))


def _summed_products(given: Sequence[Any], out: Tensor) -> int:
    samples, _, shared = given[1].shape
    return int(out.numel() * samples * shared)


def _recurrent(given: Sequence[Any], out: Tensor) -> int:
    """Return the count of one layer over a sequence ``(steps, n, width)``: two products a step."""
    steps, samples, _ = given[0].shape
    return int(steps * samples * (given[1].numel() + given[2].numel()))


#: Operator of torch's own -> its MACs, from its arguments and its (first) output.
COUNTED: dict[str, Callable[[Sequence[Any], Tensor], int]] = {
    "convolution": _convolution,
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), _product(0)),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _product(1)),
    "addbmm": _summed_products,
    "mkldnn_rnn_layer": _recurrent,
}

#: Operators of torch's own that multiply and accumulate too.
UNKNOWN = frozenset(
    [
        *("_cdist_forward", "_euclidean_dist", "_fft_c2c", "_fft_c2r", "_fft_r2c", "_grouped_mm"),
        *("_int_mm", "_native_multi_head_attention", "_scaled_mm", "_trilinear", "vdot"),
        *("_transformer_encoder_layer_fwd", "linalg_matrix_exp", "matrix_exp"),
    ]
)

#: Namespaces whose operators are known one by one.
_OWN = frozenset(["aten", "prim", "prims"])

_INPUT = 1  # the bit of what depends on an input; the others are products, by their order


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every product as it runs, and which of them each tensor's memory depends on."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._found: list[int | str] = ["the input"]
        self._needs: dict[int, int] = {_memory(tensor): _INPUT for tensor in inputs}

    def needed(self, outputs: Any) -> int:
        """Return the MACs that these outputs need.

        Raises:
            InputError: An operator among them multiplies, and nobody knows how often.
        """
        bits = self._bits(outputs)
        found = [macs for k, macs in enumerate(self._found) if k and bits >> k & 1]
        unknown = sorted({name for name in found if isinstance(name, str)})
        if unknown:
            raise InputError(
                "the network's MACs cannot be counted",
                got=f"the operator {', '.join(unknown)}",
                expected="convolutions and matrix products, which torch writes its own layers with",
                fix="Write what it computes with those",
            )
        return sum(macs for macs in found if isinstance(macs, int))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        bits = self._bits((args, kwargs))
        written = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if bits & _INPUT and written and (macs := _macs(func, args, written[0])) != 0:
            bits |= 1 << len(self._found)
            self._found.append(macs)
        # What is written in place was read too, so that nothing is forgotten.
        self._needs.update((_memory(tensor), bits) for tensor in written)
        return result

    def _bits(self, values: Any) -> int:
        bits = 0
        for leaf in tree_leaves(values):
            if isinstance(leaf, Tensor):
                bits |= self._needs.get(_memory(leaf), 0)
        return bits


def _memory(tensor: Tensor) -> int:
    """Return what a tensor shares with all views of it."""
    return int(tensor.untyped_storage()._cdata)


def _macs(func: Any, given: Sequence[Any], out: Tensor) -> int | str:
    """Return the MACs of one call, the operator's name if it multiplies in a way not known."""
    name = func._overloadpacket.__name__
    if func.namespace in _OWN and name in COUNTED:
        return COUNTED[name](given, out)
    if name in UNKNOWN or func.namespace not in _OWN:
        return f"{func.namespace}::{name}"
    return 0
