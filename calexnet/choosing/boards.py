"""What pieces of a pool cost in ms: measured here, or on another machine and brought as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calexnet.bench.costs import board as boards
from calexnet.bench.costs.board import Board, read
from calexnet.bench.costs.measuring import CostPlan, measure
from calexnet.bench.costs.prediction import Costs
from calexnet.bench.report.task import Setting
from calexnet.choosing.costs import Cost
from calexnet.choosing.making import Made
from calexnet.devices.base import Device
from calexnet.export.pool.document import Pool, is_pool, open_pool
from calexnet.files.storage import is_file
from calexnet.manifest import FULL

#: In the pool's folder: the graphs, which ``calexnet-bench --costs-only`` takes, and what it says.
PIECES, BOARD = "pieces", "board.json"

TARGET = "onnxruntime"

__all__ = ["BOARD", "PIECES", "TARGET", "costs", "measured", "read", "written"]


def written(made: Made, precisions: Sequence[str], folder: Path) -> Pool:
    """Return the graphs of all pieces, written unless they are there of the same networks.

    Args:
        made: The trained networks.
        precisions: Beside full precision.
        folder: Of the pool.

    Raises:
        ExportError: A network cannot be cut so.
    """
    from calexnet.export.pool.pieces import Source
    from calexnet.export.pool.writing import Build, write_pool

    place, stamp = folder / PIECES, folder / f"{PIECES}.of"
    builds = [Build(TARGET, precision) for precision in (FULL, *precisions)]
    wanted = made.identity + "".join(build.precision for build in builds)
    if is_pool(place) and is_file(stamp) and stamp.read_text("utf-8") == wanted:
        return open_pool(place)
    sources = [Source(name, next(iter(runs.values())), runs) for name, runs in made.runs.items()]
    pool = write_pool(sources, place, builds)
    stamp.write_text(wanted, "utf-8")
    return pool


def measured(pool: Pool, folder: Path, seconds: float, device: Device) -> Board:
    """Return what this machine says of the pieces, measured unless it has said so before.

    Args:
        pool: The pieces.
        folder: Where the board is kept.
        seconds: For all that is timed.
        device: This machine.
    """
    path = folder / BOARD
    if is_file(path):
        earlier = read(path)
        if (earlier.pool, earlier.device.model) == (pool.sha256, device.describe().model):
            return earlier
    found = measure(pool.folder, CostPlan(seconds=seconds, allow_unstable=True), device)
    boards.write(found, path)
    return found


def costs(board: Board, pool: Pool, precisions: Sequence[str]) -> dict[str, Cost]:
    """Return the ms of a chain by precision, full precision first, of single images.

    Raises:
        InputError: A precision was not measured.
    """
    return {
        precision: Costs.of(board, pool, Setting(TARGET, precision)).to_exit
        for precision in (FULL, *precisions)
    }
