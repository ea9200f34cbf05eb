"""``make disk``: every command that writes, on disks of many sizes that are too small for it.

Each command first runs with room enough, and the most that it takes is noted; then it runs on
disks that leave it a part of that. A disk is a tmpfs, which only root can mount. What it says goes
elsewhere, as do temporary files. Where nothing but an answer is written, the answer goes to the
disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from campaigns import kill
from campaigns.fuzz import files_of
from campaigns.subjects import Files

_PAGE = 4096
_ROOMY = "512m"


@dataclass(frozen=True)
class Command:
    """What meets full disks.

    Attributes:
        program: Module with ``main(words)``.
        words: Its command line; it writes below ``disk/``.
        earlier: Of what is given, what lies at ``disk/out`` already; "" = what it wrote itself.
        exchanged: All that it writes appears at once; else file by file, as a sweep's does.
        answers: Its answer goes to ``disk/said``; it writes nothing else.
        keeps: What it keeps beside its result on purpose, to go on from.
    """

    program: str
    words: str
    earlier: str = ""
    exchanged: bool = True
    answers: bool = False
    keeps: str = ""


_TINY = "--data tints.npz --backbone resnet8 --backbone-epochs 1 --epochs 1"
_UNIT = "--mean 0,0,0 --std 1,1,1"
_FP16 = "--precision fp16 --calib-data tints.npz --calib-samples 16"
_BENCH = (
    "--data tints.npz --all-samples --batch 1 --threads 1 --seconds 0.2 --blocks 2 --settle 0 "
    "--no-memory --energy-windows 0 --allow-unstable"
)
_CHOOSE = "--effort quick --backbone-epochs 1 --minimise macs --max-drop 20 --pool chosen-from"
COMMANDS = {
    "data": Command("calexnet.cli", "data tints.npz --out disk/out.npz"),
    "seal": Command("calexnet.cli", "seal disk/out", "edited"),
    "doctor": Command("calexnet.cli", "doctor --record disk/out.json"),
    "compare": Command(
        "calexnet.cli", "compare report report --across invalid --json disk/out.json"
    ),
    "report html": Command("calexnet.cli", "report report --html disk/out.html"),
    "report md": Command("calexnet.cli", "report report --md disk/out.md"),
    "report csv": Command("calexnet.cli", "report report --csv disk/out"),
    "analyse": Command("calexnet.cli", "analyse pareto cells --out disk/out"),
    "evaluate": Command("calexnet.cli", "evaluate run --data tints.npz", answers=True),
    "verify": Command("calexnet.cli", "verify bundle --data tints.npz --all-samples", answers=True),
    "predict": Command("calexnet.cli", "predict bundle --data tints.npz", answers=True),
    "inspect": Command("calexnet.cli", "inspect large.onnx", answers=True),
    "export": Command("calexnet.cli.export", "run --out disk/out"),
    "add target": Command("calexnet.cli.export", "disk/out --target tflite", "bundle"),
    "add precision": Command("calexnet.cli.export", f"disk/out {_FP16}", "bundle"),
    "add layout": Command("calexnet.cli.export", "disk/out --layout if", "bundle"),
    "train": Command("calexnet.cli", f"train {_TINY} --out disk/out"),
    "train networks": Command(
        "calexnet.cli",
        f"train small.onnx large.onnx --data networks.npz {_UNIT} --out disk/out",
    ),
    "distill": Command(
        "calexnet.cli",
        "distill --teacher run --data tints.npz --cost 30% --epochs 1 --out disk/out",
    ),
    "bench": Command("calexnet.cli.bench", f"bundle {_BENCH} --out disk/out", keeps=".out.journal"),
    "costs": Command("calexnet.cli.bench", "pool --costs-only --seconds 0.1 --out disk/out.json"),
    "sweep": Command(
        "calexnet.cli", f"sweep {_TINY} --seeds 0,1 --jobs 1 --out disk/out", exchanged=False
    ),
    "choose": Command("calexnet.cli", f"choose resnet8 --data tints.npz {_CHOOSE} --out disk/out"),
}
#: Whose work is done in well under a second, or is writing alone.
QUICK = tuple(COMMANDS)[:16]


@dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        code: Its exit code.
        said: What it said as an error.
        most: Bytes of the disk that were in use at once.
    """

    code: int
    said: str
    most: int


