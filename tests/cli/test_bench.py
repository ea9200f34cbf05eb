"""``calexnet-bench`` as its user meets it."""

from __future__ import annotations

import errno
import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench import reporting
from calexnet.bench.words.notes import notes
from calexnet.cli import bench as cli
from calexnet.data import npz
from calexnet.devices import limits
from calexnet.devices.system import System
from tests.support.onnx_bundle import LOOSE, STRICT, WIDE, sample_data
from tests.support.sample_report import sample_report

COMMAND = [sys.executable, "-Im", "calexnet.cli.bench"]
TINY = ["--batch", "1", "--threads", "1", "--blocks", "2", "--seconds", "0.01"]
TINY += ["--allow-unstable", "--no-memory"]
FILES = [
    *("report.html", "report.json", "report.md"),
    *sorted(f"tables/{name}.csv" for name, _ in reporting.record_tables()),
]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of `bench_bundle`."""
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    npz.save(sample_data(WIDE), path)
    return path


@pytest.fixture
def words(bench_bundle: Path, data: Path, tmp_path: Path) -> list[str]:
    """The arguments of a short run that reports to ``out``."""
    return [str(bench_bundle), "--data", str(data), "--out", str(tmp_path / "out"), *TINY]


@pytest.fixture
def earlier(tmp_path: Path) -> dict[str, str]:
    """The texts of a report that is in ``out`` already."""
    (tmp_path / "out").mkdir()
    reporting.write(sample_report(), tmp_path / "out")
    return texts(tmp_path)


def texts(folder: Path) -> dict[str, str]:
    """Return every file below `folder`, hidden ones included."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a failed command ends with."""
    *_, line = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.slow
def test_a_run_writes_every_file_and_says_where(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(words)

    assert [f"out/{name}" for name in FILES] == sorted(texts(tmp_path))
    found = reporting.read(tmp_path / "out" / reporting.JSON)
    shown = capsys.readouterr().out
    assert shown.endswith(f"\nReport: {tmp_path / 'out' / 'report.html'}\n")
    assert reporting.summary(found) in shown
    assert f"calexnet-bench {' '.join(words)}" == found.provenance.command


@pytest.mark.slow
def test_options_reach_the_measurement(words: list[str], tmp_path: Path) -> None:
    more = ["--batch", "4,2,4", "--threads", "2", "--operating-point", STRICT, "--seed", "5"]
    more += ["--device", "cpu", "--target", "onnxruntime", "--precision", "fp32", "--all-samples"]

    assert 0 == cli.main([*words, *more])

    found = reporting.read(tmp_path / "out" / reporting.JSON)
    assert [(2, 2), (2, 4)] == [(row.threads, row.batch) for row in found.amortisation]
    assert (STRICT, "all", 5, 2) == (
        found.bundle.operating_point,
        found.data.part,
        found.provenance.seed,
        found.provenance.blocks,
    )


@pytest.mark.slow
def test_one_thread_and_all_cores_are_measured_by_default(words: list[str], tmp_path: Path) -> None:
    at = words.index("--threads")

    assert 0 == cli.main(words[:at] + words[at + 2 :])

    found = reporting.read(tmp_path / "out" / reporting.JSON)
    wanted = sorted({1, limits.usable_cores(System())})
    assert wanted == [row.threads for row in found.amortisation]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--device", "jetson"], 4, "error: this machine is no jetson: got neither /etc/nv_"),
        (["--data", "nowhere"], 2, "error: unknown data set: got 'nowhere'; expected digits"),
        (["--target", "toaster"], 2, "error: unknown target: got 'toaster'; expected one of onnx"),
        (["--precision", "int4"], 2, "holds nothing at precision 'int4': expected fp32"),
        (["--operating-point", "x"], 2, "error: unknown operating point: got 'x'; expected one o"),
        (["--blocks", "1"], 2, "error: blocks cannot be used: got 1; expected at least 2"),
        (["--seconds", "-1"], 2, "error: seconds cannot be used: got -1.0; expected over 0"),
        (["--seconds", "nan"], 2, "seconds"),
        (["--seconds", "inf"], 2, "seconds"),
        (["--tolerance", "-1"], 2, "--tolerance: got '-1'; expected 0 to 100 points"),
        (["--max-drop", "101"], 2, "--max-drop/--tolerance: got '101'; expected 0 to 100 points"),
        (["--settle", "-1"], 2, "error: the time to settle cannot be used: got -1 s; expected 0 s"),
        (["--threads", "999"], 2, "error: threads cannot be used: got 999; expected at most "),
        (["--batch", "100000"], 2, "error: batches cannot be used: got 100000 images a call; exp"),
        (
            ["--fail-if", "ratio[batch=3]>1"],
            2,
            "error: the gate ratio[batch=3]>1 looks at what is not measured: got batch=3; expected",
        ),
        (["--fail-if", "p95_ms>8", "--batch", "4,8"], 2, "not measured: got batch=1; expected one"),
        (["--fail-if", "ratio[threads=2]>1"], 2, "not measured: got threads=2; expected one of 1."),
        (["--rival", "x.onnx"], 2, "error: there is no such rival: got x.onnx; expected an .onnx"),
        (["--load", "open"], 2, "error: the load cannot be used: got 'open'; expected closed, or"),
        (["--seed", "-1"], 2, "seed"),
        (["--data", "digits"], 2, "error: the images of digits do not fit this cascade: got (32,"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    words: list[str],
    earlier: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    message: str,
) -> None:
    try:
        found: object = cli.main([*words, *more])
    except SystemExit as refusal:
        found = refusal.code

    line = failure(capsys)
    assert code == found
    assert line.startswith("calexnet-bench: error: ")
    assert message in line
    assert earlier == texts(tmp_path)


def test_a_missing_bundle_is_said_in_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main([str(tmp_path / "nowhere"), *words[1:]])

    assert f"calexnet-bench: error: {tmp_path}/nowhere is not a bundle: got no such f" in failure(
        capsys
    )
    assert {} == texts(tmp_path)


@pytest.mark.parametrize("more", [["--batch", "0"], ["--threads", "1,x"], ["--blocks", "two"]])
def test_an_argument_that_is_no_number_is_refused_by_name(
    words: list[str], capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, *more])

    assert 2 == caught.value.code
    assert f"calexnet-bench: error: argument {more[0]}: " in failure(capsys)


