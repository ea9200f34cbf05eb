"""Why weights have seven bits: what a processor without dot-product instructions makes of eight.

A Haswell by qemu's user emulation, for one convolution at its worst; skips without qemu.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_RUN = """
import sys
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
np.save(sys.argv[3], session.run(None, {"x": np.load(sys.argv[2])})[0])
"""


@pytest.fixture(scope="module")
def qemu() -> str:
    found = shutil.which("qemu-x86_64")
    if found is None or platform.machine() != "x86_64":
        pytest.skip("needs qemu's user emulation on x86_64: Debian's qemu-user")
    return found


def convolution(most: int) -> bytes:
    """Return a convolution on integers whose weights all are `most`."""
    weights = np.full((8, 64, 3, 3), most, np.int8)
    constants: dict[str, NDArray[np.generic]] = {
        "xs": np.array(1 / 255, np.float32),
        "xz": np.array(0, np.uint8),
        "w": weights,
        "ws": np.array(1 / most, np.float32),
        "wz": np.array(0, np.int8),
        "ys": np.array(3, np.float32),
        "yz": np.array(0, np.uint8),
    }
    node = helper.make_node("QLinearConv", ["x", *constants], ["y"], pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 64, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, ["n", 8, 8, 8])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    data: bytes = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    return data


@pytest.mark.slow
@pytest.mark.parametrize(("most", "alike"), [(64, True), (127, False)])
def test_seven_bits_count_alike_where_eight_overflow(
    qemu: str, tmp_path: Path, most: int, alike: bool
) -> None:
    """All bytes are 255, so two products of 127 are more than 16 bits hold."""
    (tmp_path / "g.onnx").write_bytes(convolution(most))
    onnx.checker.check_model(str(tmp_path / "g.onnx"), full_check=True)
    np.save(tmp_path / "x.npy", np.full((2, 64, 8, 8), 255, np.uint8))
    files = [str(tmp_path / name) for name in ("g.onnx", "x.npy", "y.npy")]

    command = [qemu, "-cpu", "Haswell", sys.executable, "-Ic", _RUN, *files]
    done = subprocess.run(command, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr
    taps = np.convolve(np.ones(8), np.ones(3), "same")
    wanted = np.rint(64 * np.outer(taps, taps) / 3)
    found = np.load(tmp_path / "y.npy")
    assert alike == bool(np.array_equal(np.broadcast_to(wanted, found.shape), found))
