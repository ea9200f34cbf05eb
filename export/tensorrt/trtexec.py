"""The same engines by NVIDIA's own tool: a shell script, so that whoever doubts us can measure."""

from __future__ import annotations

import shlex

from calexnet.bundle import Bundle
from calexnet.export.graph.portable import portable_build
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt.profile import Profile, profiles
from calexnet.manifest import FULL, GraphRecord

_SCRIPT = """\
#!/bin/sh
# Builds every segment and the plain backbone of a calexnet bundle with NVIDIA's trtexec, with the
# types and batch sizes that calexnet-export gives them, and times each alone by the GPU's clock.
#
#     sh THIS [folder for engines, logs and times]
#
# BUNDLE and TRTEXEC, if set, say where these two are; else trtexec is looked for on PATH and where
# JetPack and NVIDIA's packages put it. Inputs are random: times are those of the
# engines, and nothing is said about answers.
set -eu
bundle=${BUNDLE:-@BUNDLE@}
trtexec=${TRTEXEC:-$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)}
command -v "$trtexec" >/dev/null || {
    echo "There is no program $trtexec. Say where it is: TRTEXEC=/path/to/trtexec sh $0" >&2
    exit 1
}
out=${1:-trtexec}
mkdir -p "$out"

# TensorRT 10.x has to be told that types stand in the graph; 11.x knows no other way. A tool that
# does not list an option is not given it.
options="@OPTIONS@"
help=$("$trtexec" --help 2>&1) || true
for option in --stronglyTyped --noTF32; do
    case $help in *"$option"*) options="$options $option" ;; esac
done

build() { # name, file, smallest, best and largest shapes
    "$trtexec" --onnx="$bundle/$2" --saveEngine="$out/$1.engine" --skipInference $options \\
        --minShapes="$3" --optShapes="$4" --maxShapes="$5" >"$out/$1.log" 2>&1 ||
        { tail -n 20 "$out/$1.log"; exit 1; }
}

measure() { # name, batch, shapes
    "$trtexec" --loadEngine="$out/$1.engine" --shapes="$3" --noDataTransfers --useSpinWait \\
        --warmUp=500 --duration=5 --exportTimes="$out/$1.$2.json" >"$out/$1.$2.log" 2>&1 ||
        { tail -n 20 "$out/$1.$2.log"; exit 1; }
    echo "$1, batch $2: $(grep -o 'GPU Compute Time: min.*' "$out/$1.$2.log")"
}

"""


def script(bundle: Bundle, precision: str = FULL, settings: EngineSettings | None = None) -> str:
    """Return a script that builds and times what `build_engines` would build.

    Args:
        bundle: With ONNX graphs at `precision`.
        precision: Of the graphs.
        settings: The user's, ``None`` = the usual ones; a timing cache is left out.

    Raises:
        BundleError: There are no graphs at `precision`.
    """
    settings = settings or EngineSettings()
    source = portable_build(bundle, precision)
    rates = bundle.manifest.operating_point(None, source).exit_rates
    graphs = (*source.segments, source.plain)
    memory = settings.workspace_mib
    options = "" if memory is None else f"--memPoolSize=workspace:{memory}"
    head = _SCRIPT.replace("@BUNDLE@", shlex.quote(str(bundle.folder.resolve())))
    lines = [head.replace("@OPTIONS@", options)]
    for graph, profile in zip(graphs, profiles(rates, settings.batches), strict=True):
        lines.append(_build(graph, profile))
        lines += [_measure(graph, batch) for batch in settings.batches]
    return "".join(lines)


def _build(graph: GraphRecord, profile: Profile) -> str:
    shapes = [_shapes(graph, batch) for batch in (1, profile.best, profile.largest)]
    return shlex.join(["build", graph.name, graph.file.path, *shapes]) + "\n"


def _measure(graph: GraphRecord, batch: int) -> str:
    return shlex.join(["measure", graph.name, str(batch), _shapes(graph, batch)]) + "\n"


def _shapes(graph: GraphRecord, batch: int) -> str:
    """Return the shapes of a graph's inputs at `batch` as trtexec takes them."""
    return ",".join(
        f"{tensor.name}:{'x'.join(map(str, tensor.shape_for(batch)))}"
        for tensor in graph.inputs
        if tensor.has_batch
    )
