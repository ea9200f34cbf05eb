"""``calexnet-bench`` on every recorded tree, and with an external meter: a whole report each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calexnet.bench import reporting
from calexnet.bench.report.document import Report
from calexnet.bench.words.notes import notes
from calexnet.cli import bench as cli
from calexnet.data import npz
from calexnet.devices.system import ROOT_VARIABLE
from tests.devices.conftest import recorded
from tests.devices.test_devices import KNOWN, family
from tests.support.gpu_stand_in import ask, build_nvml
from tests.support.onnx_bundle import WIDE, sample_data
from tests.support.synthetic_power import HastyTime

SETTINGS = {"batch": "1", "threads": "1", "blocks": "2", "seconds": "0.01"}
QUICK = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
QUICK += ["--allow-unstable", "--no-memory"]


@pytest.fixture
def words(bench_bundle: Path, tmp_path: Path) -> list[str]:
    data = tmp_path / "squares.npz"
    npz.save(sample_data(WIDE), data)
    return [
        str(bench_bundle),
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
        *QUICK,
        "--energy-windows",
        "2",
    ]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calexnet.bench.measuring.measure.RealTime", HastyTime)


def bench(words: list[str], tmp_path: Path, device: str) -> Report:
    assert 0 == cli.main([*words, "--device", device])
    return reporting.read(tmp_path / "out" / reporting.JSON)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", KNOWN)
def test_every_tree_gives_a_whole_report(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant watts give joules; counters that stand still, and no sensor, give reasons."""
    monkeypatch.setenv(ROOT_VARIABLE, str(recorded(name)))

    report = bench([*words, "--energy-seconds", "0.1"], tmp_path, family(name))

    assert family(name) == report.device.name
    assert ([1], [1, 2, 3]) == (
        [row.batch for row in report.energy],
        [row.exit for row in report.exit_energy],
    )
    assert any("read from a tree of files" in note for note in notes(report))
    has_power = name.startswith("jetson") or name == "raspberrypi5"
    for row in report.energy:
        assert has_power == (row.gross is not None), row.message
    for leaving in report.exit_energy:
        assert has_power == (leaving.gross is not None)
    assert has_power == bool(report.energy_crossover)
    for file in (reporting.MARKDOWN, reporting.HTML):
        text = (tmp_path / "out" / file).read_text("utf-8")
        assert report.device.model.split("(")[0] in text
    assert "How energy was measured" in text  # report.md is short, and names where the rest is


@pytest.mark.slow
def test_a_jetson_in_real_time(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4.747 W all the time: the joules of an image are its seconds times that."""
    monkeypatch.setenv(ROOT_VARIABLE, str(recorded("jetson-orin-nano")))

    report = bench([*words, "--energy-seconds", "0.1"], tmp_path, "jetson")

    method, (row,) = report.energy_method, report.energy
    assert method is not None
    assert method.source is not None
    assert (("VDD_IN",), "measured", 0.5) == (
        method.source.rails,
        method.source.total,
        method.window_s,
    )
    assert pytest.approx(4.747392) == method.idle_before_w
    assert pytest.approx(4.747392) == method.idle_after_w
    assert row.gross is not None
    assert 1e-7 < row.gross.cascade.joules / 4.747392 < 0.1
    assert method.probe is not None
    assert method.probe.readings > 20


@contextlib.contextmanager
def metered(log: Path) -> Iterator[None]:
    """Log 5 W, and 10 W more for each core that this process keeps busy, every 10 ms."""
    ended = threading.Event()
    with log.open("w") as file:
        file.write("time,power_W\n")
        file.flush()

        def read() -> None:
            at_s, spent_s = time.time(), time.process_time()
            while not ended.wait(0.01):
                now_s, now_spent_s = time.time(), time.process_time()
                watts = 5 + 10 * (now_spent_s - spent_s) / (now_s - at_s)
                at_s, spent_s = now_s, now_spent_s
                file.write(f"{now_s:.6f},{watts:.4f}\n")
                file.flush()

        meter = threading.Thread(target=read)
        meter.start()
        try:
            yield
        finally:
            ended.set()
            meter.join()


@pytest.mark.slow
def test_an_external_meter_serves_any_device(words: list[str], tmp_path: Path) -> None:
    log = tmp_path / "meter.csv"

    with metered(log):
        report = bench(
            [*words, "--energy-seconds", "0.2", "--power-csv", str(log)], tmp_path, "cpu"
        )

    method = report.energy_method
    assert method is not None
    assert method.source is not None
    assert ("power CSV", ("meter.csv",), None) == (
        method.source.name,
        method.source.rails,
        method.probe,
    )
    assert method.idle_before_w is not None
    assert 5 <= method.idle_before_w < 10
    for row in report.energy:
        assert row.gross is not None, row.message


@pytest.mark.slow
def test_a_meter_s_constant_log_gives_a_reason_and_a_wrong_one_stops_at_the_start(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "meter.csv"
    start_s = time.time()
    log.write_text("".join(f"{start_s - 5 + i / 100:.2f},7.5\n" for i in range(6000)))

    report = bench([*words, "--energy-seconds", "0.1", "--power-csv", str(log)], tmp_path, "cpu")

    assert {None} == {row.gross for row in report.energy}
    assert "work and rest do not show" in str(report.energy[0].message)

    log.write_text("time,mA\n1,2\n2,3\n")
    capsys.readouterr()
    assert 2 == cli.main([*words, "--power-csv", str(log), "--seconds", "1000"])
    assert "the heading 'mA', a current, and no voltage" in capsys.readouterr().err


_ON_A_GPU = """
from calexnet.cli import bench as cli
assert 0 == cli.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_work_on_the_processor_is_not_booked_on_a_gpu(words: list[str], tmp_path: Path) -> None:
    """The GPU answers, and its idle power would make fine figures."""
    library = build_nvml(tmp_path)
    ask(library, _ON_A_GPU + "show()", *words, "--device", "cuda:0")

    report = reporting.read(tmp_path / "out" / reporting.JSON)

    assert ("cuda:0", "Stand-in large") == (report.device.name, report.device.model)
    expected = "nothing ran on cuda:0: no runtime in this process has loaded the CUDA driver"
    assert report.energy_method is not None
    assert {"energy": expected} == report.energy_method.refused
    assert all(row.gross is None for row in report.energy)


@pytest.mark.parametrize("device", ["jetson", "raspberrypi", "cuda:0"])
def test_a_device_that_this_machine_is_not_is_refused_in_one_line(
    device: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(recorded("bare")))

    assert 4 == cli.main([*words, "--device", device])

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("calexnet-bench: error: ")
    assert not (tmp_path / "out").exists()
