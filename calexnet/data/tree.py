"""What a tree of folders says: which of them are parts, which are classes, which are neither.

Nothing is guessed: a tree that can be read in two ways is refused with both.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calexnet.data.image import SUFFIXES
from calexnet.errors import InputError

OFFICIAL = ("train", "valid", "test")

#: What folders of parts are called, whatever the case -> the part.
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev", "eval"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}

#: Folders that are neither parts nor classes, whatever the case; nor is what begins with a dot.
_NEITHER = {"annotations"}
_HIDDEN = {"__macosx", "thumbs.db", "desktop.ini"}

_DEEPEST = 32


@dataclass(frozen=True)
class ImageFile:
    """One image: where it is, its key, and its class."""

    path: Path
    key: str
    label: int


@dataclass(frozen=True)
class Tree:
    """A data set's files.

    Attributes:
        files: Part by part, class by class, in the order of their paths.
        classes: Names in label order.
        official: The parts, in the order of `OFFICIAL`; empty if there are none.
        renamed: Folders of parts that are called otherwise -> the part.
        left_out: What is no image here -> how often: suffixes, links, folders.
    """

    files: tuple[ImageFile, ...]
    classes: tuple[str, ...]
    official: tuple[str, ...]
    renamed: Mapping[str, str]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class _Folder:
    """All below a folder at the top.

    Attributes:
        name: Its name.
        images: The parts of their paths, relative to it.
        inside: Names of the folders in it, those without images too.
    """

    name: str
    images: tuple[tuple[str, ...], ...]
    inside: tuple[str, ...]

    @property
    def loose(self) -> bool:
        """Whether images lie directly in it."""
        return any(len(image) == 1 for image in self.images)

    @property
    def filled(self) -> set[str]:
        """The folders in it that hold images."""
        return {image[0] for image in self.images if len(image) > 1}


def read(root: Path) -> Tree:
    """Return what is in the tree at `root`; links are not followed.

    Raises:
        InputError: It can be read in two ways, holds no images, or cannot be listed.
    """
    left_out: Counter[str] = Counter()
    try:
        images, inside = _walked(root, left_out)
    except OSError as problem:
        raise InputError(f"cannot read {root}", got=problem.strerror or problem) from problem
    below = {name: tuple(p[1:] for p in images if p[0] == name and len(p) > 1) for name in inside}
    folders = [_Folder(name, below[name], inside[name]) for name in sorted(inside)]
    parts = _parts(root, folders)
    _refuse_turned_round(root, folders, parts)
    classes = sorted({name for part in parts.values() for name in part.inside} or set(inside))
    _refuse_case(root, classes)
    left_out["image in no class"] += sum(len(image) == 1 for image in images)
    files = _files(root, folders, parts, classes)
    if not files:
        raise _nothing(root, len(folders), left_out)
    return Tree(
        files,
        tuple(classes),
        tuple(parts),
        {folder.name: part for part, folder in parts.items() if folder.name != part},
        +left_out,
    )


def _walked(
    root: Path, left_out: Counter[str]
) -> tuple[list[tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the images, and the folders at the top with the names of those in them."""
    images: list[tuple[str, ...]] = []
    inside: dict[str, list[str]] = {}
    todo: list[tuple[str, ...]] = [()]
    while todo:
        place = todo.pop()
        with os.scandir(root.joinpath(*place)) as entries:
            for entry in entries:
                path, suffix = (*place, entry.name), Path(entry.name).suffix.lower()
                if entry.name.startswith(".") or entry.name.casefold() in _HIDDEN:
                    continue
                if entry.is_symlink():
                    left_out["link"] += 1
                elif entry.is_dir():
                    if entry.name.casefold() in _NEITHER or len(path) > _DEEPEST:
                        left_out[f"folder {entry.name}"] += 1
                        continue
                    todo.append(path)
                    if len(path) <= 2:
                        inside.setdefault(path[0], []).extend(path[1:])
                elif suffix in SUFFIXES and entry.is_file():
                    images.append(path)
                elif len(path) > 1:
                    left_out[suffix or "file without a suffix"] += 1
    return sorted(images), {name: tuple(sorted(names)) for name, names in inside.items()}