class Disk:
    """A file system of its own at `place`, to be made smaller."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_ROOMY}", "tmpfs", str(place)]
        subprocess.run(mount, check=True, capture_output=True)

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)
        self.place.rmdir()

    def hold(self, files: Files) -> None:
        """Have these files alone, and room."""
        self._size(_ROOMY)
        for path in self.place.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, data in files.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(data)

    def used(self) -> int:
        """Return the bytes in use."""
        return shutil.disk_usage(self.place).used

    def leave(self, room: int) -> None:
        """Leave no more than `room` bytes, in whole pages."""
        self._size(str(self.used() + room // _PAGE * _PAGE or _PAGE))

    def _size(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.place)], check=True)


def given(place: Path) -> None:
    """Write what the commands read."""
    import json

    from calexnet.data import npz
    from calexnet.export import export_run
    from calexnet.export.pool.pieces import Source
    from calexnet.export.pool.writing import write_pool
    from calexnet.files import schema
    from calexnet.training import checkpoint
    from campaigns.subjects import make_cells
    from tests.support import networks
    from tests.support.sample_report import sample_report
    from tests.support.small_cascade import small_data, train

    cascade = train(small_data())
    npz.save(small_data(), place / "tints.npz")
    (place / "run").mkdir()
    checkpoint.save(cascade, place / "run")
    export_run(place / "run", place / "bundle")
    write_pool([Source("net", cascade, {"prototype": cascade})], place / "pool")
    networks.write_data(place / "networks.npz")
    networks.write_network(place / "small.onnx", 6, noise=0.5)
    networks.write_network(place / "large.onnx", copies=16, seed=2)
    for name in ("report", "cells"):
        (place / name).mkdir()
    report = json.dumps(schema.encode(sample_report()))
    (place / "report" / "report.json").write_text(report, "utf-8")
    make_cells(place / "cells")
    shutil.copytree(place / "bundle", place / "edited")
    manifest = place / "edited" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")


def met(command: Command, place: Path) -> End:
    """Run a command in `place`, where ``disk`` is, and tell how it ended."""
    errors, disk = place / "errors", place / "disk"
    child = os.fork()
    if not child:
        _be(command, place, errors)
    most, gone = 0, 0
    while not gone:
        most = max(most, shutil.disk_usage(disk).used)
        time.sleep(0.002)
        gone, status = os.waitpid(child, os.WNOHANG)
    most = max(most, shutil.disk_usage(disk).used)
    return End(os.waitstatus_to_exitcode(status), errors.read_text("utf-8"), most)


def _be(command: Command, place: Path, errors: Path) -> None:
    """Do in this process, a forked one, what a shell would have a new one do."""
    from importlib import import_module

    code = 70
    try:
        os.chdir(place)
        said = "disk/said" if command.answers else os.devnull
        for number, path in enumerate((os.devnull, said, str(errors))):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
        code = import_module(command.program).main(command.words.split()) or 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def problems(command: Command, end: End, disk: Path, earlier: Files) -> list[str]:
    """Return what is wrong with how a command ended."""
    left = {
        name: data for name, data in files_of(disk).items() if name not in ("said", command.keeps)
    }
    wrong = [f"left behind: {name}" for name in left if name.split("/")[0].startswith(".")]
    if end.code == 0:
        return wrong
    if end.code != 2:
        wrong.append(f"it ended with {end.code}: {end.said[-300:]}")
    errors = [line.partition("error: ")[2] for line in end.said.splitlines()]
    if [bool(told) for told in errors].count(True) != 1 or max(map(len, errors)) > 400:
        wrong.append(f"no message of one line: {end.said[-300:]}")
    if command.exchanged and left != earlier:
        wrong.append("the earlier result was touched")
    if not command.exchanged and (disk / "out").is_dir():
        child = kill.forked(lambda: kill.COMMANDS["sweep"].whole(disk / "out"), disk)
        wrong += ["a half written result"] if kill.ended(child) else []
    return wrong


def campaign(name: str, sizes: int, place: Path) -> tuple[int, list[str]]:
    """Return on how many disks the command had too little room, and all that was wrong."""
    command, wrong, full = COMMANDS[name], [], 0
    with Disk(place / "disk") as disk:
        given_ = {"earlier": b"earlier"} if command.answers else {}
        if command.earlier:
            given_ = {f"out/{n}": data for n, data in files_of(place / command.earlier).items()}
        disk.hold(given_)
        before = disk.used()
        end = met(command, place)
        if end.code != 0:
            return 0, [f"it fails where there is room: {end.said[-300:]}"]
        made = files_of(disk.place) if command.exchanged and not command.answers else {}
        earlier = given_ or made
        for number in range(sizes):
            disk.hold(earlier)
            disk.leave((end.most - before) * number // sizes)
            found = met(command, place)
            full += found.code != 0
            wrong += problems(command, found, disk.place, earlier)
    return full, wrong


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign and print a table; 1 if a full disk was told badly or anything was lost."""
    parser = argparse.ArgumentParser(prog="campaigns.disk", description=main.__doc__)
    parser.add_argument("-n", type=int, default=20, help="disks for each command")
    parser.add_argument("--only", choices=COMMANDS, help="this command alone")
    parser.add_argument("--quick", action="store_true", help="leave out those that take long")
    asked = parser.parse_args(words)
    if os.geteuid() != 0:
        print("not run: only root can mount small disks")
        return 0
    names = [asked.only] if asked.only else QUICK if asked.quick else COMMANDS
    faults, total = 0, 0
    with tempfile.TemporaryDirectory(prefix="calexnet-disk-") as folder:
        os.environ |= {"CALEXNET_CACHE": "0", "TMPDIR": folder}
        tempfile.tempdir = None
        place = Path(folder) / "work"
        place.mkdir()
        if kill.ended(kill.forked(lambda: given(place), place)) != 0:
            raise SystemExit("what the commands read could not be made")
        kill.import_all()
        print(f"{'command':16}{'disks':>7}{'full':>6}{'faults':>8}")
        for name in names:
            full, wrong = campaign(name, asked.n, place)
            print(f"{name:16}{asked.n:7}{full:6}{len(wrong):8}", flush=True)
            for told in dict.fromkeys(wrong):
                print(f"    {wrong.count(told)} x {told}", flush=True)
            faults, total = faults + len(wrong), total + full
    print(f"{total} full disks, " + (f"{faults} faults" if faults else "no faults"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
