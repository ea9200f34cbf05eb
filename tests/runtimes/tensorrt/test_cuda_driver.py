"""The GPU's name and kind, from a stand-in for NVIDIA's driver that gcc builds here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gpu_stand_in import ask, build

_NAME = """
from dataclasses import asdict
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError, first_gpu
try:
    show(**asdict(first_gpu()))
except NoGpuError as problem:
    show(problem=str(problem))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stand-in."""
    folder = tmp_path_factory.mktemp("cuda")
    return build(
        Path(__file__).parents[2] / "support/cuda_stand_in.c", folder, "libcuda.so.1"
    ).parent


def test_a_gpu_has_a_name_a_kind_and_a_driver(driver: Path) -> None:
    found = ask(driver, _NAME)

    assert {"name": "Orin", "compute_capability": "8.7", "driver": "12.6"} == found


def test_a_newer_driver_and_a_long_name_are_told_as_they_are(driver: Path) -> None:
    found = ask(driver, _NAME, DRIVER_CUDA="13000", DRIVER_NAME="N" * 300)

    assert ("13.0", "N" * 255) == (found["driver"], found["name"])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"DRIVER_COUNT": "0"}, "no GPU that the NVIDIA driver can use"),
        (
            {"DRIVER_INIT": "100"},
            "the NVIDIA driver answers cuInit with error 100: no CUDA-capable device is detected",
        ),
        ({"DRIVER_INIT": "803"}, "the NVIDIA driver answers cuInit with error 803: system has uns"),
        (
            {"DRIVER_INIT": "999"},
            "the NVIDIA driver answers cuInit with error 999: no words for it",
        ),
    ],
)
def test_what_is_wrong_is_told_in_the_drivers_words(
    driver: Path, settings: dict[str, str], problem: str
) -> None:
    assert ask(driver, _NAME, **settings)["problem"].startswith(problem)


def test_no_driver_is_told(tmp_path: Path) -> None:
    """On a machine that has one, a broken file in front of it."""
    (tmp_path / "libcuda.so.1").write_bytes(b"")

    assert ask(tmp_path, _NAME)["problem"].startswith("no NVIDIA driver (")


def test_the_numbers_are_those_of_nvidias_header() -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="needs cuda-bindings")
    from calexnet.runtimes.tensorrt import cuda_driver

    attribute = driver.CUdevice_attribute
    major = attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    minor = attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
    assert (int(major), int(minor)) == (
        cuda_driver._CAPABILITY_MAJOR,
        cuda_driver._CAPABILITY_MINOR,
    )
