"""What reading a data set came upon, as numbers; and in words, for whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remarks:
    """What a user should know of how a set was read.

    Attributes:
        renamed: Folders taken for official parts of another name -> the part.
        left_out: What was found beside images -> how often: suffixes, links, folders.
        turned: Images that were turned as their EXIF says.
        deep: Images of 16 bits a pixel, of which the upper 8 were kept.
        skipped: Images left out because they cannot be read: the first ones, and why.
        resized: What images were brought to; ``None`` = they are as they were.
        empty: Classes without an image.
        numbered: Classes have no names, only numbers.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    turned: int = 0
    deep: int = 0
    skipped: tuple[str, ...] = ()
    resized: str | None = None
    empty: tuple[str, ...] = ()
    numbered: bool = False

    def sentences(self) -> list[str]:
        """Return a line for each thing that there is to say."""
        said = []
        if self.renamed:
            said.append(
                ", ".join(f"{name} is the {part} part" for name, part in self.renamed.items())
            )
        if self.left_out:
            there = (f"{count} {what}" for what, count in sorted(self.left_out.items()))
            said.append(f"left out, for it is no image: {', '.join(there)}")
        if self.skipped:
            said.append(f"left out, for it cannot be read: {some(self.skipped)}")
        if self.turned:
            said.append(f"{counted(self.turned)} turned as EXIF says")
        if self.deep:
            said.append(f"{counted(self.deep)} of 16 bits brought to 8")
        if self.resized:
            said.append(f"images brought to {self.resized}")
        if self.empty:
            why = " (labels are counted from 0, without holes)" if self.numbered else ""
            said.append(f"no image of {some(self.empty)}{why}")
        return said


def some(names: tuple[str, ...], most: int = 5) -> str:
    """Return the first of `names`, and how many there are if these are not all."""
    return ", ".join(names[:most]) + (f", ... ({len(names)})" if len(names) > most else "")


def counted(images: int) -> str:
    """Return ``1 image`` or ``2 images``."""
    return f"{images} image{'s' * (images != 1)}"
