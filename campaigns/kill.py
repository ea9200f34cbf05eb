"""``make kill``: SIGKILL at random moments; the earlier result or the new one is there, whole.

Each command runs in a process of its own, forked from one that has imported everything, so that
the moments fall into its work and not into its imports. After every kill all that it may have
written is opened; after every fifth it runs again to its end, and nothing is left beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from campaigns.fuzz import files_of
from campaigns.subjects import Files

SEED, AGAIN_EACH = 16, 5


@dataclass(frozen=True)
class Command:
    """What is killed.

    Attributes:
        program: Module with ``main(words)``.
        words: Its command line; the working folder holds run, bundle and tints.npz.
        out: The folder that it writes.
        whole: Opens what it wrote; raises where that is damaged.
        exchanged: The folder appears whole or not at all; else file by file, as a sweep's does.
    """

    program: str
    words: str
    out: str
    whole: Callable[[Path], object]
    exchanged: bool = True


def _bundle(folder: Path) -> object:
    from calexnet.bundle import open_bundle

    return open_bundle(folder)


def _run(folder: Path) -> object:
    from calexnet.training import checkpoint

    return checkpoint.load(folder)


def _report(folder: Path) -> object:
    from calexnet.bench import reporting

    return reporting.open_report(folder)


def _cells(folder: Path) -> object:
    from calexnet.sweep import results

    return [cell.answers for cell in results.read(folder)] if any(folder.glob("*.json")) else []


_TINY = "--data tints.npz --backbone resnet8 --backbone-epochs 1 --epochs 1"
COMMANDS = {
    "export": Command("calexnet.cli.export", "run --out bundle", "bundle", _bundle),
    "add target": Command("calexnet.cli.export", "bundle --target tflite", "bundle", _bundle),
    "train": Command("calexnet.cli", f"train {_TINY} --out trained", "trained", _run),
    "sweep": Command(
        "calexnet.cli",
        f"sweep {_TINY} --seeds 0,1 --jobs 1 --out swept",
        "swept",
        _cells,
        exchanged=False,
    ),
    "bench": Command(
        "calexnet.cli.bench",
        "bundle --data tints.npz --all-samples --batch 1 --threads 1 --seconds 1 --blocks 2 "
        "--settle 0 --no-memory --energy-windows 0 --allow-unstable --out report",
        "report",
        _report,
    ),
}


def given(place: Path) -> None:
    """Write what the commands read."""
    from calexnet.data import npz
    from calexnet.export import export_run
    from calexnet.training import checkpoint
    from tests.support.small_cascade import small_data, untrained

    cascade = untrained("resnet8", ("layer1", "layer2"))
    npz.save(replace(small_data(), classes=cascade.spec.classes), place / "tints.npz")
    (place / "run").mkdir()
    checkpoint.save(cascade, place / "run")
    export_run(place / "run", place / "bundle")


def forked(work: Callable[[], object], place: Path) -> int:
    """Start a process that does `work` in `place`, silently; return its id. It leads a group."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        os.chdir(place)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = int(work() is False)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a process and return its exit code; minus the signal if one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main_of(command: Command) -> bool:
    """Run a command; tell whether it ended well."""
    from importlib import import_module

    return import_module(command.program).main(command.words.split()) in (0, 3, None)


def killed(command: Command, place: Path, after_s: float) -> bool:
    """Run a command and kill it with all that it started; tell whether it was still running."""
    child = forked(lambda: main_of(command), place)
    time.sleep(after_s)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # not yet a group's leader
        os.kill(child, signal.SIGKILL)
    return ended(child) == -signal.SIGKILL


def problems(command: Command, place: Path, earlier: Files) -> list[str]:
    """Return what is wrong with what a kill has left."""
    out = place / command.out
    if not command.exchanged:
        there = out.is_dir()
    else:
        ended(forked(lambda: command.whole(out), place))  # a reader puts back what was moved away
        there = bool(earlier) or out.is_dir()
        if there and files_of(out) == earlier:
            return []
    if there and ended(forked(lambda: command.whole(out), place)) != 0:
        return ["neither the earlier result nor a whole new one"]
    return []


def left_behind(place: Path) -> list[str]:
    """Return what lies beside the results that nobody asked for."""
    hidden = (path.name for path in place.iterdir() if path.name.startswith("."))
    return [f"left behind: {name}" for name in sorted(hidden)]


def campaign(name: str, kills: int, place: Path, random: Random) -> tuple[int, list[str]]:
    """Return how many were killed at work, and all that was wrong."""
    command, wrong, struck = COMMANDS[name], [], 0
    earlier = files_of(place / command.out) if (place / command.out).is_dir() else {}
    started = time.monotonic()
    if ended(forked(lambda: main_of(command), place)) != 0:
        return 0, ["it fails where it is not killed"]
    takes_s = time.monotonic() - started
    for number in range(1, kills + 1):
        restored(place / command.out, earlier)
        struck += killed(command, place, random.uniform(0.0, 1.05 * takes_s))
        wrong += problems(command, place, earlier)
        if number % AGAIN_EACH == 0:
            code = ended(forked(lambda: main_of(command), place))
            wrong += [f"the next run ended with {code}"] if code else left_behind(place)
            wrong += problems(command, place, {})
    restored(place / command.out, earlier)
    return struck, wrong


def restored(folder: Path, files: Files) -> None:
    """Have these files alone in `folder`; none = no folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign and print a table; 1 if anything was lost, half written or left behind."""
    parser = argparse.ArgumentParser(prog="campaigns.kill", description=main.__doc__)
    parser.add_argument("-n", type=int, default=200, help="kills, over all commands")
    parser.add_argument("--only", choices=COMMANDS, help="this command alone")
    asked = parser.parse_args(words)
    names = [asked.only] if asked.only else list(COMMANDS)
    lost = 0
    with tempfile.TemporaryDirectory(prefix="calexnet-kill-") as folder:
        os.environ |= {"CALEXNET_CACHE": "0", "TMPDIR": folder}
        tempfile.tempdir = None
        place = Path(folder) / "work"
        place.mkdir()
        if ended(forked(lambda: given(place), place)) != 0:
            raise SystemExit("what the commands read could not be made")
        import_all()
        print(f"{'command':12}{'kills':>7}{'at work':>9}{'faults':>8}")
        for at, name in enumerate(names):
            count = asked.n // len(names) + (at < asked.n % len(names))
            struck, wrong = campaign(name, count, place, Random(f"{SEED} {name}"))
            print(f"{name:12}{count:7}{struck:9}{len(wrong):8}", flush=True)
            for words_ in dict.fromkeys(wrong):
                print(f"    {wrong.count(words_)} x {words_}", flush=True)
            lost += len(wrong)
    print("no faults" if not lost else f"{lost} faults")
    return 1 if lost else 0


def import_all() -> None:
    """Import what the commands do, without starting a thread."""
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401
    import sklearn.cluster  # noqa: F401
    import torch

    import calexnet.bench.measuring.measure
    import calexnet.cli.bench
    import calexnet.cli.export
    import calexnet.sweep.cell
    import calexnet.training.cascade  # noqa: F401

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
