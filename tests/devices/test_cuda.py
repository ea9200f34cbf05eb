"""GPUs through the real pynvml, over a stand-in for NVIDIA's library that gcc builds here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gpu_stand_in import ask, build, build_nvml

_NOT_SUPPORTED = "3"
_ALL_REFUSED = dict.fromkeys(
    ("NVML_ENERGY", "NVML_INSTANT", "NVML_AVERAGE", "NVML_USAGE", "NVML_OTHERS"), _NOT_SUPPORTED
)

_DESCRIBE = """
from calexnet.files import schema
from calexnet.devices import open_device
device = open_device(sys.argv[1])
record = device.describe()
(probe,) = device.probes()
source = None if probe.source is None else schema.encode(probe.source.record)
show(record=schema.encode(record), source=source, reason=probe.reason, fix=probe.fix,
     unused=device.unused())
"""
_REFUSED = """
from calexnet.devices import open_device
from calexnet.errors import DeviceError
try:
    open_device(sys.argv[1])
except DeviceError as refusal:
    show(kind=type(refusal).__name__, message=str(refusal), code=refusal.exit_code)
"""
_MEASURE = """
from calexnet.devices import open_device
from calexnet.devices.pacing import RealTime
(probe,) = open_device("cuda:0").probes()
time = RealTime()
recording = probe.source.start(time)
time.sleep(0.1)
start_s = recording.edge()
time.sleep(float(sys.argv[1]))
end_s = recording.edge()
recording.stop()
found = recording.trace([]).energy(start_s, end_s)
watts = None if found.joules is None else found.joules / (end_s - start_s)
show(watts=watts, reason=found.reason, readings=recording.cost().readings)
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stand-in."""
    return build_nvml(tmp_path_factory.mktemp("nvml"))


def test_a_gpu_says_what_it_is_and_how_it_does(library: Path) -> None:
    found = ask(library, _DESCRIBE, "cuda:0", NVML_FOREIGN="12345", NVML_REASONS="5")

    record, state = found["record"], found["record"]["state"]
    assert ("cuda:0", "Stand-in large", 8 * 2**30) == (
        record["name"],
        record["model"],
        record["memory_bytes"],
    )
    assert {"Driver": "580.00", "Power limit": "350 W"}.items() <= record["details"].items()
    assert [("gpu", 1410.0), ("gpu memory", 1215.0)] == [
        (clock["name"], clock["mhz"]) for clock in state["clocks"]
    ]
    assert ({"gpu": 61.0}, {"gpu": 0.42}) == (state["temperatures_c"], state["loads"])
    assert ["the power limit is reached"] == state["throttled"], "an idle GPU is no reason"
    assert ["process 12345"] == state["foreign"], "this process is none"
    assert {} == record["unreadable"]
    assert "nothing ran on cuda:0" in found["unused"]


def test_the_energy_counter_comes_first_and_its_tick_is_watched(library: Path) -> None:
    source = ask(library, _DESCRIBE, "cuda:0", NVML_TICK_MS="40")["source"]

    assert ("nvml energy counter", "counter", 0.0) == (
        source["name"],
        source["kind"],
        source["averaging_s"],
    )
    assert pytest.approx(0.04, rel=0.25) == source["tick_s"]
    assert source["period_s"] <= source["tick_s"]
    assert "not the host" in source["covers"]


@pytest.mark.parametrize(
    ("refused", "name", "averaging_s"),
    [
        (("NVML_ENERGY",), "nvml power of the moment", 0.0),
        (("NVML_ENERGY", "NVML_INSTANT"), "nvml mean power", 1.0),
        (("NVML_ENERGY", "NVML_INSTANT", "NVML_AVERAGE"), "nvml power usage", 1.0),
    ],
)
def test_power_of_the_moment_and_mean_power_are_told_apart(
    library: Path, refused: tuple[str, ...], name: str, averaging_s: float
) -> None:
    source = ask(library, _DESCRIBE, "cuda:0", **dict.fromkeys(refused, _NOT_SUPPORTED))["source"]

    assert (name, "power", averaging_s) == (source["name"], source["kind"], source["averaging_s"])


def test_a_driver_that_opens_and_then_supports_nothing_is_found_out(library: Path) -> None:
    found = ask(library, _DESCRIBE, "cuda:0", **_ALL_REFUSED)

    assert found["source"] is None
    assert (
        "NVML gives neither energy nor power (energy: Not Supported; power of the"
        in (found["reason"])
    )
    assert "--device jetson" in found["fix"]
    state = found["record"]["state"]
    assert ([], {}, {}, None, []) == (
        state["clocks"],
        state["temperatures_c"],
        state["loads"],
        state["throttled"],
        state["foreign"],
    )
    expected = {"GPU clock", "temperature", "GPU load", "throttling", "power limit", "memory"}
    assert expected <= set(found["record"]["unreadable"])
    assert "NVML: Not Supported" == found["record"]["unreadable"]["temperature"]


def test_the_counter_gives_the_joules_that_were_used(library: Path) -> None:
    found = ask(library, _MEASURE, "0.6", NVML_WATTS="250", NVML_TICK_MS="4")

    assert found["reason"] is None
    assert pytest.approx(250.0, rel=0.03) == found["watts"]


def test_polled_power_gives_the_joules_that_were_used(library: Path) -> None:
    found = ask(library, _MEASURE, "0.4", NVML_WATTS="250", NVML_ENERGY=_NOT_SUPPORTED)

    assert found["reason"] is None
    assert pytest.approx(250.0) == found["watts"]


def test_a_window_too_short_for_the_counter_gives_none(library: Path) -> None:
    found = ask(library, _MEASURE, "0.5", NVML_TICK_MS="100")

    assert found["watts"] is None
    assert "it must hold 100 ticks" in found["reason"]


@pytest.mark.parametrize(
    "way",
    [
        {"NVML_LOST_MS": "1200"},  # the counter is watched for its ticks first
        {"NVML_LOST_MS": "500", "NVML_ENERGY": _NOT_SUPPORTED},
    ],
)
def test_a_gpu_that_is_lost_in_mid_run_gives_none_with_the_reason(
    library: Path, way: dict[str, str]
) -> None:
    found = ask(library, _MEASURE, "1.5", NVML_TICK_MS="4", **way)

    assert found["watts"] is None
    assert "the sensor gave no reading (NVML: GPU is lost)" in found["reason"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cuda:1", {}, "this machine has no cuda:1: got 1 GPUs, counted from 0"),
        ("cuda", {"NVML_COUNT": "0"}, "this machine has no cuda:0: got 0 GPUs"),
        ("cuda:x", {}, "no such GPU: got cuda:x; expected cuda:0, cuda:1, ..."),
        ("cuda:0", {"NVML_INIT": "9"}, "NVML cannot be opened: got Driver Not Loaded"),
        (
            "cuda:0",
            {"NVML_COUNT": "2", "NVML_NAMES": "1"},
            "which GPU is cuda:0 is not certain: got different GPUs (Stand-in large, Stand-in",
        ),
        (
            "cuda:0",
            {"CUDA_VISIBLE_DEVICES": "MIG-1234"},
            "which GPU is cuda:0 is not certain: got MIG-1234 in CUDA_VISIBLE_DEVICES; expected a",
        ),
        (
            "cuda:0",
            {"CUDA_VISIBLE_DEVICES": "GPU-7"},
            "which GPU is cuda:0 is not certain: got GPU-7 in CUDA_VISIBLE_DEVICES; expected a "
            "number, or a UUID of this machine's. Take one that nvidia-smi -L lists.",
        ),
        (
            "cuda:0",
            {"CUDA_VISIBLE_DEVICES": "GPU-", "NVML_COUNT": "2"},  # fits both
            "which GPU is cuda:0 is not certain: got GPU- in CUDA_VISIBLE_DEVICES",
        ),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "0"}, "this machine has no cuda:1"),
    ],
)
def test_a_gpu_that_is_not_there_or_not_certain_is_refused(
    library: Path, name: str, settings: dict[str, str], message: str
) -> None:
    found = ask(library, _REFUSED, name, **settings)

    assert found["message"].startswith(message)
    assert 4 == found["code"]


def test_numbers_are_those_of_cuda_programs(library: Path) -> None:
    """CUDA counts only what is visible; NVML counts everything along the bus."""
    found = ask(
        library,
        _DESCRIBE,
        "cuda:0",
        NVML_COUNT="2",
        NVML_NAMES="1",
        CUDA_VISIBLE_DEVICES="1",
        CUDA_DEVICE_ORDER="PCI_BUS_ID",
    )

    assert ("cuda:0", "Stand-in small") == (found["record"]["name"], found["record"]["model"])


@pytest.mark.parametrize("uuid", ["GPU-18932f93-0000-0000", "GPU-1", "MIG-1", "MIG-GPU-18932f/3/0"])
def test_a_uuid_is_a_gpu_whatever_the_order(library: Path, uuid: str) -> None:
    """The second of two kinds; CUDA takes the start of a UUID too."""
    settings = {"NVML_COUNT": "2", "NVML_NAMES": "1", "CUDA_VISIBLE_DEVICES": f"0,{uuid}"}

    found = ask(library, _DESCRIBE, "cuda:1", **settings)

    assert ("cuda:1", "Stand-in small") == (found["record"]["name"], found["record"]["model"])


def test_a_divided_gpu_gives_no_joules_and_says_what_would(library: Path) -> None:
    settings = {"NVML_COUNT": "2", "CUDA_VISIBLE_DEVICES": "MIG-1", "NVML_MIG": "1"}

    found = ask(library, _DESCRIBE, "cuda:0", **settings)

    assert None is found["source"]
    assert found["reason"].startswith("GPU 1 is divided (MIG), and its sensors know the whole")
    assert found["fix"].startswith("sudo nvidia-smi -i 1 -mig 0")
    assert "GPU clock" not in found["record"]["unreadable"], "the rest can be read"


def test_without_the_package_or_the_driver_the_next_step_is_named(library: Path) -> None:
    missing = ask(library, "sys.modules['pynvml'] = None\n" + _REFUSED, "cuda:0")
    assert missing["message"].endswith("Run: pip install 'calexnet[nvidia]'.")

    no_driver = ask(library, _REFUSED, "cuda:0", LD_LIBRARY_PATH="/nowhere")
    assert no_driver["message"].startswith("NVML cannot be opened: got NVML Shared Library Not F")


def test_auto_takes_no_gpu(library: Path) -> None:
    code = "from calexnet.devices import open_device\nshow(name=open_device('auto').name)"

    assert "cpu" == ask(library, code)["name"]


_DRAIN = """
import ctypes, os
from calexnet.devices import cuda_context
before = cuda_context.loaded() is not None
cuda_context.synchronise()
library = ctypes.CDLL(sys.argv[1])
calls = ctypes.c_int.in_dll(library, "synchronised")
after = cuda_context.loaded() is not None
cuda_context.synchronise()
show(before=before, after=after, calls=calls.value)
"""


def test_work_is_waited_for_through_the_driver_that_a_runtime_loaded(tmp_path: Path) -> None:
    source = tmp_path / "cuda.c"
    source.write_text("int synchronised; int cuCtxSynchronize(void) { return synchronised++, 0; }")
    driver = build(source, tmp_path, "libcuda.so.1")

    found = ask(tmp_path, _DRAIN, str(driver))

    assert {"before": False, "after": True, "calls": 1} == found
