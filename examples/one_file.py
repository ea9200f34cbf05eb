"""A cascade in layout `if` on ONNX Runtime for Python; no code of calexnet.

For bundles that take raw images, not for those exported with --input float.

pip install onnxruntime
python one_file.py BUNDLE IMAGES    # raw bytes, as many images as there are: H x W x channels each
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

bundle, images = map(Path, sys.argv[1:])
manifest = json.loads((bundle / "manifest.json").read_text())
build = next(one for one in manifest["compiled"] if one["layout"] == "if")
points = build.get("operating_points") or manifest["operating_points"]
point = next(one for one in points if one["name"] == manifest["default_operating_point"])
never = [[np.inf if bar is None else bar for bar in row] for row in point["thresholds"]]
thresholds = np.array(never, np.float32)  # (branches, classes); infinity = never leaves there
session = onnxruntime.InferenceSession(bundle / build["segments"][0]["file"]["path"])
shape = [1, *(manifest["preprocessing"][side] for side in ("height", "width"))]
shape.append(len(manifest["preprocessing"]["mean"]))
for image in np.fromfile(images, np.uint8).reshape(-1, *shape):
    names = ["label", "score", "exit", "probabilities"]
    answer = session.run(names, {"image": image, "thresholds": thresholds})
    print(json.dumps([*(value.item() for value in answer[:3]), answer[3][0].tolist()]))
