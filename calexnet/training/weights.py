"""Tensors of a network as bytes and back, and trained weights as people have them. Needs torch.

Nothing that a file holds is run: safetensors, plain arrays, and PyTorch's files by
``torch.load(weights_only=True)``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from calexnet.errors import InputError, first_line
from calexnet.files import arrays

State = Mapping[str, Tensor]

#: What wrappers put before every name: DataParallel, Lightning, torch.compile.
PREFIXES = ("module.", "model.", "_orig_mod.")

#: Where training scripts keep the state dict, beside optimiser and epoch.
_UNDER = ("state_dict", "model_state_dict", "model")

_TORCH = (".pt", ".pth")

#: How many pairs of names that do not fit are shown, and looked for.
_SHOWN, _SOUGHT = 3, 20


def pack(module: nn.Module) -> bytes:
    """Return the weights and statistics of `module` as one safetensors file.

    A tensor under two names is stored under both.

    Raises:
        InputError: Its state holds something that is no tensor, or cannot be stored.
    """
    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise InputError(
                "the network cannot be saved",
                got=f"{type(value).__name__} {name} in its state",
                expected="tensors alone",
                fix="Keep it out of get_extra_state",
            )
    try:
        return safetensors.torch.save({name: _alone(value) for name, value in state.items()})
    except Exception as problem:  # a lazy parameter, a sparse tensor: each raises its own kind
        raise InputError(
            "the network cannot be saved", got=first_line(problem), expected="dense tensors"
        ) from problem


def unpack(module: nn.Module, data: bytes) -> None:
    """Fill `module` with what `pack` gave.

    Raises:
        Exception: Of whatever kind the module's own loading raises, where the tensors do not fit.
    """
    _fill(module, safetensors.torch.load(data))


def load_weights(network: nn.Module, path: Path) -> tuple[str, ...]:
    """Fill `network` with trained weights from a file.

    Args:
        network: What they are for.
        path: ``.safetensors``; ``.npz`` with one array a tensor; ``.pt`` or ``.pth`` with a state
            dict, or one under ``state_dict``, ``model_state_dict`` or ``model``.

    Returns:
        Those of `PREFIXES` that were taken off the names, outermost first.

    Raises:
        InputError: No such file, another format, or tensors that do not fit the network.
    """
    state, own = _read(path), network.state_dict()
    stripped = []
    while (prefix := _wrapping(state, own)) is not None:
        state = {name.removeprefix(prefix): value for name, value in state.items()}
        stripped.append(prefix)
    state = _counted(state, own)
    if _shapes(state) != _shapes(own):
        raise InputError(
            f"the weights in {path} do not fit the backbone",
            got=_misfits(_shapes(state), _shapes(own)),
            fix="Check --backbone, --stem and the number of classes",
        )
    try:
        _fill(network, {name: _as_float(value) for name, value in state.items()})
    except Exception as problem:  # a network's own loading may raise anything
        raise InputError(
            f"the weights in {path} do not fit the backbone", got=first_line(problem)
        ) from problem
    return tuple(stripped)


def _fill(module: nn.Module, state: State) -> None:
    """Load `state` as one of the version that `module` is of: some networks ask for it."""
    versioned: Any = OrderedDict(state)
    versioned._metadata = getattr(module.state_dict(), "_metadata", {})
    module.load_state_dict(versioned)


def _counted(state: State, own: State) -> State:
    """Add the counters that files of old versions lack; they decide nothing."""
    ending = "num_batches_tracked"
    counters = {
        name: value
        for name, value in own.items()
        if name.endswith(ending) and name.removesuffix(ending) + "running_mean" in state
    }
    return {**counters, **state}


def _alone(tensor: Tensor) -> Tensor:
    """Return a copy that shares its memory with no other, as safetensors wants it."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _as_float(tensor: Tensor) -> Tensor:
    """Widen half-precision weights; leave counters as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _read(path: Path) -> State:
    readers = {".npz": _arrays, ".safetensors": _safetensors} | dict.fromkeys(_TORCH, _torch)
    if path.suffix not in readers:
        raise InputError(
            f"cannot read weights from {path}",
            got=path.suffix or "no suffix",
            expected=f".safetensors, {', '.join(_TORCH)}, or .npz with one array a tensor",
            fix="Write them with: torch.save(network.state_dict(), 'weights.pt')",
        )
    try:
        return readers[path.suffix](path)
    except InputError:
        raise
    except Exception as problem:  # damage comes in as many kinds as there are formats
        raise InputError(
            f"cannot read weights from {path}",
            got=_true_reason(problem),
            expected="a file of tensors",
            fix="Write one with: torch.save(network.state_dict(), 'weights.pt')"
            if path.suffix in _TORCH
            else None,
        ) from problem


def _arrays(path: Path) -> State:
    return {name: torch.from_numpy(array) for name, array in arrays.read(path).items()}


def _safetensors(path: Path) -> State:
    found: State = safetensors.torch.load(path.read_bytes())
    return found


def _torch(path: Path) -> State:
    """Return the state dict that is the file, or lies under one of `_UNDER`."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    for candidate in (found, *(found[name] for name in _UNDER if name in found)):
        if isinstance(candidate, Mapping) and candidate and _are_tensors(candidate.values()):
            return candidate
    raise InputError(
        f"cannot read weights from {path}",
        got=", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__,
        expected=f"a state dict, or one under {', '.join(_UNDER[:-1])} or {_UNDER[-1]}",
        fix="Write one with: torch.save(network.state_dict(), 'weights.pt')",
    )


