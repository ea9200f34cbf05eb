"""What the files of each target are: the one table that export, bundle and runtimes share.

Beside it a target has one entry where it is compiled, in `calexnet.export.targets`, and one where
it is run, in `calexnet.runtimes.loading`.
"""

from __future__ import annotations

#: Target -> how the names of its files end.
ENDINGS = {
    "onnxruntime": ".onnx",
    "tflite": ".tflite",
    "openvino": ".onnx",
    "tensorrt": ".engine",
    "tensorrt-rtx": ".engine",
}

#: Target -> whose files it runs as they are, and at which precisions: a bundle with those has such
#: builds too, before anyone exports them.
READS = {"openvino": ("onnxruntime", ("fp32", "int8"))}
