"""May two reports be compared: what must be the same, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from calexnet.bench.report.document import Report
from calexnet.bench.report.validity import CLAIMS, Claim
from calexnet.errors import InputError, MeasurementError

_PROVIDER, _INVALID = "provider", "invalid"
_VALID = "valid"


@dataclass(frozen=True)
class Difference:
    """What two reports do not share; `kind` is one of `ACROSS`."""

    kind: str
    a: str
    b: str

    @property
    def words(self) -> str:
        """Return ``threads: 1, 4 against 1``."""
        return f"{self.kind}: {self.a} against {self.b}"


def _device(report: Report) -> str:
    found = report.device
    board = f", {found.board}" if found.board else ""
    return f"{found.name}, {found.model}{board}, {found.cores} cores"


def _clocks(report: Report) -> str:
    """Return who chooses the clocks, within which limits; not what they happened to be."""
    words = [f"mode {report.device.power_mode}"] if report.device.power_mode else []
    for clock in report.device.state.clocks:
        limits = [f"{mhz:.0f}" for mhz in (clock.low_mhz, clock.high_mhz) if mhz is not None]
        governor = clock.governor or report.validity.conditions.governors.get(clock.name)
        said = [f"{' to '.join(limits)} MHz"] if limits else []
        if said or governor:
            words.append(" ".join([clock.name, *said, *([governor] if governor else [])]))
    return "; ".join(words) or "unknown"


def _threads(report: Report) -> str:
    return ", ".join(map(str, sorted({row.threads for row in report.samples}))) or "none"


def _rails(report: Report) -> str | None:
    """Return which sensor's rails make up the joules; ``None`` where nothing was measured."""
    source = report.energy_method.source if report.energy_method else None
    if source is None:
        return None
    return f"{source.name}, {source.total} of {', '.join(source.rails) or 'one rail'}"


def _images(report: Report) -> str:
    data = report.data
    name = f"{data.samples} images, {data.part} part"
    return f"{name}, {data.sha256[:12]}" if data.sha256 else f"{name}, {data.source}"


def _load(report: Report) -> str:
    return f"{report.provenance.load} load by the {report.provenance.clock} clock"


#: What must be the same, or be named in ``--across`` -> what it is in a report; ``None`` there
#: says that nothing hangs on it.
KINDS: dict[str, Callable[[Report], str | None]] = {
    "device": _device,
    "clocks": _clocks,
    "threads": _threads,
    "rails": _rails,
    "images": _images,
    "load": _load,
}

#: What ``--across`` takes.
ACROSS = (*KINDS, _PROVIDER, _INVALID)


def differences(a: Report, b: Report, claims: Collection[Claim] = CLAIMS) -> tuple[Difference, ...]:
    """Return all that stands between two reports of which these claims are compared."""
    found = [Difference(kind, *pair) for kind, pair in _pairs(a, b).items() if pair[0] != pair[1]]
    found += _other_providers(a.provenance.providers, b.provenance.providers)
    judged = _judged(a, claims), _judged(b, claims)
    if judged != (_VALID, _VALID):
        found.append(Difference(_INVALID, *judged))
    return tuple(found)


def _pairs(a: Report, b: Report) -> dict[str, tuple[str, str]]:
    pairs = {}
    for kind, of in KINDS.items():
        one, other = of(a), of(b)
        if one is not None and other is not None:
            pairs[kind] = one, other
    return pairs


def _other_providers(a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    """Return the back ends by which a build ran, where both ran it by another."""
    both = [build for build in a if b.get(build, a[build]) != a[build]]
    if not both:
        return []
    one, other = (", ".join(f"{build} by {of[build]}" for build in both) for of in (a, b))
    return [Difference(_PROVIDER, one, other)]


def _judged(report: Report, claims: Collection[Claim]) -> str:
    """Return which rules were broken that void one of `claims`."""
    rules = dict.fromkeys(
        breach.rule for breach in report.validity.breaches if {*breach.voids} & {*claims}
    )
    return f"invalid ({', '.join(rules)})" if rules else _VALID


def refuse(found: Collection[Difference], across: Collection[str]) -> None:
    """Do nothing unless there is a difference that `across` does not name.

    Raises:
        InputError: There is; or `across` names what there is not.
        MeasurementError: There is nothing but an invalid run.
    """
    for kind in across:
        if kind not in ACROSS:
            raise InputError(
                "unknown --across", got=repr(kind), expected=f"one of {', '.join(ACROSS)}"
            )
    left = [one for one in found if one.kind not in across]
    if not left:
        return
    error = MeasurementError if all(one.kind == _INVALID for one in left) else InputError
    raise error(
        "these reports do not compare",
        got="; ".join(one.words for one in left),
        expected="two valid runs that share all of this",
        fix="Measure both in the same way, or, if you know what that means, add "
        + " ".join(f"--across {one.kind}" for one in left),
    )
