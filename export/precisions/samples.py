"""Real samples for a narrow build: to find activations' ranges on, and its thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet import data
from calexnet.data.split import SplitRecord, recorded_calibration_part
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import CalibrationRecord

#: How many samples ranges are found on, unless told otherwise.
RANGED = 256


@dataclass(frozen=True)
class Calibration:
    """The calibration part of a data set, in mixed order: no sample was trained on or will test.

    Attributes:
        images: uint8 ``(n, H, W, C)``; ranges are found on the first ``record.ranged``.
        labels: int64 ``(n,)``.
        record: For the manifest.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    record: CalibrationRecord


def load(
    source: str | None,
    split: SplitRecord,
    preprocessing: Preprocessing,
    classes: tuple[str, ...],
    ranged: int | None = None,
    root: Path | None = None,
) -> Calibration:
    """Return the calibration samples of `source`.

    Args:
        source: What `calexnet.data.load` takes; ``None`` = the set that `split` names, if it has
            a name of its own.
        split: How the cascade's data were divided.
        preprocessing: Gives the images' shape.
        classes: Names in label order.
        ranged: How many samples to find ranges on; ``None`` = `RANGED`, or all if fewer.
        root: Where named sets lie.

    Raises:
        InputError: No or unknown source, images or classes that do not fit, another set than was
            recorded, or too few samples.
    """
    samples = data.load_alike(_source(source, split), root, preprocessing, split)
    samples.check_fits(preprocessing.image_shape, classes)
    part = recorded_calibration_part(samples, split)
    wanted = min(RANGED, len(part)) if ranged is None else ranged
    if not 1 <= wanted <= len(part):
        raise InputError(
            f"{samples.name} cannot give that many calibration samples",
            got=f"{wanted} asked for",
            expected=f"1 to {len(part)}, its calibration part",
            fix="Ask for fewer with --calib-samples",
        )
    # Folders come class by class; ranges must see all classes.
    mixed = np.random.default_rng(split.seed).permutation(part)
    sha256 = split.parts["calibration"].sha256
    record = CalibrationRecord(samples.name, len(part), wanted, sha256)
    return Calibration(samples.images[mixed], samples.labels[mixed], record)


def _source(source: str | None, split: SplitRecord) -> str:
    if source is not None:
        return source
    if split.data not in data.NAMED:
        raise InputError(
            "a narrow precision needs real calibration samples",
            got=f"no --calib-data, and the name {split.data!r} alone does not say where they are",
            expected="a data set as calexnet data names them",
            fix="Add --calib-data with the set that the cascade was trained from",
        )
    return split.data
