"""An ONNX file as a network of a model cascade: its card beside it, its classes in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.export.graph.counts import count
from calexnet.export.intake.taking import Taken, form_in, take
from calexnet.files import jsontext, schema
from calexnet.files.storage import is_file, regular_bytes, sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.images.resizing import Resize
from calexnet.models import Model, ModelSpec
from calexnet.training import record


@dataclass(frozen=True)
class Card:
    """What a file ``NAME.json`` beside ``NAME.onnx`` says of that network.

    Attributes:
        mean: Of each channel, in 0..1, that its images were normalised with.
        std: Likewise.
        classes: Their names in the order of its outputs; by default that of the data.
        resize: How its images came to size, such as ``224`` or ``shorter:256,crop:224``.
        licence: Under which it may be used.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None
    resize: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What a network of a cascade has to fit.

    Attributes:
        images: Real ones as they travel, uint8 ``(n, H, W, C)``; conversions are tried on them.
        classes: Names in label order.
        mean: What images are normalised with where a network's card says nothing.
        std: Likewise.
    """

    images: NDArray[np.uint8]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def card_of(path: Path) -> Card:
    """Return what lies beside the file of a network; nothing is said by default.

    Raises:
        InputError: It cannot be read.
    """
    beside = path.with_suffix(".json")
    if not is_file(beside):
        return Card()
    try:
        card: Card = schema.decode(Card, jsontext.parse(regular_bytes(beside, jsontext.MOST_BYTES)))
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{beside} cannot be used",
            got=problem,
            expected=f"an object with {', '.join(schema.fields(Card))}, each if known",
            fix="See docs/formats.md",
        ) from problem
    return card


def size_of(source: str) -> Resize | None:
    """Return how images come to the size of the network in an ONNX file, or of a run's.

    ``None`` where the file leaves it open, and for what is neither.

    Raises:
        InputError: It is no ONNX file, takes something else than one image, or its card is wrong.
    """
    path = Path(source)
    if is_file(path / record.RECORD):
        images = record.read(path)[0].cascade.preprocessing
        return images.resize or Resize(images.height, images.width)
    if not is_onnx(source):
        return None
    with _named(path):
        card, form = card_of(path), form_in(path)
    if card.resize is not None:
        return Resize.parse(card.resize)
    return None if form is None else Resize(form.height, form.width)


def is_onnx(source: str) -> bool:
    """Return whether a network is named as an ONNX file."""
    return source.lower().endswith(".onnx")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which file a refusal is."""
    try:
        yield
    except InputError as problem:
        told = str(problem)
        raise InputError(told if str(path) in told else f"{path}: {told}") from problem


def of_file(path: Path, name: str, wanted: Wanted) -> Model:
    """Return the network in an ONNX file, every step of its conversion tried on images.

    Raises:
        InputError: It is no classifier of images, cannot be converted, or does not fit the data.
        RuntimeUnavailableError: onnxruntime is not installed.
    """
    with _named(path):
        card, form, images = card_of(path), form_in(path), wanted.images
        if form is not None and images.shape[1:3] != (form.height, form.width):
            straight = Resize(form.height, form.width)
            images = np.stack([straight(image) for image in images])
        takes_bytes = form is not None and form.dtype == "uint8"
        mean, std = (None, None) if takes_bytes else (wanted.mean, wanted.std)
        taken = take(path, images, card.mean or mean, card.std or std)
        data = _in_order(taken, card.classes, wanted.classes)
        digest = sha256(path.read_bytes())
        return model_of(name, digest, data, taken.preprocessing, licence=card.licence)


def _in_order(taken: Taken, own: tuple[str, ...] | None, classes: tuple[str, ...]) -> bytes:
    """Return the graph of `taken` with its classes in the data's order.

    Raises:
        InputError: It has others, or another number of them.
    """
    if taken.answer.classes != len(classes):
        raise InputError(
            "the network has other classes than the data",
            got=f"{taken.answer.classes} classes",
            expected=f"{len(classes)}, as the data have",
        )
    if own is None or own == classes:
        return taken.data
    if sorted(own) != sorted(classes):
        strange = next((one for one in own if one not in classes), None)
        raise InputError(
            "the network has other classes than the data",
            got=f"{len(own)} names" if strange is None else repr(strange),
            expected=f"the {len(classes)} names of the data's classes, each once",
            fix="Mend the classes in its .json, or leave them out if the order is the data's",
        )
    model = onnx.load_from_string(taken.data)
    return _reordered(model, [own.index(name) for name in classes])


def _reordered(model: onnx.ModelProto, order: Sequence[int]) -> bytes:
    """Return `model` with the columns of its logits in `order`."""
    graph = ir.serde.deserialize_model(model)
    (logits,) = graph.graph.outputs
    logits.name = "logits.own"
    tape = ir.tape.Tape(graph.graph)
    places = tape.initializer(ir.tensor(np.array(order, np.int64), name="logits.order"))
    sorted_logits = tape.op("Gather", [logits, places], {"axis": 1})
    sorted_logits.name, sorted_logits.type, sorted_logits.shape = (
        "logits",
        logits.type,
        logits.shape,
    )
    graph.graph.outputs[0] = sorted_logits
    data: bytes = ir.serde.serialize_model(graph).SerializeToString(deterministic=True)
    return data


def model_of(
    name: str,
    digest: str,
    data: bytes,
    preprocessing: Preprocessing,
    *,
    licence: str | None = None,
) -> Model:
    """Return a network without branches, its work counted.

    Raises:
        InputError: An operator multiplies, and nobody knows how often.
    """
    counts = count(data)
    if counts.uncounted:
        raise InputError(
            f"what {name} costs cannot be counted",
            got=f"the operator {', '.join(counts.uncounted)}",
            expected="operators whose multiplications are known",
        )
    spec = ModelSpec(name, digest, preprocessing, (counts.macs,), counts.parameters, licence)
    return Model(spec, data)
