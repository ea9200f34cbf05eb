"""Cells on local processes: each cell in one of a few workers, results as files.

A worker that dies takes its own cell with it and no other; it is replaced. Whatever stops the
sweep, the cells that were finished stay, and the next run goes on from there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from calexnet.errors import StorageError
from calexnet.progress import Progress
from calexnet.sweep import results
from calexnet.sweep.results import FailedCell
from calexnet.sweep.spec import CellSpec

#: Runs one cell and writes its files into the folder.
Run = Callable[[CellSpec, Path], None]


@dataclass(frozen=True)
class Done:
    """A cell that came to its end; `error` and `message` are ``None`` if it was a good one."""

    spec: CellSpec
    error: str | None = None
    message: str | None = None


def run(specs: Sequence[CellSpec], folder: Path, jobs: int, work: Run) -> tuple[FailedCell, ...]:
    """Run all cells, `jobs` at a time, and return those that failed.

    Args:
        specs: What to run.
        folder: Where results go.
        jobs: Processes; each gets its share of the processor's cores.
        work: Importable by name, since it runs elsewhere.

    Raises:
        StorageError: A result could not be written; cells written before are kept.
    """
    failed = []
    with Progress("cells", len(specs)) as progress:
        for done in _each(specs, folder, jobs, work):
            if done.error is not None:
                failed.append(_record_failure(done, folder))
            progress.advance(note=f"{len(failed)} failed" if failed else done.spec.axes.name)
    return tuple(failed)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _record_failure(done: Done, folder: Path) -> FailedCell:
    if done.error == StorageError.__name__:
        raise StorageError(f"the sweep stopped at {done.spec.axes.name}: {done.message}")
    failed = FailedCell(
        results.SCHEMA, done.spec.fingerprint, done.spec, str(done.error), str(done.message)
    )
    results.write_failure(failed, folder)
    return failed


@dataclass
class _Worker:
    """A process, our end of the pipe to it, and the cell that it has in hand."""

    process: BaseProcess
    connection: Connection[Any, Any]
    spec: CellSpec

    def take(self, spec: CellSpec) -> bool:
        """Hand it the next cell; return whether it is there to take it."""
        if not self.process.is_alive():
            return False
        try:
            self.connection.send(spec)
        except OSError:
            return False
        self.spec = spec
        return True

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _each(specs: Sequence[CellSpec], folder: Path, jobs: int, work: Run) -> Iterator[Done]:
    waiting = list(reversed(specs))
    threads = max(1, cores() // jobs)
    busy: dict[Any, _Worker] = {}
    try:
        while waiting and len(busy) < jobs:
            worker = _start(waiting.pop(), folder, threads, work)
            busy[worker.connection] = worker
        while busy:
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                done = _result(worker)
                if waiting:
                    if not worker.take(spec := waiting.pop()):
                        worker.end()
                        worker = _start(spec, folder, threads, work)
                    busy[worker.connection] = worker
                else:
                    worker.end()
                yield done
    finally:
        for worker in busy.values():
            worker.end()


_DIED = "WorkerDied"


def _start(spec: CellSpec, folder: Path, threads: int, work: Run) -> _Worker:
    # Not a fork: torch's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, folder, work), daemon=True)
    with _threads_of_children(threads):
        process.start()
    theirs.close()
    ours.send(spec)
    return _Worker(process, ours, spec)


def _result(worker: _Worker) -> Done:
    try:
        error, message = worker.connection.recv()
        return Done(worker.spec, error, message)
    except (EOFError, ConnectionResetError):
        worker.process.join()
        return Done(
            worker.spec,
            _DIED,
            f"the process that ran the cell ended with code {worker.process.exitcode}; "
            "-9 often means that memory ran out",
        )


@contextlib.contextmanager
def _threads_of_children(threads: int) -> Iterator[None]:
    """Have processes that are started meanwhile use so many threads.

    A library reads these when it is first imported: before any code of ours runs over there.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def _serve(connection: Connection[Any, Any], folder: Path, work: Run) -> None:
    """Run cells as they come until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep's own process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Several training lines at once would be noise beside the sweep's own.
    with contextlib.suppress(EOFError, BrokenPipeError), Path(os.devnull).open("w") as nowhere:
        while True:
            spec = connection.recv()
            with contextlib.redirect_stderr(nowhere):
                outcome = _outcome(spec, folder, work)
            connection.send(outcome)


def _end_with_parent() -> None:
    """End this process when the sweep's own is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _outcome(spec: CellSpec, folder: Path, work: Run) -> tuple[str | None, str | None]:
    try:
        work(spec, folder)
    except Exception as problem:  # a failed cell must not take the others with it
        return type(problem).__name__, str(problem)
    return None, None
