"""What a report holds of the decision: every network that could be shipped, and which one to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calexnet.bench.report.interval import Interval
from calexnet.certify import Counts, Outcome, p_value
from calexnet.manifest import SEGMENTS

#: What can be shipped; the last two are rivals that the user named. A cut network ends after a
#: stage, with the head there and no gate.
Kind = Literal["plain", "cascade", "cut network", "smaller model", "other cascade"]
#: What the bundle itself holds.
OWN: tuple[Kind, ...] = ("plain", "cascade", "cut network")

#: What became of a network: see `calexnet.certify`; or it is what the others are held against, or
#: it was not tested because one that is surer to keep the accuracy is faster too.
Standing = Literal["reference", "no use"] | Outcome


@dataclass(frozen=True)
class ByGroup:
    """What the test says of a network where images belong together, chain or not.

    Attributes:
        groups: How many there are on the test part.
        p: The p-value of their mean drop.
        upper: What a group loses in the mean at most, with confidence 1 - alpha of the chain.
        needed: How many groups like these would tell; ``None`` if no number of them.
    """

    groups: int
    p: float
    upper: float
    needed: int | None


@dataclass(frozen=True)
class Certificate:
    """Whether a network keeps the accuracy, and how that was tested.

    Attributes:
        standing: What became of it.
        rank: Its place in its chain, from 1; ``None`` if it is in none.
        alpha: Of its chain: with at most this probability any that passed loses more.
        calibration: Against the reference on the calibration part; ``None`` if nobody knows.
        test: Against the reference on the test part.
        p: The p-value there; ``None`` if it was not tested.
        upper: Share of accuracy that it loses at most, with confidence 1 - `alpha`; ``None``
            likewise.
        by_group: Of images that belong together: by this it was tested, and not by `test`.
    """

    standing: Standing
    rank: int | None
    alpha: float
    calibration: Counts | None
    test: Counts
    p: float | None = None
    upper: float | None = None
    by_group: ByGroup | None = None

    def p_alone(self, max_drop: float) -> float:
        """Return the p-value on the test part, whether or not its chain came so far."""
        return p_value(self.test, max_drop) if self.by_group is None else self.by_group.p


@dataclass(frozen=True)
class ClassDrop:
    """The class that loses most.

    Attributes:
        name: Of the class.
        images: Of it, on the test part.
        drop: Accuracy of the reference on these less this; its interval holds for all classes at
            once, as the worst of them was looked for.
    """

    name: str
    images: int
    drop: Interval


@dataclass(frozen=True)
class Alternative:
    """One network that could be shipped, at batch 1 on one thread, all timed in the same blocks.

    Attributes:
        name: In words that tell it from the others.
        kind: The backbone alone, the cascade at one operating point, a cut network, or a rival.
        target: Of the bundle, or the rival's runtime.
        precision: Of the bundle, or of the rival.
        operating_point: Of a cascade.
        accuracy: On the test part.
        balanced: Mean over the classes of the accuracy on each.
        drop: Accuracy of the reference, plain at the first precision of the bundle, less this.
        worst_class: The class that loses most.
        ms: An image.
        ratio: `ms` over that of the fastest plain network of all targets and precisions.
        certificate: Whether it keeps the accuracy; `balanced`, `worst_class` and this are ``None``
            where an older version did not record them.
        cut: Of a cut network: the stage that it ends with, from 1.
        layout: Of the bundle's graphs; ``if`` is the cascade in one file.
    """

    name: str
    kind: Kind
    target: str
    precision: str
    operating_point: str | None
    accuracy: Interval
    balanced: float | None
    drop: Interval
    worst_class: ClassDrop | None
    ms: float
    ratio: Interval
    certificate: Certificate | None
    cut: int | None = None
    layout: str = SEGMENTS

    def keeps(self, max_drop: float) -> bool | None:
        """Tell whether it loses at most `max_drop`: ``None`` where that is not sure."""
        if self.certificate is None:
            sure = self.drop.high <= max_drop  # as it was told before there were certificates
        else:
            sure = self.certificate.standing in ("reference", "passed")
        if sure:
            return True
        return False if self.drop.low > max_drop else None


@dataclass(frozen=True)
class Decision:
    """What to ship, at batch 1 on one thread.

    Attributes:
        choice: What kind of network, ``unclear`` if the intervals of times do not decide.
        name: Of the network, of the likeliest one if it is unclear.
        max_drop: Share of accuracy that may be lost, 0..1.
        against: Name of the best network of another kind.
        ratio: Time of `name` over that of `against`, from blocks that had no part in picking it;
            ``None`` if nothing else keeps the accuracy.
        blocks: How many picked, and how many the ratio is from; ``None`` where an older version
            took the same for both.
        doubt: Name of the fastest that is faster still, and may keep the accuracy.
        needed: How many test images, or groups of them, would tell of it, if they are like these;
            ``None`` if none.
        lossy: Name of the most accurate that is faster still, and surely loses more.
        features: Instruction sets of the processor whose answers were tested; with the target,
            precision and the versions of the report, what a certificate is of.
    """

    choice: Literal[Kind, "unclear"]
    name: str
    max_drop: float
    against: str | None
    ratio: Interval | None
    blocks: tuple[int, int] | None
    doubt: str | None = None
    needed: int | None = None
    lossy: str | None = None
    features: tuple[str, ...] = ()
