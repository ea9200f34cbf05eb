"""The GPU as its driver names it, asked through the driver's own C interface (``cuda.h``)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_LIBRARY = "libcuda.so.1"

#: ``CUdevice_attribute`` values of ``cuda.h``.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


class NoGpuError(Exception):
    """There is no driver, or no GPU that it can use; the message says which."""


@dataclass(frozen=True)
class Gpu:
    """What an engine is built for.

    Attributes:
        name: As NVIDIA calls it.
        compute_capability: Such as ``8.7``.
        driver: The newest CUDA version that the driver can serve, such as ``12.6``.
    """

    name: str
    compute_capability: str
    driver: str


def first_gpu() -> Gpu:
    """Return the GPU that CUDA calls 0; the variable ``CUDA_VISIBLE_DEVICES`` says which that is.

    Raises:
        NoGpuError: No driver, no GPU, or a driver that does not work.
    """
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError as missing:
        raise NoGpuError(f"no NVIDIA driver ({missing})") from missing
    version, count, device = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _call(driver, "cuInit", ctypes.c_uint(0))
    _call(driver, "cuDriverGetVersion", ctypes.byref(version))
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value < 1:
        raise NoGpuError("no GPU that the NVIDIA driver can use")
    _call(driver, "cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
    name = ctypes.create_string_buffer(256)
    _call(driver, "cuDeviceGetName", name, ctypes.c_int(len(name)), device)
    major, minor = (
        _attribute(driver, device, which) for which in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR)
    )
    cuda = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode(errors="replace"), f"{major}.{minor}", cuda)


def _attribute(driver: ctypes.CDLL, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(which), device)
    return value.value


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    """Call the driver.

    Raises:
        NoGpuError: It answers with an error; the message has the driver's own words for it.
    """
    status = getattr(driver, function)(*arguments)
    if status != 0:
        words = ctypes.c_char_p()
        driver.cuGetErrorString(status, ctypes.byref(words))
        said = (words.value or b"no words for it").decode()
        raise NoGpuError(f"the NVIDIA driver answers {function} with error {status}: {said}")
