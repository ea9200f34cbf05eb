"""A board made by hand."""

from __future__ import annotations

from collections.abc import Mapping

from calexnet.bench.costs.board import SCHEMA, Board, CostRow, Power
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.task import Setting
from calexnet.bench.report.validity import Conditions, Validity
from calexnet.devices.base import DeviceRecord, DeviceState
from calexnet.export.pool.document import Span


def board(
    times: Mapping[tuple[Span, int], tuple[float, float]],
    *,
    pool: str = "0" * 64,
    target: str = "onnxruntime",
    precision: str = "fp32",
    watts: float | None = None,
) -> Board:
    """Return a board with warm and cold ms by piece and batch, each sure to a tenth."""
    rows = [
        CostRow(piece, Setting(target, precision, batch), _sure(warm), _sure(cold))
        for (piece, batch), (warm, cold) in times.items()
    ]
    conditions = Conditions(3, {}, {}, None, (), (), 0.0, 0.0)
    return Board(
        schema=SCHEMA,
        pool=pool,
        device=DeviceRecord("cpu", "a processor", "Linux", 2, None, DeviceState(0.1)),
        rows=tuple(rows),
        validity=Validity(False, (), conditions, {"1": 1.0}, {"1": 1.0}, {"1": 9.0}),
        blocks={"1": 10},
        power=Power(None if watts is None else "meter", watts, None if watts else "none"),
        versions={"calexnet": "1"},
        command="calexnet-bench pool --costs-only",
        started="2026-12-01T00:00:00+00:00",
        seconds=1.0,
        seed=0,
        clock="wall",
    )


def _sure(ms: float) -> Interval:
    return Interval(ms, 0.9 * ms, 1.1 * ms)