def _parts(root: Path, folders: Sequence[_Folder]) -> dict[str, _Folder]:
    """Return the folders of official parts; empty if the folders are classes."""
    filled = [folder for folder in folders if folder.images]
    named = [folder for folder in filled if folder.name.casefold() in PARTS]
    others = [folder for folder in filled if folder not in named]
    if not any(folder.filled for folder in named) and (others or not named):
        return {}
    if others or any(folder.loose for folder in named):
        raise _ambiguous(root, named, others)
    found: dict[str, _Folder] = {}
    for folder in named:
        part = PARTS[folder.name.casefold()]
        if part in found:
            raise InputError(
                f"{root} has two folders for its {part} part",
                got=f"{found[part].name} and {folder.name}",
                expected="one",
                fix="Move one of them away, or their images together",
            )
        found[part] = folder
    return {part: found[part] for part in OFFICIAL if part in found}


def _ambiguous(root: Path, named: Sequence[_Folder], others: Sequence[_Folder]) -> InputError:
    loose = next((folder.name for folder in named if folder.loose), None)
    both = "" if loose is None or others else f", though images lie in {loose} without a class"
    beside = f", and {_few(others)} beside them" if others else ""
    return InputError(
        f"{root} can be read in two ways",
        got=f"{_few(named)} as parts of the data set{both}{beside}; or {_few([*named, *others])} "
        f"as {len(named) + len(others)} classes",
        expected="one sub-folder a class; or folders train, valid and test alone, each with one "
        "sub-folder a class",
        fix="Rename folders, or move what is neither away",
    )


def _refuse_turned_round(
    root: Path, folders: Sequence[_Folder], parts: Mapping[str, _Folder]
) -> None:
    """Refuse parts inside classes, and a whole data set inside one folder."""
    filled = [folder for folder in folders if folder.images]
    if parts or not filled or any(folder.loose for folder in filled):
        return
    inside = sorted(set().union(*(folder.filled for folder in filled)))
    if len(filled) == 1 and len(inside) > 1:
        got = f"{filled[0].name} as the only class; or what is in it as the data set"
        fix = f"Give {root / filled[0].name}"
    elif len({PARTS.get(name.casefold()) for name in inside} - {None}) == len(inside) > 1:
        got = f"{_few(filled)} as classes; or {', '.join(inside)} in them as parts of the data set"
        fix = f"Turn the folders round: {inside[0]}/{filled[0].name}"
    else:
        return
    raise InputError(f"{root} can be read in two ways", got=got, fix=fix)


def _refuse_case(root: Path, classes: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in classes:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise InputError(
                f"{root} has classes that differ in case alone",
                got=f"{other} and {name}",
                expected="one name a class",
            )


def _files(
    root: Path,
    folders: Sequence[_Folder],
    parts: Mapping[str, _Folder],
    classes: Sequence[str],
) -> tuple[ImageFile, ...]:
    """Return the images with a key each: the path, under the part's own name."""
    numbers = {name: label for label, name in enumerate(classes)}
    tops = list(parts.items()) or [(f.name, f) for f in folders]
    return tuple(
        ImageFile(
            root.joinpath(folder.name, *image),
            "/".join((top, *image)),
            numbers[image[0] if parts else top],
        )
        for top, folder in tops
        for image in folder.images
    )


def _nothing(root: Path, folders: int, left_out: Counter[str]) -> InputError:
    there = ", ".join(f"{count} {what}" for what, count in sorted((+left_out).items()))
    return InputError(
        f"no images in {root}",
        got=f"{folders} sub-folders" + (f"; left out: {there}" if there else ""),
        expected=f"one sub-folder a class, with {', '.join(sorted(SUFFIXES))} files",
        fix="Links are not followed: copy what they name, for example by cp -rL"
        if left_out["link"]
        else None,
    )


def _few(folders: Sequence[_Folder]) -> str:
    names = [folder.name for folder in folders]
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")
