"""The manifest of a model cascade, and what one cannot be exported as."""

from __future__ import annotations

from dataclasses import replace

from calexnet import manifest
from calexnet.costs import Macs
from calexnet.errors import InputError
from calexnet.export.settings import OWN_CONVERTER
from calexnet.images.preprocessing import InputForm
from calexnet.manifest import NETWORK, BranchRecord, Manifest, ModelRecord, Provenance
from calexnet.models import ModelCascade, ModelCascadeSpec
from calexnet.registry import Part

#: In the place of a method of training: nothing was trained.
METHOD = "networks"


def refuse_unfit(cascade: ModelCascade, input: InputForm, converter: str, cut: int | None) -> None:
    """Do nothing if whole networks can be exported so.

    Raises:
        InputError: They cannot.
    """
    if input != "uint8":
        raise InputError(
            "whole networks are fed raw images",
            got=f"--input {input}",
            expected="uint8, since each has a normalisation and a size of its own",
            fix="Leave out --input",
        )
    if converter != OWN_CONVERTER:
        raise InputError(
            f"--converter {converter} converts torch's modules",
            got="a cascade of whole networks, which are graphs",
            fix="Leave out --converter",
        )
    if cut is not None:
        raise InputError(
            "--cut is for a network with branches",
            got=f"the networks {', '.join(one.name for one in cascade.spec.models)}",
            fix="Export a cascade of the networks that are wanted; one alone is a file of its own",
        )


def content(cascade: ModelCascade, macs: Macs, provenance: Provenance) -> Manifest:
    """Return the manifest of `cascade`, with nothing compiled yet."""
    spec = cascade.spec
    return Manifest(
        schema=manifest.SCHEMA,
        backbone=spec.models[-1].name,
        classes=spec.classes,
        preprocessing=spec.preprocessing,
        branches=_branches(spec),
        compiled=(),
        operating_points=spec.operating_points,
        default_operating_point=spec.default_operating_point,
        method=Part(METHOD),
        rule=spec.rule,
        macs=macs,
        split=spec.split,
        provenance=replace(provenance, models=_records(spec)),
        cuts=spec.cuts,
    )


def _branches(spec: ModelCascadeSpec) -> tuple[BranchRecord, ...]:
    networks = [BranchRecord(one.name, NETWORK, one.parameters) for one in spec.small]
    own = [BranchRecord(b.attach, b.head, b.parameters) for b in spec.models[-1].branches]
    return (*networks, *own)


def _records(spec: ModelCascadeSpec) -> tuple[ModelRecord, ...]:
    average = spec.average
    return tuple(
        ModelRecord(
            one.name,
            one.sha256,
            one.licence,
            one.preprocessing,
            None if average is None else average.temperatures[k],
            None if average is None else average.weights[k],
        )
        for k, one in enumerate(spec.models)
    )
