"""Features: computed once, in order, into files on disk that are known to fit."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calexnet import features
from calexnet.backbones import BackboneSpec, build
from calexnet.backbones.frozen import FrozenBackbone
from calexnet.features import Features
from calexnet.heads.linear import LinearHead
from calexnet.heads.prototype import PrototypeHead
from calexnet.preprocessing import Preprocessing

COUNT = 11
PREPROCESSING = Preprocessing(16, 16, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@dataclass
class Setting:
    """A backbone whose passes are counted, two heads, and images that all differ."""

    backbone: FrozenBackbone
    heads: tuple[PrototypeHead, LinearHead]
    images: NDArray[np.uint8]
    truth: NDArray[np.int64]
    passes: list[int] = field(default_factory=list)

    def compute(self, folder: Path) -> Features:
        return features.compute(
            self.backbone, self.heads, self.images, self.truth, PREPROCESSING, folder, "train"
        )


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(features, "BATCH", 4)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    setting = Setting(
        FrozenBackbone(build(BackboneSpec("resnet8", 4)), ("conv1", "layer2")),
        (PrototypeHead((16, 16, 16), 4), LinearHead((32, 8, 8), 4)),
        random.integers(0, 256, (COUNT, 16, 16, 3), dtype=np.uint8),
        random.integers(0, 4, COUNT),
    )

    def count(module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        setting.passes.append(len(inputs[0]))

    setting.backbone.network.register_forward_pre_hook(count)
    return setting


def test_features_equal_one_direct_pass_in_the_same_order(setting: Setting, tmp_path: Path) -> None:
    part = setting.compute(tmp_path)

    with torch.inference_mode():
        inputs = torch.from_numpy(PREPROCESSING.normalise(setting.images))
        *maps, logits = setting.backbone(inputs)
        expected = [h.reduce(m).numpy() for h, m in zip(setting.heads, maps, strict=True)]
    assert [(COUNT, 16, 8, 8), (COUNT, 32)] == [store.shape for store in part.reduced]
    for wanted, store in zip(expected, part.reduced, strict=True):
        np.testing.assert_allclose(store, wanted, atol=1e-5)
    np.testing.assert_allclose(part.logits, logits.numpy(), atol=1e-5)
    assert np.array_equal(setting.truth, part.truth)
    assert COUNT == len(part)


def test_every_image_passes_the_backbone_once(setting: Setting, tmp_path: Path) -> None:
    setting.compute(tmp_path)

    assert [4, 4, 3] == setting.passes


def test_reduced_features_are_float32_files_of_just_their_size(
    setting: Setting, tmp_path: Path
) -> None:
    part = setting.compute(tmp_path)

    assert {"train-0.f32", "train-1.f32"} == {path.name for path in tmp_path.iterdir()}
    for k, store in enumerate(part.reduced):
        assert isinstance(store, np.memmap)
        assert np.float32 == store.dtype
        store.flush()
        on_disk = np.fromfile(tmp_path / f"train-{k}.f32", dtype=np.float32)
        assert np.array_equal(on_disk, store.ravel())


def test_a_full_disk_is_met_before_the_first_pass(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def full(stream: int, start: int, size: int) -> None:
        asked.append(size)
        if len(asked) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)

    with pytest.raises(OSError, match="No space left on device"):
        setting.compute(tmp_path)

    assert [COUNT * 16 * 8 * 8 * 4, COUNT * 32 * 4] == asked
    assert [] == setting.passes
