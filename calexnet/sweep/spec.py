"""What a cell of a sweep is: a spec that decides its result, a name, a fingerprint.

Names follow one grammar, in this order, so that a listing sorts by method::

    name = "method=" word ",head=" word [",margin=" number] ",seed=" integer *("," option "=" value)

Words and values are percent-encoded (RFC 3986) but for letters, digits and ``_.-~``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from calexnet import registry
from calexnet.data.dataset import Dataset
from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.registry import BUILT_IN_ONLY, Allowed

#: Most file systems take 255 bytes; a stage for writing and a suffix need some of them.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Source:
    """Something read from disk: how to find it here, and the SHA-256 of what is in it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Axes:
    """Where a cell lies in its sweep.

    Attributes:
        method: How the branches are trained.
        head: What they are.
        margin: That of the thresholds while training (or their slack, or price); ``None`` if it is
            not varied, or the rule has none.
        seed: Of the branches' weights and order.
        options: The switches that the sweep sets, as text.
    """

    method: str
    head: str
    margin: float | None
    seed: int
    options: dict[str, str]

    @property
    def name(self) -> str:
        """The name of the cell's files, without suffix.

        Raises:
            InputError: It is too long for a file.
        """
        margin = {} if self.margin is None else {"margin": number(self.margin)}
        parts = {"method": self.method, "head": self.head, **margin, "seed": str(self.seed)}
        pairs = [*parts.items(), *sorted(self.options.items())]
        name = ",".join(f"{_encoded(key)}={_encoded(value)}" for key, value in pairs)
        if len(name) > _LONGEST_NAME:
            raise InputError(
                "the name of a cell is too long for a file",
                got=f"{len(name)} bytes: {name}",
                expected=f"at most {_LONGEST_NAME}",
                fix="Set fewer options in one sweep",
            )
        return name


@dataclass(frozen=True)
class CellSpec:
    """Everything that decides a cell's result.

    Attributes:
        axes: Where it lies in its sweep.
        data: The data set.
        split: Its division; recorded, so that a cell can tell whether it divides alike.
        weights: The trained backbone.
        plan: A `calexnet.training.cascade.CascadePlan` as JSON, with every default spelled out, so
            that a cell trained under other defaults is another cell.
        code: One's own parts among its names -> SHA-256 of their module's file, so that a cell
            trained by other code is another cell.
    """

    axes: Axes
    data: Source
    split: SplitRecord
    weights: Source
    plan: dict[str, Any]
    code: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """A hash of all that matters: where files lie does not."""
        document = schema.encode(self)
        del document["data"]["name"], document["weights"]["name"]
        if not self.code:  # the fingerprint of a cell of built-in parts knows no code
            del document["code"]
        _forget_unset(document["plan"])
        return schema.fingerprint(document)

    @property
    def subject(self) -> str:
        """A hash of what is compared on: cells of one sweep share data, split and backbone."""
        plan = {key: self.plan.get(key) for key in ("backbone", "stem", "attach", "mean", "std")}
        plan["code"] = self.code.get(str(plan["backbone"]))
        return schema.fingerprint(
            [self.data.sha256, schema.encode(self.split), self.weights.sha256, plan]
        )


def _forget_unset(plan: dict[str, Any]) -> None:
    """Take out of a plan what plans had no name for once, where it is not set."""
    if plan.get("head_budget") is None:
        plan.pop("head_budget", None)
    recipe = plan.get("recipe", {})
    if not recipe.get("widths"):
        recipe.pop("widths", None)


def own_parts(plan: Any, allow: Allowed = BUILT_IN_ONLY) -> dict[str, str]:
    """Return one's own parts that a plan names, each with the hash of its code; see `CellSpec`.

    Args:
        plan: As `CellSpec.plan`.
        allow: Whose parts may be imported.

    Raises:
        InputError: A part cannot be found, or may not be imported.
    """
    recipe = plan["recipe"]
    parts = recipe["method"]["name"], recipe["rule"]["name"], recipe["head"], recipe["score"]
    return registry.code_of([plan["backbone"], *parts], allow)


def number(value: float) -> str:
    """Return the shortest text that reads back as `value`: ``0``, ``0.05``."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def hash_of(data: Dataset) -> str:
    """Return the SHA-256 of a data set: its images, labels, classes and keys."""
    digest = hashlib.sha256(repr((data.images.shape, data.classes, data.keys)).encode())
    digest.update(data.images.tobytes() if not data.images.flags.c_contiguous else data.images.data)
    digest.update(data.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _encoded(text: str) -> str:
    return quote(text, safe="")
