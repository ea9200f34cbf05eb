"""Whether a graph's file takes and gives what its record in the manifest declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from calexnet.errors import BundleError
from calexnet.manifest import GraphRecord, TensorRecord

#: A dtype's name, and dimensions: numbers, or text where they are open; ``None`` = not said.
Described = tuple[str, "tuple[int | str, ...] | None"]


class GraphError(ValueError):
    """A file that is no graph, or none that may be run."""


@contextmanager
def misfit(record: GraphRecord) -> Iterator[None]:
    """Turn what is wrong with the file of `record` into one message.

    Raises:
        BundleError: A `GraphError` was raised meanwhile.
    """
    try:
        yield
    except GraphError as problem:
        raise BundleError(
            f"{record.file.path} is not the graph that the manifest declares",
            got=problem,
            fix="Do not use this bundle; get it again from where it was made",
        ) from problem


def refuse_other(
    side: str, declared: tuple[TensorRecord, ...], found: Mapping[str, Described]
) -> None:
    """Do nothing if the tensors that were found are the declared ones.

    Args:
        side: What they are called in the message.
        declared: What the manifest says.
        found: What the file says, by name.

    Raises:
        GraphError: There are others, or they are of another dtype or shape.
    """
    if {tensor.name for tensor in declared} != set(found):
        raise GraphError(f"{side} {', '.join(found)}, not {', '.join(t.name for t in declared)}")
    for tensor in declared:
        dtype, shape = found[tensor.name]
        if dtype != tensor.dtype or not _fits(tensor.shape, shape):
            shown = "" if shape is None else f" ({', '.join(map(str, shape))})"
            wanted = f"{tensor.dtype} ({', '.join(map(str, tensor.shape))})"
            raise GraphError(f"{tensor.name} as {dtype}{shown}, not {wanted}")


def _fits(declared: tuple[int | str, ...], shape: tuple[int | str, ...] | None) -> bool:
    """Return whether a graph's own shape says nothing else; where the batch is open it is, too."""
    if shape is None:
        return True
    return len(shape) == len(declared) and all(
        (isinstance(there, str) or there == wanted)
        for there, wanted in zip(shape, declared, strict=True)
    )
