"""A network of torch, that a builder gives, as a graph."""

from __future__ import annotations

from pathlib import Path

from calexnet.errors import InputError
from calexnet.export.graph.capture import network_graph
from calexnet.export.graph.given import file_of
from calexnet.export.models.of_file import Wanted, model_of
from calexnet.files.storage import sha256
from calexnet.images.preprocessing import Preprocessing
from calexnet.models import Model
from calexnet.registry import Allowed
from calexnet.training import backbones
from calexnet.training.backbones import BackboneSpec, check
from calexnet.training.backbones.frozen import FrozenBackbone, handed
from calexnet.training.weights import load_weights


def of_builder(source: str, name: str, wanted: Wanted, allow: Allowed) -> Model:
    """Return the network that a builder gives.

    Args:
        source: ``name@weights``; one's own builder may bring its weights itself.
        name: In the cascade.
        wanted: What it has to fit; it takes images as they travel.
        allow: Whose own ones may be imported.

    Raises:
        InputError: There is no such builder, nothing to fill a built-in network with, or a network
            that is no classifier.
        ExportError: torch cannot translate it.
    """
    builder, _, weights = source.partition("@")
    if not weights and builder in backbones.BUILT_IN:
        raise InputError(
            f"{builder} has no weights",
            expected="networks that are trained already",
            fix=f"Name its file too: {builder}@weights.safetensors",
        )
    height, width = wanted.images.shape[1:3]
    images = Preprocessing(height, width, wanted.mean, wanted.std)
    classes = len(wanted.classes)
    network = backbones.build(BackboneSpec(builder, classes), allow).eval()
    if weights:
        load_weights(network, Path(weights))
    backbone = FrozenBackbone(network, ())
    backbone.check((images.channels, images.height, images.width), classes)
    inputs = handed(network, images.normalise(wanted.images))
    check.check(backbone, inputs)
    check.check_capture(backbone, inputs)
    data = file_of(network_graph(backbone, images))
    return model_of(name, sha256(data), data, images)
