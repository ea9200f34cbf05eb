"""The script for NVIDIA's own tool, run with a stand-in that writes down how it was called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from calexnet.cli import export as cli
from tests.support.onnx_bundle import write_bundle

#: Says what it can, notes what it is told, and writes what the script reads.
_TOOL = """#!/bin/sh
if [ "$1" = --help ]; then echo "$LISTED"; exit 0; fi
echo "$@" >> "$CALLS"
for word in "$@"; do
    case $word in
    --saveEngine=*) echo engine > "${word#--saveEngine=}" ;;
    --onnx=*) [ -f "${word#--onnx=}" ] || { echo "no such graph"; exit 1; } ;;
    --loadEngine=*)
        [ -f "${word#--loadEngine=}" ] || exit 1
        echo "[I] GPU Compute Time: min = 1 ms, max = 2 ms" ;;
    esac
done
"""
TEN, ELEVEN = "--stronglyTyped --noTF32", "--noTF32"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of portable graphs, in a folder whose name has to be quoted."""
    folder = tmp_path / "a bundle"
    write_bundle(folder)
    return folder


def run(
    script: str, tmp_path: Path, listed: str, **variables: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; return how it ended, and the calls of the tool."""
    tool, calls = tmp_path / "trtexec", tmp_path / "calls"
    tool.write_text(_TOOL)
    tool.chmod(0o755)
    (tmp_path / "script.sh").write_text(script)
    known = {"TRTEXEC": str(tool), "CALLS": str(calls), "LISTED": listed, **variables}
    done = subprocess.run(
        ["sh", str(tmp_path / "script.sh"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env={**os.environ, **known},
    )
    return done, calls.read_text().splitlines()


def emitted(capsys: pytest.CaptureFixture[str], bundle: Path, *words: str) -> str:
    assert 0 == cli.main([str(bundle), "--emit", "trtexec", *words])
    return capsys.readouterr().out


def test_every_graph_is_built_once_and_timed_at_every_batch(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = emitted(capsys, bundle, "--batch", "1,8")

    done, calls = run(script, tmp_path, TEN)

    assert (0, "") == (done.returncode, done.stderr)
    out = tmp_path / "out"
    # 40 % leave at exit 1 and at exit 2 each.
    layer1 = [f"layer1:{batch}x4x4x4" for batch in (1, 5, 8)]
    assert (
        f"--onnx={bundle}/onnxruntime/segment2.onnx --saveEngine={out}/segment2.engine "
        f"--skipInference --stronglyTyped --noTF32 --minShapes={layer1[0]} --optShapes={layer1[1]} "
        f"--maxShapes={layer1[2]}"
    ) == calls[3]
    assert f"--loadEngine={out}/segment2.engine --shapes=layer1:8x4x4x4 --noData" in calls[5]
    assert 4 * 3 == len(calls)
    assert "plain, batch 8: GPU Compute Time: min = 1 ms, max = 2 ms" in done.stdout.splitlines()


def test_a_tool_that_lists_no_option_for_types_is_given_none(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = emitted(capsys, bundle, "--workspace-mib", "64")

    _, calls = run(script, tmp_path, ELEVEN)

    assert "--skipInference --memPoolSize=workspace:64 --noTF32 --minShapes=image:1x8x" in calls[0]


def started(
    script: str, tmp_path: Path, path: str, usual: Path
) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing said of the tool, `usual` in the place of JetPack's folder."""
    assert 1 == script.count("/usr/src/tensorrt/bin/trtexec)")
    (tmp_path / "script.sh").write_text(script.replace("/usr/src/tensorrt/bin", str(usual)))
    known = {"PATH": path, "CALLS": str(tmp_path / "calls"), "LISTED": TEN}
    return subprocess.run(
        ["/bin/sh", "script.sh", "out"], capture_output=True, text=True, cwd=tmp_path, env=known
    )


@pytest.mark.parametrize("on_path", [True, False])
def test_the_tool_is_found_on_path_or_where_jetpack_puts_it(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], on_path: bool
) -> None:
    script = emitted(capsys, bundle, "--batch", "1")
    folders = {name: tmp_path / name for name in ("path", "usual")}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "trtexec").write_text(_TOOL.replace('echo "$@" >>', f'echo {name} "$@" >>'))
        (folder / "trtexec").chmod(0o755)
    path = f"{folders['path']}:{os.defpath}" if on_path else os.defpath

    done = started(script, tmp_path, path, folders["usual"])

    assert (0, "") == (done.returncode, done.stderr)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert {"path" if on_path else "usual"} == {call.split()[0] for call in calls}
    assert 4 * 2 == len(calls)


def test_without_the_tool_the_script_says_how_to_name_it(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = emitted(capsys, bundle)

    done = started(script, tmp_path, os.defpath, tmp_path / "nowhere")

    assert 1 == done.returncode
    assert (
        f"There is no program {tmp_path}/nowhere/trtexec. Say where it is: "
        "TRTEXEC=/path/to/trtexec sh script.sh\n"
    ) == done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "got"),
    [
        (["--target", "tflite", "--timing-cache", "file"], "--target tflite, --timing-cache"),
        (["--target", "tensorrt-rtx"], "--target tensorrt-rtx"),
        (["--layout", "if", "--out", "b", "--input", "float"], "--layout if, --out, --input"),
        (["--calib-data", "digits", "--calib-samples", "9"], "--calib-data, --calib-samples"),
        (["--converter", "litert-torch"], "--converter litert-torch"),
    ],
)
def test_what_a_script_has_no_use_for_is_refused(
    bundle: Path, capsys: pytest.CaptureFixture[str], words: list[str], got: str
) -> None:
    assert 2 == cli.main([str(bundle), "--emit", "trtexec", *words])

    told = capsys.readouterr()
    assert "" == told.out
    assert (
        f"error: --emit trtexec has no use for what was chosen: got {got}; expected --precision, "
        "--batch and --workspace-mib at most. Leave out the rest.\n"
    ) in told.err


def test_its_own_target_may_be_named(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert emitted(capsys, bundle) == emitted(capsys, bundle, "--target", "tensorrt")


def test_a_bundle_elsewhere_is_named_and_a_failure_shown(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = emitted(capsys, bundle)

    done, calls = run(script, tmp_path, TEN, BUNDLE=str(tmp_path / "nowhere"))

    assert 1 == done.returncode
    assert "no such graph" in done.stdout
    assert 1 == len(calls)


def test_narrow_graphs_have_engines_of_their_own(
    small_narrow_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = emitted(capsys, small_narrow_bundle, "--precision", "fp16")

    assert "build segment2 onnxruntime/fp16/segment2.onnx layer1:1x16x8x8 " in script


def test_what_the_bundle_lacks_is_told(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.main([str(bundle), "--emit", "trtexec", "--precision", "fp16"])

    assert "holds no graphs at fp16" in capsys.readouterr().err
