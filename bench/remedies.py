"""What to do about a run that broke the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from calexnet.bench.figures import counted
from calexnet.bench.validity_records import Breach

#: How many finds of one rule are told; all stand in the table of validity.
_TOLD = 2

_REMEDIES: dict[str, str] = {
    "throttling": "Cool the board or give it a stronger supply, or choose a power mode that it can "
    "hold; then run again.",
    "foreign load": "Stop what else runs here, or bind it to other cores; then run again.",
    "stolen time": "The machine is shared below the operating system: take one of your own, or run "
    "again at a quieter time.",
    "clocks": "Fix the clocks (the governor `performance`; on a Jetson, jetson_clocks); run again.",
    "drift": "Let the machine warm up, or cool down, until it holds its pace; then run again, "
    "longer: --seconds.",
    "not settled": "Measure for longer (--seconds), until warm-up ends and buffers stop growing.",
    "unsteady pace": "Measure for longer: more --blocks and --seconds, on a machine with nothing "
    "else to do.",
}
_ANY = "Run again on a machine with nothing else to do."


def remedy(rule: str) -> str:
    """Return what to do if `rule` was broken."""
    return _REMEDIES.get(rule, _ANY)


@dataclass(frozen=True)
class Broken:
    """One rule that a run broke, however often: in words, and what to do."""

    rule: str
    words: str
    remedy: str


def broken(breaches: Iterable[Breach]) -> tuple[Broken, ...]:
    """Return every rule that was broken, once."""
    found: dict[str, list[Breach]] = {}
    for one in breaches:
        found.setdefault(one.rule, []).append(one)
    return tuple(Broken(rule, _words(same), remedy(rule)) for rule, same in found.items())


def _words(same: list[Breach]) -> str:
    told = "; ".join(one.found for one in same[:_TOLD])
    more = f"; and {counted(len(same) - _TOLD, 'more find')}" if len(same) > _TOLD else ""
    limit = f" (allowed: {same[0].limit})" if same[0].limit else ""
    return f"{told}{more}{limit}."
