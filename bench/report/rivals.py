"""What a report holds of a rival: a network set beside the bundle's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What a rival is to the bundle's own networks.
Kind = Literal["smaller model", "other cascade"]


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
        takes: Its input, and what images go through before.
        gives: Its output, and how that is read.
        macs: Multiply-accumulates of one image, of a cascade on its calibration samples;
            ``None`` if not known.
        macs_reason: Why not.
    """

    name: str
    kind: Kind
    path: str
    sha256: str
    target: str
    precision: str | None
    batch: int | None
    takes: str
    gives: str
    macs: int | None
    macs_reason: str | None
