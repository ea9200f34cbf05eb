"""The backbone of a sweep without weights: trained once, then found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.files.storage import sha256
from calexnet.sweep import backbone
from calexnet.training.cascade import CascadePlan
from calexnet.training.spec import BackboneTraining

PLAN = CascadePlan("resnet8", backbone_training=BackboneTraining(epochs=1))


@pytest.mark.slow
def test_it_is_trained_once(small_data: Dataset, tmp_path: Path) -> None:
    split = divide(small_data, 0)

    first = backbone.trained(PLAN, small_data, "da" * 32, split, tmp_path)
    written = Path(first.name).stat().st_mtime_ns
    second = backbone.trained(PLAN, small_data, "da" * 32, split, tmp_path)

    assert first == second
    assert first.sha256 == sha256(Path(first.name).read_bytes())
    assert written == Path(first.name).stat().st_mtime_ns


@pytest.mark.parametrize("damage", ["training", "data", "weights", "record"])
def test_one_of_another_training_or_a_damaged_one_is_not_used(
    small_data: Dataset, tmp_path: Path, damage: str
) -> None:
    split = divide(small_data, 0)
    first = backbone.trained(PLAN, small_data, "da" * 32, split, tmp_path)
    plan, data = PLAN, "da" * 32
    if damage == "training":
        plan = replace(PLAN, backbone_training=BackboneTraining(epochs=1, seed=1))
    elif damage == "data":
        data = "ad" * 32
    else:
        name = {"weights": "backbone.safetensors", "record": "backbone.json"}[damage]
        (tmp_path / "backbone" / name).write_bytes(b"{}")

    again = backbone.trained(plan, small_data, data, split, tmp_path)

    assert again.sha256 == sha256(Path(again.name).read_bytes())
    assert (damage != "training") == (first.sha256 == again.sha256)


def test_a_network_that_cannot_be_a_cascade_is_not_trained(
    small_data: Dataset, tmp_path: Path
) -> None:
    plan = replace(PLAN, attach=("layer2", "layer1"))

    with pytest.raises(
        InputError, match=r"^the attach points are out of order: got layer2, layer1"
    ):
        backbone.trained(plan, small_data, "da" * 32, divide(small_data, 0), tmp_path)

    assert [] == list(tmp_path.iterdir())
