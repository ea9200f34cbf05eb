"""A bundle on disk: its manifest read, every file checked before any runtime sees one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calexnet import manifest
from calexnet.errors import BundleError
from calexnet.files import onnxgraph, tflitegraph
from calexnet.files.jsontext import MOST_BYTES
from calexnet.files.sealed import SealedFolder
from calexnet.files.storage import is_file, is_folder, recover, regular_bytes
from calexnet.files.targets import ENDINGS
from calexnet.manifest import (
    COPY_AGAIN,
    MANIFEST,
    SEGMENTS,
    Compiled,
    FileRecord,
    GraphRecord,
    Manifest,
)


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
        return _sealed(self.folder).read(record)

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
        _sealed(self.folder).check(record)

    def compiled(self, target: str, precision: str | None, layout: str = SEGMENTS) -> Compiled:
        """Return the cascade compiled for `target`, at its first precision for ``None``.

        Raises:
            BundleError: The bundle has none.
        """
        for build in self.manifest.builds:
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
    sealed = _sealed(folder)
    sealed.refuse_escape(MANIFEST)
    with sealed.readable(path):
        data = regular_bytes(path, MOST_BYTES)
    content, identity = manifest.parse(data, str(path))
    for record in content.files():
        sealed.refuse_escape(record.path)
    sealed.refuse_unlisted(content.files())
    _refuse_types(folder, content)
    sealed.check_all(content.files())
    return Bundle(folder, content, identity)


def _sealed(folder: Path) -> SealedFolder:
    return SealedFolder(folder, MANIFEST, "bundle", COPY_AGAIN)


def _refuse_types(folder: Path, content: Manifest) -> None:
    """Do nothing if every file is of the type that its target runs."""
    for build in content.compiled:
        known = ENDINGS.get(build.target)
        wanted = tuple(sorted(set(ENDINGS.values()))) if known is None else (known,)
        for graph in (*build.segments, build.plain):
            if not graph.file.path.endswith(wanted):
                raise BundleError(
                    f"a graph of {folder} is of another type",
                    got=repr(graph.file.path),
                    expected=f"{' or '.join(wanted)} for target {build.target}",
                    fix="Do not use this bundle; get it again from where it was made",
                )
