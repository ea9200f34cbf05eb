"""The last step of every export: the manifest beside the files that it lists, and no others."""

from __future__ import annotations

from pathlib import Path

from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.manifest import MANIFEST, Manifest


def seal(stage: Path, content: Manifest) -> None:
    """Make a bundle of the folder `stage`, and check all of it.

    Files that `content` no longer lists, made of graphs that were renewed, are removed.

    Raises:
        BundleError: A file is missing, or is not what `content` says.
    """
    listed = {stage / record.path for record in content.files()}
    for path in stage.rglob("*"):
        if path not in listed and not path.is_dir():
            path.unlink()
    (stage / MANIFEST).write_bytes(manifest.dump(content))
    open_bundle(stage)
