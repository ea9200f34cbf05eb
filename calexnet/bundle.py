"""A bundle on disk: its manifest read, every file checked before any runtime sees one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from calexnet import manifest
from calexnet.errors import BundleError
from calexnet.files import onnxgraph, tflitegraph
from calexnet.files.jsontext import MOST_BYTES
from calexnet.files.storage import (
    is_file,
    is_folder,
    open_regular,
    recover,
    regular_bytes,
    sha256,
    stream_sha256,
)
from calexnet.manifest import (
    COPY_AGAIN,
    MANIFEST,
    SEGMENTS,
    Compiled,
    FileRecord,
    GraphRecord,
    Manifest,
)

#: Bytes that take about as long to hash as it takes to have threads.
_WORTH_A_THREAD = 8 * 2**20


#: target -> how its files' names end.
_TYPES = {
    "onnxruntime": (".onnx",),
    "tflite": (".tflite",),
    "tensorrt": (".engine",),
    "tensorrt-rtx": (".engine",),
}


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: nothing of it has changed since it was written.

    Attributes:
        folder: Where it is.
        manifest: What it holds.
        sha256: The manifest's own hash, which names the bundle.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    def read(self, record: FileRecord) -> bytes:
        """Return a file's bytes, checked against the manifest.

        Raises:
            BundleError: The file is missing, cut or changed.
        """
        path = self.folder / record.path
        with _readable(path), open_regular(path) as file:
            _refuse_size(path, record, os.fstat(file.fileno()).st_size)
            data = file.read(record.size)
        _refuse_changed(path, record, sha256(data))
        return data

    def read_graph(self, record: GraphRecord) -> bytes:
        """Return a graph's bytes, checked against the manifest, and what they hold, if not engines.

        Raises:
            BundleError: The file is missing, cut or changed, or is not the graph that the manifest
                declares: it reads other files, takes or gives other tensors, or is beyond a limit.
        """
        data = self.read(record.file)
        if record.file.path.endswith(".onnx"):
            onnxgraph.refuse_misfit(record, data)
        elif record.file.path.endswith(".tflite"):
            tflitegraph.refuse_misfit(record, data)
        return data

    def check(self, record: FileRecord) -> None:
        """Do nothing if a file is as the manifest says; it is not kept in memory.

        Raises:
            BundleError: The file is missing, cut or changed.
        """
        path = self.folder / record.path
        with _readable(path), open_regular(path) as file:
            _refuse_size(path, record, os.fstat(file.fileno()).st_size)
            found = stream_sha256(file)
        _refuse_changed(path, record, found)

    def compiled(self, target: str, precision: str | None, layout: str = SEGMENTS) -> Compiled:
        """Return the cascade compiled for `target`, at its first precision for ``None``.

        Raises:
            BundleError: The bundle has none.
        """
        for build in self.manifest.compiled:
            fits = build.target == target and precision in (None, build.precision)
            if fits and build.layout == layout:
                return build
        held = ", ".join(build.name for build in self.manifest.compiled)
        wanted = [target] + ([precision] if precision else [])
        words = f"--target {target}" + (f" --precision {precision}" if precision else "")
        if layout != SEGMENTS:
            wanted.append(f"in layout {layout}")
            words += f" --layout {layout}"
        raise BundleError(
            f"{self.folder} holds no {' '.join(wanted)}",
            got=held,
            fix=f"Add it with: calexnet-export {self.folder} {words}",
        )


def open_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder` after checking all of it.

    Raises:
        BundleError: It is no bundle, is damaged or altered, holds a file that the manifest does not
            list, or lists a path that leaves the folder.
    """
    recover(folder)
    path = folder / MANIFEST
    if not is_file(path):
        raise BundleError(
            f"{folder} is not a bundle",
            got=f"no {MANIFEST}" if is_folder(folder) or is_file(folder) else "no such folder",
            expected="what calexnet-export writes",
            fix="Make one, for example: calexnet-export runs/digits --target onnxruntime --out "
            "bundles/digits",
        )
    _refuse_escape(folder, MANIFEST)
    with _readable(path):
        data = regular_bytes(path, MOST_BYTES)
    content, identity = manifest.parse(data, str(path))
    bundle = Bundle(folder, content, identity)
    for record in content.files():
        _refuse_escape(folder, record.path)
    _refuse_unlisted(folder, content)
    _refuse_types(folder, content)
    _check(bundle)
    return bundle


def _check(bundle: Bundle) -> None:
    """Compare every file's hash; large ones two at a time, for hashing is most of it."""
    records = tuple(dict.fromkeys(bundle.manifest.files()))
    if sum(record.size for record in records) < _WORTH_A_THREAD:
        for record in records:
            bundle.check(record)
        return
    from concurrent.futures import ThreadPoolExecutor  # an import that small bundles are spared

    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(bundle.check, records):
            pass


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the system's refusal to read `path` into one message."""
    try:
        yield
    except OSError as problem:
        raise BundleError(f"cannot read {path}", got=problem.strerror, fix=COPY_AGAIN) from problem
    except BundleError:
        raise
    except ValueError as problem:  # too large
        raise BundleError(f"cannot read {path}", got=problem, fix=COPY_AGAIN) from problem


def _refuse_size(path: Path, record: FileRecord, size: int) -> None:
    """Do nothing if a file has the size that its record says: before it is read or hashed."""
    if size != record.size:
        raise BundleError(
            f"{path} was cut or changed",
            got=f"{size} bytes",
            expected=f"{record.size}",
            fix=COPY_AGAIN,
        )


def _refuse_changed(path: Path, record: FileRecord, found: str) -> None:
    """Do nothing if a file has the hash that its record says."""
    if found != record.sha256:
        raise BundleError(
            f"{path} was changed",
            got=f"SHA-256 {found[:12]}...",
            expected=f"{record.sha256[:12]}...",
            fix=COPY_AGAIN,
        )


def _refuse_escape(folder: Path, listed: str) -> None:
    path = PurePosixPath(listed)
    inside = not path.is_absolute() and ".." not in path.parts and "\0" not in listed
    if inside:
        inside = _real(folder / listed).is_relative_to(_real(folder))
    if not inside:
        raise BundleError(
            f"a path in {folder / MANIFEST} leaves the bundle",
            got=repr(listed),
            expected="a path below the bundle's folder",
            fix="Do not use this bundle; get it again from where it was made",
        )


def _real(path: Path) -> Path:
    """Return where `path` really is; unlike `Path.resolve`, no error for a ring of links."""
    return Path(os.path.realpath(path))


def _refuse_types(folder: Path, content: Manifest) -> None:
    """Do nothing if every file is of the type that its target runs."""
    for build in content.compiled:
        wanted = _TYPES.get(build.target, tuple(set().union(*_TYPES.values())))
        for graph in (*build.segments, build.plain):
            if not graph.file.path.endswith(wanted):
                raise BundleError(
                    f"a graph of {folder} is of another type",
                    got=repr(graph.file.path),
                    expected=f"{' or '.join(sorted(wanted))} for target {build.target}",
                    fix="Do not use this bundle; get it again from where it was made",
                )


def _refuse_unlisted(folder: Path, content: Manifest) -> None:
    listed = {record.path for record in content.files()} | {MANIFEST}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in listed:
            raise BundleError(
                f"{folder} holds a file that its manifest does not list",
                got=repr(name),
                expected="only listed files",
                fix="Remove that file, or copy the bundle again",
            )