def _are_tensors(values: Iterable[object]) -> bool:
    return all(isinstance(value, Tensor) for value in values)


def _true_reason(problem: Exception) -> str:
    """Return what torch's unpickler met, which stands below its advice."""
    said = str(problem).splitlines()
    met = [
        line.partition("error:")[2].strip() for line in said if "WeightsUnpickler error:" in line
    ]
    return met[0] if met else first_line(problem)


def _wrapping(state: State, own: State) -> str | None:
    """Return the prefix without which more names fit, if there is one."""
    fitting = len(state.keys() & own.keys())
    for prefix in PREFIXES:
        bare = {name.removeprefix(prefix) for name in state}
        if len(bare) == len(state) and len(bare & own.keys()) > fitting:
            return prefix
        # Under two wrappers nothing fits before both are gone.
        if fitting == 0 and state and all(name.startswith(prefix) for name in state):
            return prefix
    return None


def _shapes(state: State) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in state.items()}


def _misfits(given: Mapping[str, list[int]], wanted: Mapping[str, list[int]]) -> str:
    """Return how many tensors fit, and the likeliest pairs of those that do not."""
    fit = sum(wanted.get(name) == shape for name, shape in given.items())
    lacking = [name for name in wanted if given.get(name) != wanted[name]]
    lacking.sort(key=lambda name: not wanted[name])  # counters last
    spare = [name for name in given if wanted.get(name) != given[name]]
    pairs = sorted(
        (_nearest(name, wanted[name], spare, given) for name in lacking[:_SOUGHT]),
        key=lambda pair: -round(pair[0], 1),  # of those alike the network's first
    )[:_SHOWN]
    shown = [_pair(name, wanted[name], other, given) for _, other, name in pairs]
    if not lacking:
        shown = [f"nothing for {name} {given[name]}" for name in spare[:_SHOWN]]
    return f"{fit} of {len(wanted)} that fit; the network's for the file's: {', '.join(shown)}"


def _pair(name: str, shape: list[int], other: str | None, given: Mapping[str, list[int]]) -> str:
    """Return a pair of names in few words: a message has room for three."""
    if other is None:
        return f"{name} {shape} for nothing"
    if given[other] == shape:
        return f"{name} for {other}"
    return f"{name} {shape} for {given[other]}"


def _nearest(
    name: str, shape: list[int], spare: Iterable[str], given: Mapping[str, list[int]]
) -> tuple[float, str | None, str]:
    """Return how near the nearest of the `spare` names is, that one, and `name`."""
    matched = [
        (SequenceMatcher(None, name, other).ratio() + (given[other] == shape), other)
        for other in spare
        if given[other] == shape or other == name
    ]
    near, other = max(matched, default=(0.0, None), key=lambda pair: pair[0])
    return near, other, name
