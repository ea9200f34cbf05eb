"""What a report holds of a rival: a network set beside the bundle's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What a rival is to the bundle's own networks.
Kind = Literal["smaller model", "other cascade"]
#: What the numbers of a rival's input or output are.
Holds = Literal["raw", "normalised", "labels", "one number a class"]


@dataclass(frozen=True)
class TensorForm:
    """What goes into a rival, or comes out.

    Attributes:
        dtype: As numpy calls it.
        shape: ``n`` stands for any number of images.
        holds: What the numbers are.
    """

    dtype: str
    shape: tuple[int | str, ...]
    holds: Holds


@dataclass(frozen=True)
class RivalRecord:
    """What a report says of a rival.

    Attributes:
        name: The end of its path, as long as it takes to tell it from the others.
        kind: What it is to the bundle's own networks.
        path: As it was given.
        sha256: Of the file, or of the bundle's manifest.
        target: The runtime that runs it.
        precision: Of a bundle's build; ``None`` for a file, whose numbers may be of any kind.
        batch: The one batch size that it takes, ``None`` = any.
        takes: Its input; ``None`` if an older version wrote it otherwise.
        gives: Its output; ``None`` likewise.
        macs: Multiply-accumulates of one image, of a cascade on its calibration samples;
            ``None`` if not known.
        uncounted: Its operators whose work is not counted, so that `macs` is not known.
        macs_message: What else stood in the way, as it was said.
    """

    name: str
    kind: Kind
    path: str
    sha256: str
    target: str
    precision: str | None
    batch: int | None
    takes: TensorForm | None
    gives: TensorForm | None
    macs: int | None
    uncounted: tuple[str, ...] = ()
    macs_message: str | None = None
