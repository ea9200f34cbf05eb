"""Where a chain's time goes beside plain's: ONNX Runtime's own profile, operator by operator.

``python -m benchmarks --profile`` prints it. A profile slows every operator a little, so
what it is good for is shares, not times.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calexnet.bundle import Bundle
from calexnet.gating import NEVER
from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array

#: Kind of work -> operators of it, by their names in ONNX Runtime's optimised graphs.
_KINDS = {
    "convolutions": {"Conv", "FusedConv", "NhwcFusedConv", "MaxPool", "GlobalAveragePool"},
    "reorders": {"ReorderInput", "ReorderOutput"},
}
#: Which quantile of the runs counts: what interrupts a run only ever adds.
_FAST = 0.1
_REST, _DISPATCH = "other operators", "dispatch"
KINDS = (*_KINDS, _REST, _DISPATCH)


@dataclass(frozen=True)
class Profile:
    """Where one image's time goes.

    Attributes:
        us: Microseconds by kind of work, one of `KINDS`.
    """

    us: Mapping[str, float]

    @property
    def total_us(self) -> float:
        """Of all kinds."""
        return sum(self.us.values())


def profile(bundle: Bundle, image: Array, threads: int | None, runs: int) -> dict[str, Profile]:
    """Return the profiles of ``plain`` and of the ``chain`` of segments, nobody leaving.

    Args:
        bundle: With float32 graphs for target onnxruntime.
        image: One, as a batch.
        threads: Within an operator, ``None`` = all cores.
        runs: Of each, by turns.
    """
    build = bundle.compiled("onnxruntime", None)
    chains = {"plain": (build.plain,), "chain": build.segments}
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            name: [_session(bundle, record, threads, Path(folder)) for record in records]
            for name, records in chains.items()
        }
        for _ in range(runs):
            for mine in sessions.values():
                _run(mine, image)
        return {
            name: _profile([one.end_profiling() for one in mine]) for name, mine in sessions.items()
        }


def table(found: Mapping[str, Profile]) -> list[str]:
    """Return lines: a kind of work each, plain beside chain, and what the chain adds of plain."""
    plain, chain = found["plain"], found["chain"]
    lines = [f"{'':<18}{'plain, us':>10}{'chain, us':>10}{'added, % of plain':>19}"]
    rows = [(kind, plain.us[kind], chain.us[kind]) for kind in KINDS]
    for kind, one, other in [*rows, ("all", plain.total_us, chain.total_us)]:
        added = 100 * (other - one) / plain.total_us
        lines.append(f"{kind:<18}{one:>10.0f}{other:>10.0f}{added:>19.1f}")
    return lines


def _session(bundle: Bundle, record: GraphRecord, threads: int | None, folder: Path) -> Any:
    import onnxruntime

    from calexnet.runtimes.onnxruntime import session_options

    options = session_options(threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / record.name)
    return onnxruntime.InferenceSession(
        bundle.read_graph(record), options, providers=["CPUExecutionProvider"]
    )


def _run(sessions: Sequence[Any], image: Array) -> None:
    known: dict[str, Array] = {"image": image}
    for session in sessions:
        for tensor in session.get_inputs():
            if tensor.name == "threshold":
                known["threshold"] = np.full(tensor.shape, NEVER, np.float32)
        feeds = {tensor.name: known[tensor.name] for tensor in session.get_inputs()}
        names = [tensor.name for tensor in session.get_outputs() if tensor.name != "probabilities"]
        known.update(zip(names, session.run(names, feeds), strict=True))


def _profile(files: Sequence[str]) -> Profile:
    """Return what a fast run takes through all sessions: the machine may be shared.

    Fast as a whole, for a short session by itself would find an undisturbed moment more often.
    """
    by_session = [[*_runs(json.loads(Path(file).read_text()))] for file in files]
    runs = [sum(parts, Counter[str]()) for parts in zip(*by_session, strict=True)]
    return Profile({k: float(np.quantile([run[k] for run in runs], _FAST)) for k in KINDS})


def _runs(events: Sequence[Mapping[str, Any]]) -> Iterator[Counter[str]]:
    """Yield the microseconds of each run by kind of work."""
    nodes = [e for e in events if e["cat"] == "Node" and e["name"].endswith("_kernel_time")]
    for whole in (event for event in events if event["name"] == "model_run"):
        end = whole["ts"] + whole["dur"]
        spent: Counter[str] = Counter()
        for node in (one for one in nodes if whole["ts"] <= one["ts"] < end):
            spent[_kind(node["args"]["op_name"])] += node["dur"]
        spent[_DISPATCH] = whole["dur"] - sum(spent.values())
        yield spent


def _kind(operator: str) -> str:
    return next((kind for kind, names in _KINDS.items() if operator in names), _REST)
