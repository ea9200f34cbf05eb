"""From a trained cascade to compiled segments: graphs, targets, verification, bundle.

``export_run`` is the whole way, ``export_bundle`` its second half; ``calexnet-export`` is their
command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calexnet.export.settings import OWN_CONVERTER, EngineSettings
from calexnet.export.targets import TARGETS
from calexnet.registry import Allowed

if TYPE_CHECKING:
    from calexnet.images.preprocessing import InputForm
    from calexnet.manifest import Manifest

__all__ = ["TARGETS", "EngineSettings", "export_bundle", "export_if", "export_run"]


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    target: str = "onnxruntime",
    input: InputForm = "uint8",
    precision: str = "fp32",
    calib_data: str | None = None,
    calib_samples: int | None = None,
    data_root: str | Path | None = None,
    engines: EngineSettings | None = None,
    converter: str = OWN_CONVERTER,
    cut: int | None = None,
    allow: Sequence[str] = (),
) -> Manifest:
    """Export the trained cascade in the folder `run` to the bundle `out`.

    Args:
        run: What ``calexnet train`` wrote.
        out: The bundle: a new folder, or an earlier bundle of the same run, which gains or renews
            this target.
        target: One of `TARGETS`. A new bundle gets `onnxruntime` too: its files are the portable
            graphs that every other target is compiled from.
        input: ``uint8`` for raw images, ``float`` for normalised ones.
        precision: ``fp32``, or a narrower one that the target has.
        calib_data: Real labelled samples for a narrow precision, as `calexnet.data.load` takes
            them; only their calibration part is used. ``None`` = the set the run was trained from,
            if it has a name of its own.
        calib_samples: How many of them activations' ranges are found on; thresholds are calibrated
            on all.
        data_root: Folder that named data sets lie in; by default what ``CALEXNET_DATA`` names.
        engines: How to build, for targets that build engines for one GPU.
        converter: ``calexnet``, or ``litert-torch`` for target `tflite` at full precision where
            the network has operators that calexnet does not write.
        cut: Export no cascade but the network cut after this stage, from 1, with the head of its
            branch and no gate; the bundle is one of its own.
        allow: Packages or modules whose parts may be imported, if the run names some.

    Returns:
        The bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.from_run import export_run as export

    return export(
        Path(run),
        Path(out),
        target=target,
        input=input,
        precision=precision,
        calib_data=calib_data,
        calib_samples=calib_samples,
        data_root=None if data_root is None else Path(data_root),
        engines=engines,
        converter=converter,
        cut=cut,
        allow=Allowed(tuple(allow)),
    )


def export_bundle(
    source: str | Path,
    out: str | Path | None = None,
    *,
    target: str,
    precision: str = "fp32",
    calib_data: str | None = None,
    calib_samples: int | None = None,
    data_root: str | Path | None = None,
    engines: EngineSettings | None = None,
    allow: Sequence[str] = (),
) -> Manifest:
    """Compile the portable graphs in the bundle `source` for one more target or precision.

    Needs neither the run nor torch, so a board can do it.

    Args:
        source: A bundle.
        out: Where the bundle with that target goes, ``None`` = in the place of `source`.
        target: One of `TARGETS`.
        precision: See `export_run`.
        calib_data: Likewise; at full precision too, to compare the build's decisions with those of
            the portable graphs.
        calib_samples: See `export_run`.
        data_root: Likewise.
        engines: Likewise. Engines at a narrow precision are built from the bundle's ONNX graphs at
            that precision, which must be there.
        allow: Packages or modules whose threshold rule may be imported, if the bundle names one.

    Returns:
        The new bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.from_bundle import export_bundle as export

    return export(
        Path(source),
        Path(out or source),
        target=target,
        precision=precision,
        calib_data=calib_data,
        calib_samples=calib_samples,
        data_root=None if data_root is None else Path(data_root),
        engines=engines,
        allow=Allowed(tuple(allow)),
    )


def export_if(
    source: str | Path,
    out: str | Path | None = None,
    *,
    precision: str = "fp32",
    run: str | Path | None = None,
    allow: Sequence[str] = (),
) -> Manifest:
    """Write the cascade of the bundle `source` as one ONNX graph with nested ``If``, in it too.

    The graph takes one image and the thresholds, and any app with ONNX Runtime runs it without
    calexnet. It is made of the bundle's segments, so they must be there at this precision.

    Args:
        source: A bundle.
        out: Where the bundle with that graph goes, ``None`` = in the place of `source`.
        precision: Of the segments.
        run: The run that the bundle comes from, to compare with the segments on its samples; needs
            torch.
        allow: Packages or modules whose parts may be imported, if the run names some.

    Returns:
        The new bundle's manifest.

    Raises:
        CalexnetError: Anything that stops it; nothing is half written.
    """
    from calexnet.export.one_file import export_if as export

    return export(
        Path(source),
        Path(out or source),
        precision=precision,
        run=None if run is None else Path(run),
        allow=Allowed(tuple(allow)),
    )
