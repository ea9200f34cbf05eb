"""Gates: ``--fail-if "p95_ms>8"`` and the small grammar behind it.

::

    gate     = metric [ "." end ] [ "[" key "=" word { "," key "=" word } "]" ] operator number
    end      = "low" | "high"                        of the metric's 95 % interval
    key      = "target" | "precision" | "network" | "batch" | "threads"
    operator = ">" | ">=" | "<" | "<="

A gate fails if what it says is true, or cannot be told: a metric that is n/a fails its gate, with
the reason. It looks at the estimate unless it names an end: ``ratio.high>1`` fails unless the
cascade is surely faster, ``ratio.low>1`` only if it is surely slower.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from calexnet.bench.report.validity import Claim
from calexnet.errors import InputError

Subject = TypeVar("Subject")

#: What a gate may say of the row that it looks at.
KEYS = ("target", "precision", "network", "batch", "threads")
ENDS = ("low", "high")
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_GATE = re.compile(
    r"\s*(?P<metric>\w+)(?:\.(?P<end>\w+))?\s*(?:\[(?P<where>[^\]]*)\])?"
    r"\s*(?P<operator>>=|<=|>|<)\s*(?P<limit>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
)
_EXAMPLE = "for example p95_ms>8, top1_drop>0.5 or ratio.high[batch=8,threads=1]>=1"

#: The row that a gate chose: some of `KEYS`, as words.
Where = Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """What a metric comes to; without a value, why.

    Attributes:
        value: The estimate.
        low: Lower end of its interval, if it has one.
        high: Upper end.
        reason: Why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Metric(Generic[Subject]):
    """Something to put a gate on.

    Attributes:
        meaning: In a few words, its unit among them.
        figure: What it comes to, at the row that is asked for.
        keys: By which of `KEYS` a row can be asked for.
        claim: Of a report, that it rests on; ``None`` = counted, not timed.
    """

    meaning: str
    figure: Callable[[Subject, Where], Figure]
    keys: tuple[str, ...] = ()
    claim: Claim | None = None


@dataclass(frozen=True)
class Gate:
    """A gate as it was read.

    Attributes:
        text: As it was written.
        metric: A name.
        end: ``low`` or ``high`` of its interval, ``None`` = the estimate.
        where: The row to look at; what is not said is the metric's choice.
        operator: One of `OPERATORS`.
        limit: What it is compared with.
    """

    text: str
    metric: str
    end: str | None
    where: Where
    operator: str
    limit: float


@dataclass(frozen=True)
class Outcome:
    """What came of a gate; `words` says it in a line."""

    gate: Gate
    failed: bool
    words: str


def parse(text: str, metrics: Mapping[str, Metric[Subject]]) -> Gate:
    """Return the gate that `text` writes, about one of `metrics`.

    Raises:
        InputError: It is no gate, or names an unknown metric, end or key.
    """
    found = _GATE.fullmatch(text)
    if found is None:
        raise InputError("a gate cannot be read", got=repr(text), expected=_EXAMPLE)
    _refuse_unknown("metric", found["metric"], metrics)
    if found["end"] is not None:
        _refuse_unknown("end of an interval", found["end"], ENDS)
    where = _where(found["where"], text, metrics[found["metric"]].keys)
    return Gate(
        text.strip(), found["metric"], found["end"], where, found["operator"], float(found["limit"])
    )


def check(
    gates: Sequence[Gate], subject: Subject, metrics: Mapping[str, Metric[Subject]]
) -> tuple[Outcome, ...]:
    """Return what comes of every gate on `subject`."""
    return tuple(_check(gate, metrics[gate.metric].figure(subject, gate.where)) for gate in gates)


def report(outcomes: Sequence[Outcome]) -> int:
    """Print what came of every gate; return the command's exit code, 1 if one failed."""
    for outcome in outcomes:
        print(f"{'FAILED' if outcome.failed else 'passed'}  {outcome.words}")
    return int(any(outcome.failed for outcome in outcomes))


def _check(gate: Gate, figure: Figure) -> Outcome:
    value = {"low": figure.low, "high": figure.high}.get(gate.end or "", figure.value)
    if value is None:
        reason = figure.reason or f"{gate.metric} has no interval"
        return Outcome(gate, True, f"{gate.text}: n/a, {reason}")
    failed = OPERATORS[gate.operator](value, gate.limit)
    return Outcome(gate, failed, f"{gate.text}: {gate.metric} is {_words(figure)}")


def _words(figure: Figure) -> str:
    value = f"{figure.value:.4g}"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} ({figure.low:.4g} to {figure.high:.4g})"


def _where(text: str | None, gate: str, keys: Sequence[str]) -> dict[str, str]:
    where: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        key, equals, word = (piece.strip() for piece in part.partition("="))
        if not equals or not word or key in where:
            raise InputError("a gate cannot be read", got=repr(gate), expected=_EXAMPLE)
        _refuse_unknown(f"key in {gate.strip()}", key, keys)
        where[key] = word
    return where


def _refuse_unknown(kind: str, name: str, known: Mapping[str, object] | Sequence[str]) -> None:
    if name not in known:
        expected = f"one of {', '.join(known)}" if known else "none"
        raise InputError(f"unknown {kind}", got=repr(name), expected=expected)
