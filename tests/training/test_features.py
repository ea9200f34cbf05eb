"""Features: computed once, in order, into files on disk that are known to fit."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import StorageError
from calexnet.images.preprocessing import Preprocessing
from calexnet.training import features
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.frozen import FrozenBackbone
from calexnet.training.features import Features
from calexnet.training.heads.base import Head
from calexnet.training.heads.linear import LinearHead
from calexnet.training.heads.prototype import PrototypeHead
from calexnet.training.heads.strided import StridedHead

COUNT = 11
PREPROCESSING = Preprocessing(16, 16, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@dataclass
class Setting:
    """A backbone whose passes are counted, two heads, and images that all differ."""

    backbone: FrozenBackbone
    heads: tuple[Head, LinearHead]
    images: NDArray[np.uint8]
    truth: NDArray[np.int64]
    passes: list[int] = field(default_factory=list)

    def compute(self, folder: Path) -> Features:
        # Among others, and in another order than theirs.
        count = len(self.images)
        data = data_of(
            np.concatenate([self.images, self.images])[::-1], np.tile(self.truth, 2)[::-1]
        )
        rows = np.arange(count)[::-1]
        return features.compute(
            self.backbone, self.heads, data, rows, PREPROCESSING, folder, "train"
        )


def data_of(images: NDArray[np.uint8], truth: NDArray[np.int64]) -> Dataset:
    keys = tuple(map(str, range(len(images))))
    return Dataset("noise", images, truth, ("a", "b", "c", "d"), keys)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(features, "BATCH", 4)
    monkeypatch.setattr(features, "_PROBES", 3)
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

    names = sorted(path.name.rsplit("-", 1)[0] for path in tmp_path.iterdir())
    assert ["train-conv1", "train-layer2", "train-logits"] == names
    for store, name in zip(part.reduced, ("conv1", "layer2"), strict=True):
        assert isinstance(store, np.memmap)
        assert np.float32 == store.dtype
        (path,) = tmp_path.glob(f"train-{name}-*.npy")
        assert store.nbytes <= path.stat().st_size <= store.nbytes + 128
        assert np.array_equal(np.load(path), store)


def test_features_that_are_there_are_not_computed_again(setting: Setting, tmp_path: Path) -> None:
    first = setting.compute(tmp_path)
    passes = list(setting.passes)

    again = setting.compute(tmp_path)

    assert [*passes, 3] == setting.passes  # the probes
    assert np.array_equal(first.logits, again.logits)
    for one, other in zip(first.reduced, again.reduced, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("change", ["weights", "images", "preprocessing"])
def test_features_of_something_else_are_not_used(
    setting: Setting, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.compute(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    if change == "weights":
        with torch.no_grad():
            next(setting.backbone.network.parameters()).add_(1.0)
    elif change == "images":
        setting.images[0, 0, 0, 0] ^= 1
    else:
        other = Preprocessing(
            PREPROCESSING.height, PREPROCESSING.width, (0.1,) * 3, PREPROCESSING.std
        )
        monkeypatch.setattr("tests.training.test_features.PREPROCESSING", other)

    setting.compute(tmp_path)

    assert 2 * len(files) == len({path.name for path in tmp_path.iterdir()})


def test_networks_that_differ_in_what_has_no_weights_do_not_share_features(tmp_path: Path) -> None:
    networks = [build(BackboneSpec("resnet18", 4, stem)) for stem in ("3x3", "3x3+pool")]
    networks[1].load_state_dict(networks[0].state_dict())
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    side = {"3x3": 16, "3x3+pool": 8}

    def computed(folder: str, stem: str) -> Features:
        backbone = FrozenBackbone(networks[list(side).index(stem)], ("layer1",))
        head = LinearHead((64, side[stem], side[stem]), 4)
        data = data_of(images, np.zeros(len(images), np.int64))
        rows = np.arange(len(images))
        return features.compute(
            backbone, [head], data, rows, PREPROCESSING, tmp_path / folder, "train"
        )

    first, second = computed("shared", "3x3"), computed("shared", "3x3+pool")

    assert not np.allclose(first.logits, second.logits)
    alone = computed("alone", "3x3+pool")
    assert np.array_equal(alone.logits, second.logits)
    assert np.array_equal(alone.reduced[0], second.reduced[0])
    assert np.array_equal(first.logits, computed("shared", "3x3").logits)


def test_features_of_other_code_with_the_same_modules_are_replaced(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = setting.compute(tmp_path)
    network = setting.backbone.network
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda images: forward(images.flip(3)))
    files = {path.name for path in tmp_path.iterdir()}

    after = setting.compute(tmp_path)

    assert files == {path.name for path in tmp_path.iterdir()}
    assert not np.allclose(before.logits, after.logits)
    passes = len(setting.passes)
    assert np.array_equal(after.logits, setting.compute(tmp_path).logits)
    assert passes + 1 == len(setting.passes)


def test_sums_in_another_order_are_the_same_features(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = setting.compute(tmp_path)
    network = setting.backbone.network
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda images: forward(images) * (1 + 1e-5))

    after = setting.compute(tmp_path)

    assert np.array_equal(before.logits, after.logits)


def test_rows_that_were_read_do_not_stay_in_memory(tmp_path: Path) -> None:
    """What is mapped counts as resident once it was read, and would grow with the set."""
    shape = (512, 32, 8, 8)  # 4 MiB
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random(shape, np.float32))
    store = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.random.default_rng(0).permutation(len(store))

    kept = store[rows]
    before = resident_kib(tmp_path / "x.npy")
    read = features.tensor(store, rows)

    assert before > 3 * 1024
    assert resident_kib(tmp_path / "x.npy") < 128
    assert np.array_equal(kept, read.numpy())
    assert np.array_equal(kept[:3], features.tensor(store, rows[:3]).numpy())
    assert np.array_equal(kept, features.tensor(np.array(store), rows).numpy())


def resident_kib(path: Path) -> int:
    """Return how much of a mapped file this process has in memory."""
    smaps = Path("/proc/self/smaps")
    if not smaps.exists():
        pytest.skip("the system does not say what is resident")
    _, _, mine = smaps.read_text().rpartition(str(path))
    return int(re.search(r"^Rss: +(\d+) kB", mine, re.MULTILINE)[1])  # type: ignore[index]


def test_a_damaged_file_is_computed_again(setting: Setting, tmp_path: Path) -> None:
    whole = np.array(setting.compute(tmp_path).reduced[1])
    (path,) = tmp_path.glob("train-layer2-*.npy")
    path.write_bytes(path.read_bytes()[:-4])

    again = setting.compute(tmp_path)

    assert np.array_equal(whole, again.reduced[1])


def test_heads_that_keep_the_same_share_their_features(setting: Setting, tmp_path: Path) -> None:
    setting.compute(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    passes = len(setting.passes)

    setting.heads = (StridedHead((16, 16, 16), 4), LinearHead((32, 8, 8), 4))
    setting.compute(tmp_path)

    assert files == {path.name for path in tmp_path.iterdir()}
    assert passes + 1 == len(setting.passes)  # the probes


def test_a_head_that_keeps_something_else_does_not_find_others_features(
    setting: Setting, tmp_path: Path
) -> None:
    class Loudest(LinearHead):
        def reduce(self, features: torch.Tensor) -> torch.Tensor:
            return features.amax((2, 3))

    setting.compute(tmp_path)
    setting.heads = (setting.heads[0], Loudest((32, 8, 8), 4))

    part = setting.compute(tmp_path)

    assert 4 == len(list(tmp_path.iterdir()))
    inputs = torch.from_numpy(PREPROCESSING.normalise(setting.images))
    with torch.inference_mode():
        *_, late, _ = setting.backbone(inputs)
    np.testing.assert_allclose(part.reduced[1], late.amax((2, 3)), atol=1e-5)


def test_large_images_come_fewer_at_a_time(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_SIDE", 12)  # of images of 16: 4 * 144 / 256

    setting.compute(tmp_path)

    assert [2, 2, 2, 2, 2, 1] == setting.passes


def test_features_that_do_not_fit_on_the_disk_are_refused_before_the_first_pass(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=20_000))

    # 4 bytes of 11 images: 16 x 8 x 8, 32 and 4 numbers.
    with pytest.raises(
        StorageError,
        match=r"^the features do not fit on the disk: got 46\.6 kB, most of it of conv1; "
        rf"expected at most 20 kB, which is free in {tmp_path}\. Name another place with "
        r"--cache DIR, or take smaller images, fewer of them, branches further back, or --head ",
    ):
        setting.compute(tmp_path)
    assert [] == setting.passes

    both = ("conv1", "layer2"), setting.heads
    # 4 bytes of 4 images, 1024 + 32 numbers each.
    assert features.require_room(*both, 4, tmp_path / "new" / "cache") == 4 * 4 * (1024 + 32)
    with pytest.raises(
        StorageError, match=r"got 21\.1 kB, most of it of conv1; expected at most 20"
    ):
        features.require_room(*both, 5, tmp_path / "new" / "cache")
    (tmp_path / "train-conv1-earlier.npy").write_bytes(bytes(2000))
    features.require_room(*both, 5, tmp_path)


def test_what_takes_long_is_foretold_after_the_first_batch(
    setting: Setting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    setting.compute(tmp_path / "short")
    assert "about" not in capsys.readouterr().err
    clock = iter(range(0, 10**6, 48))
    monkeypatch.setattr(features, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    setting.compute(tmp_path / "long")

    # 48 s for the first 4 of 11, which take 4 / 11 of the 46.6 kB.
    assert capsys.readouterr().err.splitlines()[0] == (
        "features of the train part: 11 images, about 2 min, 46.6 kB in "
        f"{tmp_path / 'long'}, no more than 17 kB of it in memory"
    )


def test_a_full_disk_is_met_before_the_first_pass(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def full(stream: int, start: int, size: int) -> None:
        asked.append(size)
        if len(asked) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)

    with pytest.raises(OSError, match="No space left on device"):
        setting.compute(tmp_path)

    assert [True, True, True] == [size > 0 for size in asked]
    assert [] == setting.passes
    assert [] == list(tmp_path.iterdir())
