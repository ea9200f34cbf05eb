"""Steps 2 and 3 of the journey on a board: numpy, ONNX Runtime, calexnet, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from calexnet.data import npz
from tests.support.onnx_bundle import CLASSES, sample_data, write_bundle
from tests.test_packaging import FOLDERS, ROOT, closure

#: What a host has and this board has not.
ABSENT = ["torch", "onnx", "sklearn", "scipy", "PIL", "psutil", "safetensors"]

_START = "import sys; sys.path.append(sys.argv.pop(1))\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: links to the least there is, and calexnet as its wheel."""
    site = tmp_path_factory.mktemp("board") / "site"
    site.mkdir()
    for package in closure("numpy", "onnxruntime"):
        for name in {file.parts[0] for file in metadata.files(package) or []} - {"..", "."}:
            source = Path(str(metadata.distribution(package).locate_file(name)))
            if name != "__pycache__" and not (site / name).exists():
                (site / name).symlink_to(source)
    shutil.copytree(ROOT / "calexnet", site / "calexnet", ignore=_links_and_bytecode)
    for package, folder in FOLDERS.items():
        if package != "calexnet":
            destination = site.joinpath(*package.split("."))
            shutil.copytree(ROOT / folder, destination, ignore=_links_and_bytecode)
    record = site / f"calexnet-{metadata.version('calexnet')}.dist-info"
    record.mkdir()
    text = metadata.distribution("calexnet").read_text("METADATA")
    (record / "METADATA").write_text(text or "", "utf-8")
    return site


@pytest.fixture(scope="module")
def board(site: Path) -> Path:
    """A folder with a bundle and its data set."""
    write_bundle(site.parent / "bundle")
    npz.save(sample_data(), site.parent / "squares.npz")
    return site.parent


def _links_and_bytecode(folder: str, names: list[str]) -> set[str]:
    return {n for n in names if n == "__pycache__" or (Path(folder) / n).is_symlink()}


def run(board: Path, code: str, *words: str) -> str:
    """Run `code` on the board and return what it prints."""
    command = [sys.executable, "-I", "-S", "-c", _START + code, str(board / "site"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=board)
    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_board_has_nothing_that_only_a_host_needs(board: Path) -> None:
    code = (
        "from importlib.util import find_spec\n"
        "print(*[name for name in sys.argv[1:] if find_spec(name)])\n"
        "import calexnet; print(calexnet.__file__)"
    )

    absent, where = run(board, code, *ABSENT).split("\n", 1)

    assert "" == absent
    assert str(board / "site/calexnet/__init__.py") == where.strip()


def test_an_app_loads_a_bundle_and_answers(board: Path) -> None:
    code = """
import calexnet, numpy
with numpy.load("squares.npz") as data:
    images = data["images"]
result = calexnet.load("bundle", threads=1)(images, probabilities=True)
print(len(result.labels), sorted(set(result.exits.tolist())), result.probabilities.shape)
"""
    assert "120 [1, 2, 3] (120, 4)\n" == run(board, code)


def test_the_predict_command_answers_from_a_file(board: Path) -> None:
    code = "from calexnet.cli import main; sys.exit(main())"

    _, *lines = run(
        board, code, "predict", "bundle", "--data", "squares.npz", "--index", "3,4"
    ).splitlines()

    assert 2 == len(lines)
    assert all(line.startswith("squares.npz[") and line.endswith(" ms") for line in lines)
    assert all(any(f"  {name} " in line for name in CLASSES) for line in lines)


@pytest.mark.slow
def test_the_cascade_that_comes_with_it_can_be_tried(board: Path) -> None:
    shown = run(board, "from calexnet.cli import main; sys.exit(main())", "try")

    assert "A resnet8 with an early exit after layer1, trained on scikit-learn's digits." in shown
    assert "538 test images, and where they leave:\n  after layer1" in shown
    assert "With 95 % confidence it loses at most 0.7 points" in shown
    assert "One image at a time, one thread:" in shown


@pytest.mark.slow
def test_the_bench_command_writes_a_report(board: Path) -> None:
    code = "from calexnet.cli.bench import main; sys.exit(main())"
    words = ["bundle", "--data", "squares.npz", "--out", "report", "--batch", "1,2"]
    words += ["--threads", "1", "--blocks", "2"]

    shown = run(board, code, *words, "--seconds", "0.01", "--allow-unstable")

    assert shown.endswith("\nReport: report/report.html\n")
    document = json.loads((board / "report/report.json").read_text("utf-8"))
    assert [1, 2] == [row["batch"] for row in document["amortisation"]]
    assert {"calexnet", "numpy", "onnxruntime"} == set(document["provenance"]["versions"])
    assert metadata.version("onnxruntime") == document["provenance"]["versions"]["onnxruntime"]


def test_what_needs_a_host_says_so_in_one_line(board: Path) -> None:
    code = """
from calexnet.cli import main
sys.exit(0 if main(["data", "digits", "--out", "a.npz"]) == 4 else 1)
"""
    assert "" == run(board, code)
    assert not (board / "a.npz").exists()
