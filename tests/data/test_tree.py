"""Which folders are parts, which are classes, which are neither; and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from calexnet.data import tree
from calexnet.errors import InputError

PETS = ("cat/1.png", "dog/2.png")


def grow(root: Path, *files: str) -> Path:
    """Make empty files, and folders for names that end with a slash."""
    for name in files:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def in_parts(*parts: str) -> list[str]:
    return [f"{part}/{file}" for part in parts for file in PETS]


@pytest.mark.parametrize(
    ("folders", "official"),
    [
        (("train", "test"), ("train", "test")),
        (("train", "val"), ("train", "valid")),
        (("train", "val", "test"), ("train", "valid", "test")),
        (("train", "validation", "test"), ("train", "valid", "test")),
        (("Train", "Test"), ("train", "test")),
        (("TRAINING", "testing"), ("train", "test")),
        (("train", "dev"), ("train", "valid")),
        (("train", "eval"), ("train", "valid")),
        (("train",), ("train",)),
        (("test",), ("test",)),
    ],
)
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("annotations/1.xml", "annotations/1.png", "Annotations/"),
        ("__MACOSX/train/cat/._1.png", "__MACOSX/a.png"),
        (".ipynb_checkpoints/a-checkpoint.png", ".DS_Store", ".git/a.png"),
        ("labels/1.txt", "empty/", "readme.txt"),
    ],
)
def test_parts_are_known_by_their_usual_names_whatever_lies_beside(
    tmp_path: Path, folders: tuple[str, ...], official: tuple[str, ...], more: tuple[str, ...]
) -> None:
    found = tree.read(grow(tmp_path, *in_parts(*folders), *more))

    assert (official, ("cat", "dog")) == (found.official, found.classes)
    assert in_parts(*official) == [file.key for file in found.files]
    assert [0, 1] * len(official) == [file.label for file in found.files]
    assert all(file.path.is_file() for file in found.files)
    renamed = {a: b for a, b in zip(folders, official, strict=True) if a != b}
    assert renamed == found.renamed


def test_what_is_hidden_is_neither_class_nor_image_at_any_depth(tmp_path: Path) -> None:
    hidden = ("cat/.ipynb_checkpoints/1-checkpoint.png", "cat/._1.png", "dog/__MACOSX/1.png")
    found = tree.read(grow(tmp_path, *PETS, *hidden, "cat/.DS_Store", "cat/Thumbs.db", ".x/1.png"))

    assert list(PETS) == [file.key for file in found.files]
    assert {} == found.left_out


def test_a_class_that_is_called_like_a_part_beside_others_stays_a_class(tmp_path: Path) -> None:
    found = tree.read(grow(tmp_path, "train/1.png", "ship/1.png", "car/3.png"))

    assert (("car", "ship", "train"), ()) == (found.classes, found.official)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("train/1.png", "test/2.png"),
            "got test, train as parts of the data set, though images lie in test without a class; "
            "or test, train as 2 classes; expected one sub-folder a class; or folders train, valid "
            "and test alone, each with one sub-folder a class. Rename folders, or move what is "
            "neither away.",
        ),
        (
            (*in_parts("train"), "test/2.png"),
            "though images lie in test without a class; or test, train as 2 classes",
        ),
        (
            (*in_parts("train", "test"), "extra/1.png"),
            "got test, train as parts of the data set, and extra beside them; or test, train, "
            "extra as 3 classes",
        ),
        (("train/old/1.png", "ship/1.png"), "got train as parts of the data set, and ship beside"),
        (
            ("cat/train/1.png", "cat/test/2.png", "dog/train/3.png"),
            "got cat, dog as classes; or test, train in them as parts of the data set. Turn the "
            "folders round: test/cat.",
        ),
        (
            tuple(f"pets/{file}" for file in in_parts("train", "test")),
            "got pets as the only class; or what is in it as the data set. Give ROOT/pets.",
        ),
        (tuple(f"pets/{file}" for file in PETS), "got pets as the only class; or what is in it"),
    ],
)
def test_a_tree_that_can_be_read_in_two_ways_is_refused_with_both(
    tmp_path: Path, files: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError) as problem:
        tree.read(grow(tmp_path, *files))

    said = str(problem.value).replace(str(tmp_path), "ROOT")
    assert said.startswith("ROOT can be read in two ways: got ")
    assert message in said


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"has two folders for its valid part: got dev and val; expected one\. Mov"
    ):
        tree.read(grow(tmp_path, *in_parts("train", "val", "dev")))


def test_classes_that_differ_in_case_alone_are_refused(tmp_path: Path) -> None:
    files = ("train/Cat/1.png", "train/dog/2.png", "test/cat/1.png", "test/dog/2.png")

    with pytest.raises(InputError, match="classes that differ in case alone: got Cat and cat; exp"):
        tree.read(grow(tmp_path, *files))


def test_classes_without_images_and_files_that_are_none_are_counted(tmp_path: Path) -> None:
    more = ("bird/", "cat/1.tif", "cat/deep/2.TIF", "dog/1.gif", "dog/LICENSE", "stray.png")
    grow(tmp_path, *PETS, *more)
    (tmp_path / "dog" / "there.png").symlink_to(tmp_path / "cat" / "1.png")
    (tmp_path / "fish").symlink_to(tmp_path / "cat")

    found = tree.read(tmp_path)

    assert ("bird", "cat", "dog") == found.classes
    assert [1, 2] == [file.label for file in found.files]
    none = {".tif": 2, ".gif": 1, "file without a suffix": 1, "link": 2, "image in no class": 1}
    assert none == found.left_out


def test_a_tree_of_links_alone_says_what_to_do(tmp_path: Path) -> None:
    grow(tmp_path, "all/1.png", "set/cat/", "set/dog/")
    (tmp_path / "set" / "cat" / "1.png").symlink_to(tmp_path / "all" / "1.png")

    with pytest.raises(
        InputError, match=r"got 2 sub-folders; left out: 1 link; expected .* by cp -rL\.$"
    ):
        tree.read(tmp_path / "set")


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    grow(tmp_path, *PETS)
    os.mkfifo(tmp_path / "cat" / "pipe.png")

    assert {".png": 1} == tree.read(tmp_path).left_out