@pytest.mark.parametrize(
    ("problem", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "and the same command goes on from there"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "out: got No space left on device; expected room and permission to write beside it.",
        ),
    ],
)
def test_a_run_that_ends_while_it_writes_leaves_the_earlier_report_whole(
    words: list[str],
    earlier: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    problem: BaseException,
    code: int,
    message: str,
) -> None:
    def stop(report: Any) -> str:
        raise problem

    monkeypatch.setattr("calexnet.bench.page.html.render", stop)

    assert code == cli.main(words)
    assert message in failure(capsys)
    assert earlier.items() <= texts(tmp_path).items()
    assert {"out", ".out.journal"} == {path.name for path in tmp_path.iterdir()}


def test_a_file_that_may_not_grow_leaves_the_earlier_report_whole(
    words: list[str], earlier: dict[str, str], tmp_path: Path
) -> None:
    """The system itself refuses, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    # -B: the limit would cut bytecode that is being cached, too.
    command = [COMMAND[0], "-B", *COMMAND[1:], *words]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)

    assert 2 == done.returncode
    assert "calexnet-bench: error: cannot write" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert earlier.items() <= texts(tmp_path).items()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_leaves_the_earlier_report_whole(
    words: list[str], earlier: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    long = [*words, "--seconds", "600"]
    with subprocess.Popen(
        [*COMMAND, *long],
        stderr=subprocess.PIPE,
        text=True,
        # A background job starts with SIGINT ignored, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            for _ in range(600):
                if list(tmp_path.glob(".out.journal")):
                    break
                time.sleep(0.05)
            time.sleep(0.3)
            process.send_signal(number)
            _, shown = process.communicate(timeout=60)
        finally:
            process.kill()

    assert 130 == process.returncode
    assert "Traceback" not in shown
    assert shown.count("calexnet-bench: stopped") == 1
    assert shown.splitlines()[-1] == (
        f"calexnet-bench: stopped; what was measured is kept in {tmp_path / '.out.journal'}, and "
        "the same command goes on from there"
    )
    assert earlier.keys() | {".out.journal"} == texts(tmp_path).keys()
    assert earlier.items() <= texts(tmp_path).items()


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_where_it_was(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(report: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("calexnet.bench.page.html.render", stop)
        assert 130 == cli.main(words)
    kept = [json.loads(line) for line in (tmp_path / ".out.journal").read_text().splitlines()]
    hot = {"load": 1.0, "clocks": [], "temperatures_c": {"soc": 300.0}, "loads": {}}
    hot |= {"throttled": ["heat"], "throttle_events": {}, "foreign": []}
    kept[-1]["look"]["state"] = hot
    lines = "".join(json.dumps(line) + "\n" for line in kept)
    (tmp_path / ".out.journal").write_text(lines)

    assert 0 == cli.main(words)

    found = reporting.read(tmp_path / "out" / reporting.JSON)
    blocks = [line["block"] for line in kept if "block" in line]
    assert 2 == len(blocks)
    (plain,) = (row for row in found.samples if (row.network, row.batch) == ("plain", 1))
    (planned,) = (line["schedule"] for line in kept if "schedule" in line)
    name = "onnxruntime fp32 plain@1"
    calls = planned["calls"][f"1 thread: {name}"]
    expected = [1e3 * sum(block[name][0]) / calls for block in blocks]
    assert pytest.approx(expected) == list(plain.ms)
    assert 2 == found.provenance.resumed
    assert "2 blocks were measured in an earlier run that was cut short." in notes(found)
    assert 300.0 == found.validity.conditions.hottest_c
    assert "throttling" in [breach.rule for breach in found.validity.breaches]
    assert not (tmp_path / ".out.journal").exists()


@pytest.mark.slow
def test_numbers_that_do_not_count_end_with_their_own_exit_code(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("calexnet.bench.model.validity.SETTLING_ERRORS", -1.0)
    monkeypatch.setattr("calexnet.bench.model.validity.SETTLING_LIMIT", -0.9)
    words = [word for word in words if word != "--allow-unstable"]

    assert 3 == cli.main(words)
    assert "INVALID: this run broke the rules of measuring" in capsys.readouterr().out
    assert 0 == cli.main([*words, "--allow-unstable"])
    assert "Unstable run, a hint at most. " in capsys.readouterr().out
    found = reporting.read(tmp_path / "out" / reporting.JSON).validity
    assert (False, True) == (found.stands("verdict"), found.allowed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([], 0),
        (["top1<0", "ratio>1e9", "macs_ratio>9"], 0),
        (["top1>0"], 1),
        (["p50_ms>1e9"], 3),
        (["mean_ms>1e9", "top1>0"], 3),
    ],
)
def test_a_shared_machine_fails_what_asks_for_its_times_alone(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gates: list[str],
    expected: int,
) -> None:
    monkeypatch.setattr("calexnet.bench.model.validity.FOREIGN_LIMIT", -1.0)
    monkeypatch.setattr("calexnet.bench.model.validity.SETTLING_LIMIT", 1e9)
    words = [word for word in words if word != "--allow-unstable"]
    asked = [word for gate in gates for word in ("--fail-if", gate)]

    assert expected == cli.main([*words, *asked])
    shown = capsys.readouterr()
    assert (expected == 3) == ("calexnet-bench: asked for, and not sure here: " in shown.err)
    assert "times in ms, percentiles and joules do not stand" in shown.out.lower()
    assert "INVALID" not in shown.out
    assert expected != 3 or 0 == cli.main([*words, "--fail-if", "mean_ms>1e9", "--allow-unstable"])


def test_a_failed_gate_is_exit_code_1_and_leaves_a_report(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = ["--fail-if", "mean_ms>0", "--fail-if", "top1<0", "--fail-if", "cascade_mj>1e9"]

    assert 1 == cli.main([*words, *gates, "--energy-windows", "0"])

    assert [f"out/{name}" for name in FILES] == sorted(texts(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    failed, passed, unknown = lines[-5:-2]
    assert failed.startswith("FAILED  mean_ms>0: mean_ms is ")
    assert passed.startswith("passed  top1<0: top1 is ")
    assert unknown.startswith("FAILED  cascade_mj>1e9: n/a, ")


def test_gates_that_hold_change_nothing(words: list[str]) -> None:
    assert 0 == cli.main([*words, "--fail-if", "mean_ms>1e9", "--fail-if", "early_pct<0"])


def test_a_gate_is_read_before_anything_is_measured(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main([*words, "--fail-if", "speed>1"])

    assert {} == texts(tmp_path)
    assert "error: unknown metric: got 'speed'; expected one of mean_ms, " in failure(capsys)


def test_somebody_elses_folder_is_not_replaced(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")

    assert 2 == cli.main([*words, "--operating-point", LOOSE])
    assert "out: got something without a report.json; expected a new or empty" in failure(capsys)
    assert {"out/thesis.tex": "mine"} == texts(tmp_path)
