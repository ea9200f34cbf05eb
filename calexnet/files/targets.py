"""What the files of each target are: the one table that export, bundle and runtimes share.

Beside it a target has one entry where it is compiled, in `calexnet.export.targets`, and one where
it is run, in `calexnet.runtimes.loading`.
"""

from __future__ import annotations

#: Target -> how the names of its files end.
ENDINGS = {
    "onnxruntime": ".onnx",
    "tflite": ".tflite",
    "tensorrt": ".engine",
    "tensorrt-rtx": ".engine",
}
