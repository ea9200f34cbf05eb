"""What people give for a data set that is a published one, packed: they are told what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet import data
from calexnet.data import cifar10, cifar100
from calexnet.errors import InputError
from tests.support import image_sets


@pytest.mark.parametrize(
    ("folder", "file", "name"),
    [("cifar-10-batches-py", "batches.meta", "cifar10"), ("cifar-100-python", "meta", "cifar100")],
)
def test_a_folder_of_pickles_is_told_what_it_is(
    tmp_path: Path, folder: str, file: str, name: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / file).write_bytes(b"\x80\x04].")

    with pytest.raises(
        InputError,
        match=rf"{folder} holds pickled Python objects, which are never read: expected the binary "
        rf"version of {name}\. Fetch it: --data {name} --data-root DIR --download\.$",
    ):
        data.load(str(tmp_path / folder))
    with pytest.raises(
        InputError, match=rf"^{name} is not in .*: got {folder}, which holds pickled Python objects"
    ):
        data.load(name, tmp_path)


def test_the_binary_folder_itself_is_told_its_name(tmp_path: Path) -> None:
    ten = image_sets.write_folder(tmp_path, cifar10.LAYOUT, image_sets.cifar10_files())
    hundred = image_sets.write_folder(tmp_path, cifar100.FINE, image_sets.cifar100_files())

    for folder, name in ((ten, "cifar10"), (hundred, "cifar100")):
        with pytest.raises(
            InputError,
            match=rf"is {name} itself, no folder of images\. Give --data {name} --data-root "
            rf"{tmp_path}\.$",
        ):
            data.load(str(folder))


def test_an_archive_is_told_what_to_give_instead(tmp_path: Path) -> None:
    path = image_sets.write_cifar10_archive(tmp_path)
    (tmp_path / "cifar-10-python.tar.gz").touch()

    with pytest.raises(InputError, match=rf"Give --data cifar10 --data-root {tmp_path}\.$"):
        data.load(str(path))
    with pytest.raises(InputError, match="pickled Python objects, which are never read: take the"):
        data.load(str(tmp_path / "cifar-10-python.tar.gz"))
