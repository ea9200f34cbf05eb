"""A choice as facts, made by hand: small, and with everything in it that words speak of."""

from __future__ import annotations

from dataclasses import replace

from calexnet.bench.report.interval import Interval
from calexnet.certify import Counts
from calexnet.choosing.choice import (
    SCHEMA,
    Asked,
    Candidate,
    Choice,
    Contender,
    DataRecord,
    Figure,
    NetworkRecord,
)
from calexnet.choosing.limits import parse
from calexnet.choosing.pool import Chain, Exit

PLAIN: Chain = (Exit("net"),)
CUT: Chain = (Exit("net", "layer1", "strided"),)
CASCADE: Chain = (*CUT, Exit("net", "layer2", "linear"), *PLAIN)
EQUAL = Counts(1000, 0, 0)


def contender(chain: Chain, ratio: float, **changes: object) -> Contender:
    """Return a contender that was not tested, its time `ratio` of plain's 2 ms."""
    one = Contender(
        chain=chain,
        target="onnxruntime",
        precision="fp32",
        point=None,
        predicted=100 * ratio,
        ms=2 * ratio,
        ratio=Interval(ratio, 0.9 * ratio, 1.1 * ratio),
        objective=ratio,
        figures=(Figure("p95_ms<=3", 2.5 * ratio, True),),
        calibration=EQUAL,
        test=EQUAL,
        standing="no use",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def sample_choice() -> Choice:
    """Return a choice of a cascade: the cut network costs less and failed its test."""
    cascade = contender(
        CASCADE,
        0.5,
        point="drop-1",
        predicted=45.0,
        calibration=Counts(1000, 2, 3),
        test=Counts(1000, 4, 2),
        standing="passed",
        p=0.001,
        upper=0.0071,
    )
    cut = contender(
        CUT,
        0.4,
        calibration=Counts(1000, 9, 1),
        test=Counts(1000, 14, 1),
        standing="failed",
        p=0.7,
        upper=0.021,
    )
    return Choice(
        schema=SCHEMA,
        asked=Asked(("net",), "ms", 0.01, (parse("p95_ms<=3"),), (), "quick", "calexnet choose"),
        data=DataRecord("photos", 5000, 1000, 1000, "0" * 64),
        networks=(NetworkRecord("net", ("layer1", "layer2"), 100),),
        reference="net",
        reference_right=912,
        unit="macs",
        candidates=(
            Candidate(CASCADE, 0.1, 45.0, Counts(1000, 2, 3), (0.6, 0.2, 0.2), True, "fp32"),
            Candidate(CUT, None, 40.0, Counts(1000, 9, 1), (1.0,), True, "fp32"),
            Candidate(PLAIN, None, 100.0, EQUAL, (1.0,), True, "fp32"),
        ),
        contenders=(contender(PLAIN, 1.0, standing="reference"), cascade, cut),
        chosen=1,
        needed=4000,
        alpha=0.05,
        fallen=(),
        machine=("a processor",),
        versions={"calexnet": "1"},
        seconds=10.0,
    )
