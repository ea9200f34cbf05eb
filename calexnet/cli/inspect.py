"""``calexnet inspect``: a network as the product sees it, before anything is trained."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet import arguments as kinds
from calexnet import data
from calexnet.cli import inspection
from calexnet.cli.inspection import Inspection
from calexnet.cli.onnx_backbone import ENDS, is_onnx
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.training import backbones
from calexnet.training.backbones.places import Place

if TYPE_CHECKING:
    from calexnet.data.dataset import Dataset

HELP = "Show what a network takes, says and costs, and where branches could go."

#: Places that are shown; ``--json`` has all.
_SHOWN = 12
#: Images of noise that a network is tried on where there are no real ones.
_NOISE = 4
_PIXELS = {
    "normalised": "(pixel / 255 - mean) / std",
    "0..1": "pixel / 255",
    "0..255": "pixels as they are",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model",
        help=f"an .onnx file, {', '.join(backbones.BUILT_IN)}, or your own as "
        "package.module:function",
    )
    parser.add_argument("--data", help=f"to try it on: {kinds.SOURCES}; by default noise")
    kinds.data_root(parser)
    kinds.reading(parser)
    parser.add_argument("--mean", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--std", type=kinds.floats, help="of each channel, 0..1")
    parser.add_argument("--weights", type=Path, help="of a PyTorch network")
    parser.add_argument("--stem", help="for resnet18 and resnet50: 3x3, 3x3+pool or 7x7+pool")
    parser.add_argument(
        "--shape", metavar="C,H,W", help="of an image, for a PyTorch network without --data"
    )
    parser.add_argument(
        "--classes", type=kinds.count, help="how many, for a PyTorch network without --data"
    )
    kinds.allow(parser)
    parser.add_argument("--json", action="store_true", help="all of it as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look at the network and print what was found."""
    samples = None
    if arguments.data is not None:
        samples = data.load(
            arguments.data,
            arguments.data_root,
            resize=arguments.resize,
            skip_bad=arguments.skip_bad,
        )
        kinds.tell(samples)
    if is_onnx(arguments.model):
        mean, std = arguments.mean, arguments.std
        seen = inspection.of_onnx(Path(arguments.model), samples, mean, std)
    else:
        seen = _of_torch(arguments, samples)
    print(json.dumps(schema.encode(seen), indent=2) if arguments.json else words(seen))
    return 0


def _of_torch(arguments: argparse.Namespace, samples: Dataset | None) -> Inspection:
    from calexnet.data.split import over_classes
    from calexnet.images.preprocessing import Preprocessing, channel_statistics
    from calexnet.training.backbones.check import IMAGES
    from calexnet.training.weights import load_weights

    if samples is None:
        images, classes = _noise(arguments), arguments.classes
    else:
        rows = over_classes(samples, np.arange(len(samples)), IMAGES, seed=0)
        images, classes = samples.images[rows], len(samples.classes)
    mean, std = channel_statistics(images, np.arange(len(images)))
    height, width = images.shape[1:3]
    preprocessing = Preprocessing(
        height, width, arguments.mean or mean, arguments.std or tuple(max(s, 1e-3) for s in std)
    )
    spec = backbones.BackboneSpec(arguments.model, classes, arguments.stem)
    network = backbones.build(spec, kinds.allowed(arguments, arguments.model))
    if arguments.weights is not None:
        load_weights(network, arguments.weights)
    return inspection.of_torch(spec, network, preprocessing, images)


def _noise(arguments: argparse.Namespace) -> NDArray[np.uint8]:
    """Return images of noise in the shape that was asked for."""
    try:
        channels, height, width = (int(part) for part in (arguments.shape or "").split(","))
    except ValueError:
        channels = height = width = 0
    if min(channels, height, width) < 1 or arguments.classes is None:
        raise InputError(
            "a PyTorch network does not say what images it takes",
            got=f"--shape {arguments.shape}, --classes {arguments.classes}",
            expected="both, or --data",
            fix="Add for example --shape 3,32,32 --classes 10",
        )
    shape = (_NOISE, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def words(seen: Inspection) -> str:
    """Return what was found, for a terminal."""
    channels, height, width = seen.image
    lines = [
        f"{seen.model}: {'PyTorch' if seen.opset is None else f'ONNX, opset {seen.opset}'}",
        f"input       {seen.dtype} {_axes(seen)}: {width}x{height}, {channels} channels",
        f"classes     {seen.classes}",
        f"gives       {ENDS.get(seen.said, seen.said)}",
        f"MACs        {seen.macs:,} an image",
        f"parameters  {seen.parameters:,}",
    ]
    if seen.is_half:
        lines.append("It computes in half precision, and is taken in single.")
    if seen.batch is not None:
        lines.append(f"It was made for a batch of {seen.batch}, and is taken for any.")
    if seen.kind == "onnx":
        on = "images of the data" if seen.images else "noise"
        lines.append(f"What is taken says what the file says, alone and in a batch: tried on {on}.")
    lines += ["", *_readings(seen), *_places(seen)]
    return "\n".join(lines)


def _axes(seen: Inspection) -> str:
    first = "n" if seen.batch is None else str(seen.batch)
    return f"({', '.join([first, *seen.layout[1:]])})"


def _readings(seen: Inspection) -> list[str]:
    if not seen.readings:
        return []
    best = max(reading.right for reading in seen.readings)
    lines = [f"of {seen.images} images right, if a pixel is read as"]
    for reading in seen.readings:
        mark = "  (best)" * (reading.right == best and len(seen.readings) > 1)
        lines.append(f"  {_PIXELS[reading.pixels]:<28}  {reading.right:5}{mark}")
    return [*lines, ""]


def _places(seen: Inspection) -> list[str]:
    if not seen.places:
        return ["There is no place for a branch: nothing separates a part of the network."]
    names = [place.name for place in seen.places]
    wide = max(16, *map(len, names))
    lines = [f"{'attach at':<{wide}}  MACs behind it  tensors carried      bytes  shape"]
    shown = seen.places
    if len(shown) > _SHOWN:
        wanted = set(seen.proposed)
        step = -(-len(shown) // _SHOWN)
        shown = tuple(p for k, p in enumerate(shown) if k % step == 0 or p.name in wanted)
    lines += [_line(place, wide) for place in shown]
    if len(shown) < len(names):
        lines.append(f"({len(names) - len(shown)} more: --json)")
    return [*lines, "", f"Well spread: --attach {','.join(seen.proposed)}"]


def _line(place: Place, wide: int) -> str:
    carried = f"{place.tensors:15}  {place.bytes:9,}  {'x'.join(map(str, place.shape))}"
    return f"{place.name:<{wide}}  {1 - place.work:14.1%}  {carried}"
