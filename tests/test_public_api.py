"""What other programs rely on: names, signatures and kinds of errors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import calexnet
from calexnet import bench, devices, export, runtimes
from calexnet.runtimes.loading import RUNTIMES

ERRORS = {
    "BundleError": ValueError,
    "CheckpointError": ValueError,
    "DeviceError": RuntimeError,
    "EngineError": RuntimeError,
    "ExportError": ValueError,
    "InputError": ValueError,
    "MeasurementError": RuntimeError,
    "ParityError": ValueError,
    "RuntimeUnavailableError": RuntimeError,
    "StorageError": OSError,
    "TrainingError": ArithmeticError,
}


def parameters(function: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in found if p.name != "self"]


def test_the_package_offers_just_these_names() -> None:
    expected = {"CalexnetError", "Result", "Runner", "__version__", "load", *ERRORS}

    assert expected == set(calexnet.__all__)
    assert sorted(calexnet.__all__) == calexnet.__all__
    assert all(getattr(calexnet, name) is not None for name in expected)


def test_a_star_import_gives_them_all() -> None:
    space: dict[str, Any] = {}
    exec("from calexnet import *", space)

    assert set(calexnet.__all__) <= set(space)


def test_other_names_are_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match=r"^module 'calexnet' has no attribute 'nothing'$"):
        calexnet.nothing  # noqa: B018


def test_what_is_loaded_on_first_use_is_what_runtimes_has() -> None:
    assert ["Plan", "Result", "Runner", "load", "measure"] == runtimes.__all__
    assert calexnet.load is runtimes.load
    assert calexnet.Runner is runtimes.Runner
    assert calexnet.Result is runtimes.Result


def test_a_bundle_is_loaded_with_these_options() -> None:
    options = ["target", "precision", "provider", "threads", "operating_point", "thresholds"]

    expected: list[tuple[str, object]] = [("bundle", inspect.Parameter.empty)]
    expected += [(option, None) for option in options]
    expected += [("layout", "segments"), ("plan", None), ("lazy", False), ("cache", None)]
    assert expected == parameters(calexnet.load)


def test_a_runner_is_called_with_images_and_gives_these_arrays() -> None:
    assert [("images", inspect.Parameter.empty), ("probabilities", False)] == parameters(
        calexnet.Runner.__call__
    )
    assert ["labels", "scores", "exits", "probabilities"] == [
        name for name, _ in parameters(calexnet.Result)
    ]
    assert {"names", "top"} <= set(vars(calexnet.Result))
    comforts = {"at", "close", "counters", "operating_points", "reset_counters", "warm_up"}
    public = {name for name in vars(calexnet.Runner) if not name.startswith("_")}
    offered = {"ask_every_exit", "classes", "engines", "plain", "plain_engine", "preprocessing"}
    assert (
        offered
        | comforts
        | {*["answers", "lane", "most", "provider", "resize", "trace", "with_thresholds"]}
        == public
    )


#: What both exports take to make a narrower precision, and engines.
CHOICES = [
    *[("precision", "fp32"), ("calib_data", None), ("calib_samples", None), ("data_root", None)],
    ("engines", None),
]


def test_a_run_is_exported_with_these_options() -> None:
    empty = inspect.Parameter.empty
    expected = [("run", empty), ("out", empty), ("target", "onnxruntime"), ("input", "uint8")]

    assert [
        *expected,
        *CHOICES,
        ("converter", "calexnet"),
        ("cut", None),
        ("allow", ()),
    ] == parameters(export.export_run)
    assert {"onnxruntime", "tflite", "openvino", "tensorrt"} == set(export.TARGETS) == set(RUNTIMES)


def test_a_bundle_is_exported_with_these_options() -> None:
    empty = inspect.Parameter.empty
    expected = [("source", empty), ("out", None), ("target", empty)]

    assert [*expected, *CHOICES, ("allow", ())] == parameters(export.export_bundle)


def test_one_graph_is_exported_with_these_options() -> None:
    expected = [("source", inspect.Parameter.empty), ("out", None), ("precision", "fp32")]

    assert [*expected, ("run", None), ("allow", ())] == parameters(export.export_if)


def test_devices_are_opened_by_name() -> None:
    assert [
        "Device",
        "DeviceRecord",
        "DeviceState",
        "choices",
        "find_device",
        "names",
        "open_device",
    ] == devices.__all__
    assert [("name", inspect.Parameter.empty)] == parameters(devices.open_device)


@pytest.mark.parametrize(("name", "kind"), [*ERRORS.items()])
def test_an_error_is_ours_and_of_the_kind_that_python_has_for_it(
    name: str, kind: type[Exception]
) -> None:
    error = getattr(calexnet, name)

    assert issubclass(error, calexnet.CalexnetError)
    assert issubclass(error, kind)


@pytest.mark.parametrize("module", [calexnet, bench, devices, export, runtimes])
def test_every_package_and_public_name_is_documented(module: Any) -> None:
    assert module.__doc__
    for name in getattr(module, "__all__", []):
        found = getattr(module, name)
        assert isinstance(found, str) or inspect.getdoc(found), name
