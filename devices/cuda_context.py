"""Waiting for the GPU through the CUDA driver, if a runtime has loaded it into this process."""

from __future__ import annotations

import ctypes
import os

_DRIVER = "libcuda.so.1"


def loaded() -> ctypes.CDLL | None:
    """Return the CUDA driver that some runtime loaded; it is never loaded from here."""
    try:
        return ctypes.CDLL(_DRIVER, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except (OSError, AttributeError):  # not loaded, or no such mode on this system
        return None


def synchronise() -> None:
    """Wait until the GPU has done all that this thread's CUDA context was given."""
    driver = loaded()
    if driver is not None:
        driver.cuCtxSynchronize()
