"""The words of a run that broke rules: what was found, what does not stand, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from calexnet.bench.report.settled import Settled
from calexnet.bench.report.validity import CLAIMS, Breach, Claim, Rule, Validity, fallen
from calexnet.bench.words.figures import counted, listed, percent, significant, time_against
from calexnet.bench.words.tasks import in_words

#: How many finds of one rule are told; all stand in the table of validity.
_TOLD = 2

CLAIM_WORDS: dict[Claim, str] = {
    "verdict": "the verdict",
    "ratio": "ratios of times",
    "time": "times in ms",
    "percentile": "percentiles",
    "energy": "joules",
}

_REMEDIES: dict[Rule, str] = {
    "emulated processor": "Measure on the processor itself: an emulator's times say nothing of it.",
    "throttling": "Cool the board or give it a stronger supply, or choose a power mode that it can "
    "hold; then run again.",
    "quota": "Give the container more cores (cpu.max; docker's --cpus), or measure with fewer "
    "--threads.",
    "foreign process": "Stop what else runs on the device; then run again.",
    "foreign load": "Stop what else runs here, or bind it to other cores; then run again.",
    "stolen time": "The machine is shared below the operating system: take one of your own, or run "
    "again at a quieter time.",
    "clocks": "Fix the clocks (the governor `performance`; on a Jetson, jetson_clocks); run again.",
    "drift": "Let the machine warm up, or cool down, until it holds its pace (--settle); then run "
    "again, longer: --seconds.",
    "not settled": "Measure for longer (--seconds), until warm-up ends and buffers stop growing.",
    "unsteady pace": "Measure for longer: more --blocks and --seconds, on a machine with nothing "
    "else to do.",
}


def remedy(rule: Rule) -> str:
    """Return what to do if `rule` was broken."""
    return _REMEDIES[rule]


def found(breach: Breach) -> str:
    """Return what was found."""
    where = f"with {counted(breach.threads or 1, 'thread')}"
    value = breach.value or 0.0
    words: dict[Rule, str] = {
        "emulated processor": f"the processor is emulated on one of family {breach.what}",
        "throttling": f"the device was slowed down: {breach.what}",
        "quota": f"a processor quota held the process back {counted(int(value), 'time')}",
        "foreign process": f"another process used the device: {breach.what}",
        "foreign load": f"other processes used {percent(value)} of the cores' time",
        "stolen time": f"the host took away {percent(value)} of the cores' time",
        "clocks": f"the clock of {breach.what} fell by {percent(value)}",
        "unsteady pace": f"{where}, the machine's pace changed so slowly that all rounds of "
        f"measuring tell as much as {value:.1f} on a steady one",
    }
    if breach.rule == "drift":
        took = time_against(value, "the first")
        return f"{where}, the last quarter of the run took {took} for the same work"
    if breach.rule == "not settled" and breach.value is None:
        return "a network had not settled; which one was not recorded"
    if breach.rule == "not settled":
        took = time_against(value, "in the first")
        what = breach.what if breach.task is None else in_words(breach.task)
        return f"{what}, {where}: in the second half of the run {took}"
    return words[breach.rule]


def allowed(breach: Breach) -> str:
    """Return what would have been allowed; nothing where there is no bound to name."""
    if breach.limit is None:
        return ""
    if breach.rule == "quota":
        return "none"
    if breach.rule == "unsteady pace":
        return f"at least {significant(breach.limit, 1)}"
    within = "within" if breach.rule in ("clocks", "drift", "not settled") else "at most"
    return f"{within} {percent(breach.limit)}"


@dataclass(frozen=True)
class Broken:
    """One rule that a run broke, however often: in words, and what to do."""

    rule: Rule
    words: str
    voids: str
    remedy: str


def broken(breaches: Iterable[Breach]) -> tuple[Broken, ...]:
    """Return every rule that was broken, once."""
    same: dict[Rule, list[Breach]] = {}
    for one in breaches:
        same.setdefault(one.rule, []).append(one)
    return tuple(
        Broken(rule, _words(finds), claims(fallen(finds)), remedy(rule))
        for rule, finds in same.items()
    )


def claims(of: Iterable[Claim]) -> str:
    """Return claims in words: ``times in ms, percentiles and joules``."""
    return listed([CLAIM_WORDS[claim] for claim in of])


def standing(validity: Validity) -> str:
    """Return in a sentence what stands and what does not; nothing if all does."""
    gone = validity.fallen
    if not gone:
        return ""
    left = claims(claim for claim in CLAIMS if claim not in gone)
    lost = f"{_upper(claims(gone))} {'does' if gone == ('verdict',) else 'do'} not stand"
    return (
        f"{lost}; {left} {'does' if left == CLAIM_WORDS['verdict'] else 'do'}."
        if left
        else (f"{lost}.")
    )


def settled(found: Settled) -> str:
    """Return what came of waiting for the machine."""
    waited = f"Before that the machine was waited for, {significant(found.seconds)} s"
    if found.pace_change is None:
        return f"{waited}: it was slowed down all the time."
    warmth = (
        "" if found.warmth_change_c is None else f" and its warmth {found.warmth_change_c:.1f} C"
    )
    moved = f"in the last seconds its pace moved by {percent(found.pace_change)}{warmth}"
    return f"{waited}: {moved}{'' if found.held else ', so it had not settled'}."


def _words(same: list[Breach]) -> str:
    told = "; ".join(map(found, same[:_TOLD]))
    more = f"; and {counted(len(same) - _TOLD, 'more find')}" if len(same) > _TOLD else ""
    limit = f" (allowed: {allowed(same[0])})" if allowed(same[0]) else ""
    return f"{told}{more}{limit}."


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
