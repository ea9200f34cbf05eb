"""Gates: the grammar, what passes, what fails, and what cannot be told."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.gates.grammar import OPERATORS, Figure, Gate, Metric, check, parse
from calexnet.errors import InputError

Numbers = dict[str, Figure]

METRICS: dict[str, Metric[Numbers]] = {
    "p95_ms": Metric("ms", lambda figures, where: figures["p95_ms"], ("batch", "target")),
    "ratio": Metric("", lambda figures, where: figures[where.get("batch", "1")], ("batch",)),
    "top1": Metric("%", lambda figures, where: figures["top1"]),
}


def outcome(text: str, figures: Numbers) -> tuple[bool, str]:
    (found,) = check([parse(text, METRICS)], figures, METRICS)
    assert text == found.gate.text
    return found.failed, found.words


def test_a_gate_is_a_metric_an_operator_and_a_number() -> None:
    assert Gate("p95_ms>8", "p95_ms", None, {}, ">", 8.0) == parse("p95_ms>8", METRICS)
    where = {"batch": "8", "target": "tflite"}
    text = " p95_ms.high [batch = 8, target=tflite] <= -1.5e-3 "
    assert Gate(text.strip(), "p95_ms", "high", where, "<=", -0.0015) == parse(text, METRICS)


@given(st.sampled_from([*OPERATORS]), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_it_fails_if_what_it_says_is_true(sign: str, value: float, limit: float) -> None:
    by_hand = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}[sign]

    failed, _ = outcome(f"top1{sign}{limit!r}", {"top1": Figure(value)})

    assert by_hand(value, limit) == failed


def test_an_end_of_the_interval_can_be_asked_for() -> None:
    figures = {"1": Figure(0.97, 0.94, 1.02)}

    assert (False, "ratio>1: ratio is 0.97 (0.94 to 1.02)") == outcome("ratio>1", figures)
    assert outcome("ratio.high>1", figures)[0]
    assert not outcome("ratio.low>1", figures)[0]


def test_the_row_that_is_asked_for_is_looked_at() -> None:
    figures = {"1": Figure(0.5), "8": Figure(1.5)}

    assert (False, True) == (
        outcome("ratio>1", figures)[0],
        outcome("ratio[batch=8]>1", figures)[0],
    )


def test_what_is_not_known_fails_with_its_reason() -> None:
    figures = {"p95_ms": Figure(None, reason="too few calls"), "top1": Figure(91.0)}

    assert (True, "p95_ms>8: n/a, too few calls") == outcome("p95_ms>8", figures)
    assert (True, "top1.low<90: n/a, top1 has no interval") == outcome("top1.low<90", figures)


@pytest.mark.parametrize(
    "text", ["", "p95_ms", "p95_ms=8", "p95_ms>8ms", ">8", "p95_ms>8>9", "p95_ms > nan", "top1[>3"]
)
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(text, METRICS)

    assert (
        f"a gate cannot be read: got {text!r}; expected for example p95_ms>8, top1_drop>0.5 or "
        "ratio.high[batch=8,threads=1]>=1"
    ) == str(refusal.value)


@pytest.mark.parametrize("where", ["batch", "batch=", "batch=1,batch=2", ","])
def test_a_row_that_cannot_be_read_is_refused(where: str) -> None:
    with pytest.raises(InputError, match=r"^a gate cannot be read: got "):
        parse(f"ratio[{where}]>1", METRICS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed>1", "unknown metric: got 'speed'; expected one of p95_ms, ratio, top1"),
        ("ratio.mid>1", "unknown end of an interval: got 'mid'; expected one of low, high"),
        ("ratio[rate=1]>1", "unknown key in ratio[rate=1]>1: got 'rate'; expected one of batch"),
        ("top1[batch=1]<1", "unknown key in top1[batch=1]<1: got 'batch'; expected none"),
    ],
)
def test_what_is_unknown_is_refused_with_all_that_is_known(text: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(text, METRICS)

    assert message == str(refusal.value)
