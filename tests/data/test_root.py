"""Fetching a data set from a real server: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from calexnet import data
from calexnet.cli import main
from calexnet.data import cifar10, root
from calexnet.data.root import Archive, Root, fetch
from calexnet.errors import InputError, RuntimeUnavailableError
from tests.support import image_sets


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """CIFAR-10's archive, on a server of this machine."""
    pytest.importorskip("pooch")
    (tmp_path / "served").mkdir()
    path = image_sets.write_cifar10_archive(tmp_path / "served")
    handler = partial(Quiet, directory=str(path.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{path.name}"
        yield Archive(path.name, url, f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}")
        server.shutdown()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_archive_is_fetched_once_with_progress(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cifar10, "ARCHIVE", archive)
    folder = tmp_path / "new" / "folder"

    found = data.load("cifar10", folder, download=True)

    assert len(found) == image_sets.TRAIN + image_sets.TEST
    assert ["cifar-10-binary.tar.gz"] == files(folder)
    assert "fetching cifar-10-binary.tar.gz, MB" in capsys.readouterr().err
    monkeypatch.setattr(cifar10, "ARCHIVE", replace(archive, url="http://127.0.0.1:1/none"))
    assert len(data.load("cifar10", folder, download=True)) == len(found)


def test_the_progress_counts_megabytes_up_to_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    bar = root._Bar("fetching a.tar.gz, MB")
    bar.total = (5 << 20) + 7
    for _ in range(6):
        bar.update(1 << 20)
    bar.reset()
    bar.update(bar.total)
    bar.close()
    bar.close()

    assert ["fetching a.tar.gz, MB  5/5  0 s"] == capsys.readouterr().err.splitlines()


def test_a_wrong_checksum_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    wrong = replace(archive, checksum="md5:" + "0" * 32)

    with pytest.raises(
        InputError,
        match=rf"^cannot fetch cifar-10-binary\.tar\.gz into {tmp_path / 'out'}: got MD5 hash of "
        rf"downloaded file .* expected {archive.url} with md5:0+\. Try again, or fetch it anot",
    ):
        fetch(wrong, tmp_path / "out")
    assert [] == files(tmp_path / "out")


def test_a_server_without_the_file_is_told(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cannot fetch .*: got 404 Client Error"):
        fetch(replace(archive, url=f"{archive.url}x"), tmp_path / "out")
    assert [] == files(tmp_path / "out")


def test_no_server_is_told(tmp_path: Path) -> None:
    pytest.importorskip("pooch")

    with pytest.raises(InputError, match=r"^cannot fetch a\.tar\.gz into .*: got "):
        fetch(Archive("a.tar.gz", "http://127.0.0.1:1/a.tar.gz", "md5:0"), tmp_path)


def test_without_pooch_it_says_how_else_to_get_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^fetching data sets needs pooch, which is not installed\. Run: pip install "
        r"'calexnet\[download\]'; or fetch https://www\.cs\.toronto\.edu/~kriz/cifar-10-binary"
        rf"\.tar\.gz into {tmp_path}\.$",
    ):
        Root(tmp_path, download=True).find("cifar10", ("x", "y"), cifar10.ARCHIVE)


def test_the_data_command_fetches_when_asked(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "ARCHIVE", archive)
    command = ["data", "cifar10", "--data-root", str(tmp_path / "sets")]
    out = ["--out", str(tmp_path / "set.npz")]

    assert 2 == main([*command, *out])
    assert 0 == main([*command, *out, "--download"])
    assert ["cifar-10-binary.tar.gz"] == files(tmp_path / "sets")
    assert data.load(str(tmp_path / "set.npz")).keys == data.load("cifar10", tmp_path / "sets").keys


def test_a_root_with_a_name_that_cannot_be_is_told_like_a_missing_one() -> None:
    with pytest.raises(
        InputError, match=r"^cifar10 is not in n+\.\.\.n+: got no such folder; expected "
    ):
        data.load("cifar10", Path("n" * 300))


def test_the_root_may_be_the_set_itself_or_begin_with_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image_sets.write_cifar10_archive(tmp_path)
    folder = image_sets.write_folder(
        tmp_path / "unpacked", cifar10.LAYOUT, image_sets.cifar10_files()
    )
    monkeypatch.setenv("HOME", str(tmp_path))

    for named in (path, folder, Path("~")):
        assert image_sets.TRAIN + image_sets.TEST == len(data.load("cifar10", named))
