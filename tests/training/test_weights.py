"""Trained weights as people have them: what fits is taken with a word, what does not is shown."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from calexnet.errors import InputError
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.weights import PREFIXES, load_weights, pack, unpack
from tests.support.small_cascade import is_same, save_npz, tensors


class Bomb:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return pytest.fail, ("a pickle was run",)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build(BackboneSpec("resnet8", 4))


class Versioned(nn.Module):
    """Asks which version a state dict is of, as MNASNet does; raises what it does."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def _load_from_state_dict(self, state: Any, prefix: str, metadata: Any, *rest: Any) -> None:
        if metadata.get("version") not in (1, 2):
            raise ValueError(f"version should be 1 or 2 instead of {metadata.get('version')}")
        super()._load_from_state_dict(state, prefix, metadata, *rest)


class Shared(nn.Module):
    """A module under two names, and a parameter of two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.again = self.one
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.one.weight
        self.part = nn.Parameter(torch.zeros(6))
        self.register_buffer("view", self.part.data[2:])


class Remembering(nn.Linear):
    """Its state holds something that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


@pytest.mark.parametrize("kind", [Versioned, Shared])
def test_what_is_packed_comes_back_bit_for_bit(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    made, fresh = kind(), kind()
    assert not is_same(tensors(made), tensors(fresh))

    unpack(fresh, pack(made))

    assert is_same(tensors(made), tensors(fresh))


def test_what_no_file_can_hold_is_told_by_name() -> None:
    with pytest.raises(
        InputError,
        match=r"^the network cannot be saved: got dict 0._extra_state in its state; expected tens",
    ):
        pack(nn.Sequential(Remembering(2, 2)))
    with pytest.raises(InputError, match=r"^the network cannot be saved: got .*uninit"):
        pack(nn.LazyLinear(2))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_weights_come_from_either_kind_of_file(
    network: nn.Module, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        save_npz(path, tensors(network))
    else:
        safetensors.torch.save_file(network.state_dict(), path)
    other = build(BackboneSpec("resnet8", 4))

    load_weights(other, path)

    assert is_same(tensors(network), tensors(other))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_half_precision_weights_are_widened_and_counters_kept(
    network: nn.Module, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    half = {
        n: t.half() if t.is_floating_point() else t + 3 for n, t in network.state_dict().items()
    }
    if suffix == ".npz":
        np.savez(path, **{name: t.numpy() for name, t in half.items()})
    else:
        safetensors.torch.save_file(half, path)

    load_weights(network, path)

    expected = {n: t.float() if t.is_floating_point() else t for n, t in half.items()}
    assert is_same({n: t.numpy() for n, t in expected.items()}, tensors(network))
    assert 3 == tensors(network)["bn1.num_batches_tracked"]


@pytest.mark.parametrize("name", ["weights.bin", "weights"])
def test_pickled_weights_are_refused_unread(network: nn.Module, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))

    with pytest.raises(
        InputError,
        match=rf"^cannot read weights from .*{name}: got .*; expected \.safetensors, \.pt, \.pth, "
        r"or \.npz .*Write them with: torch\.save",
    ):
        load_weights(network, tmp_path / name)


def damaged(path: Path) -> None:
    """Write an archive whose compressed data is broken."""
    np.savez_compressed(path, weight=np.zeros(4096))
    data = bytearray(path.read_bytes())
    at = data.index(b"weight.npy") + len(b"weight.npy") + 24
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)


def objects(path: Path) -> None:
    array = np.empty(1, dtype=object)
    array[0] = Bomb()
    np.savez(path, weight=array)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(objects, id="objects"),
        pytest.param(damaged, id="damaged"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"PK\x03\x04 no archive"), id="cut"),
        pytest.param(lambda path: path.write_bytes(pickle.dumps(Bomb())), id="pickle"),
        pytest.param(lambda path: np.savez(path, weight=np.array(["a"])), id="text"),
        pytest.param(lambda path: np.save(path.open("wb"), np.zeros(2)), id="one array"),
        pytest.param(lambda path: None, id="missing"),
        pytest.param(lambda path: path.mkdir(), id="folder"),
    ],
)
def test_an_npz_that_holds_no_tensors_is_told(
    network: nn.Module, tmp_path: Path, write: Callable[[Path], Any]
) -> None:
    path = tmp_path / "weights.npz"
    write(path)

    with pytest.raises(
        InputError, match=r"^cannot read weights from .*; expected a file of tensor"
    ):
        load_weights(network, path)


@pytest.mark.parametrize("data", [None, b"", b"\xff" * 64])
def test_a_safetensors_file_that_cannot_be_read_is_told(
    network: nn.Module, tmp_path: Path, data: bytes | None
) -> None:
    path = tmp_path / "weights.safetensors"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(
        InputError, match=r"^cannot read weights from .*; expected a file of tensor"
    ):
        load_weights(network, path)


def reshape(state: dict[str, Any]) -> None:
    state["linear.weight"] = np.zeros((10, 64), np.float32)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (reshape, r"linear\.weight \[4, 64\] for \[10, 64\]"),
        (lambda state: state.pop("conv1.weight"), r"conv1\.weight \[16, 3, 3, 3\] for nothing"),
        (lambda state: state.update(extra=np.zeros(1)), r"nothing for extra \[1\]"),
    ],
)
def test_weights_of_another_network_are_told_by_name(
    network: nn.Module, tmp_path: Path, change: Callable[[dict[str, Any]], Any], complaint: str
) -> None:
    state: dict[str, Any] = dict(tensors(network))
    change(state)
    np.savez(tmp_path / "weights.npz", **state)

    with pytest.raises(
        InputError,
        match=rf"^the weights in .*weights\.npz do not fit the backbone: got .*{complaint}.*Check ",
    ):
        load_weights(network, tmp_path / "weights.npz")


def saved(path: Path, state: Any) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"epoch": 3, "model_state_dict": state},
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_state_dict_of_torch_is_found_where_scripts_keep_it(
    network: nn.Module, tmp_path: Path, suffix: str, wrap: Callable[[Any], Any]
) -> None:
    path = saved(tmp_path / f"best{suffix}", wrap(network.state_dict()))
    other = build(BackboneSpec("resnet8", 4))

    stripped = load_weights(other, path)

    assert () == stripped
    assert is_same(tensors(network), tensors(other))


def test_tensors_in_any_memory_order_are_read(network: nn.Module, tmp_path: Path) -> None:
    state = network.state_dict()
    turned = {
        n: t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for n, t in state.items()
    }
    assert not all(t.is_contiguous() for t in turned.values())
    other = build(BackboneSpec("resnet8", 4))

    load_weights(other, saved(tmp_path / "w.pt", turned))

    assert is_same(tensors(network), tensors(other))


@pytest.mark.parametrize(
    "names", [(p,) for p in PREFIXES] + [("module.", "_orig_mod."), ("module.", "model.")]
)
def test_the_names_of_wrappers_are_taken_off(
    network: nn.Module, tmp_path: Path, names: tuple[str, ...]
) -> None:
    state = {"".join(names) + n: t for n, t in network.state_dict().items()}
    other = build(BackboneSpec("resnet8", 4))

    stripped = load_weights(other, saved(tmp_path / "w.pt", state))

    assert names == stripped
    assert is_same(tensors(network), tensors(other))


def test_a_prefix_that_is_the_networks_own_stays(tmp_path: Path) -> None:
    made = nn.Sequential(OrderedDict(model=nn.Linear(2, 2)))

    assert () == load_weights(made, saved(tmp_path / "w.pt", made.state_dict()))


def test_a_network_that_asks_for_its_version_is_filled(tmp_path: Path) -> None:
    made, other = Versioned(), Versioned()
    save_npz(tmp_path / "w.npz", tensors(made))

    load_weights(other, tmp_path / "w.npz")

    assert is_same(tensors(made), tensors(other))


def test_files_of_old_versions_may_lack_the_counters(network: nn.Module, tmp_path: Path) -> None:
    state = {n: t for n, t in network.state_dict().items() if "num_batches" not in n}
    other = build(BackboneSpec("resnet8", 4))

    load_weights(other, saved(tmp_path / "w.pt", state))

    assert is_same(tensors(network), tensors(other))


def test_a_pickle_in_torchs_own_file_is_refused_unrun(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"^cannot read weights from .*w\.pt: got Unsupported global: GLOBAL _pytest.*"
        r"expected a file of tensors\. Write one with: torch\.save\(network\.state_dict\(\), ",
    ):
        load_weights(network, saved(tmp_path / "w.pt", {"state_dict": Bomb()}))


def test_a_file_of_torch_without_a_state_dict_says_what_it_has(
    network: nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError,
        match=r"w\.pt: got epoch, ema; expected a state dict, or one under state_dict, model_state"
        r"_dict or model\. Write",
    ):
        load_weights(network, saved(tmp_path / "w.pt", {"epoch": 1, "ema": network.state_dict()}))


def test_of_many_misfits_the_three_likeliest_pairs_are_shown(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a message has little room for paths
    renamed = {n.replace("layer", "stage"): t for n, t in network.state_dict().items()}

    with pytest.raises(InputError) as refused:
        load_weights(network, saved(Path("w.pt"), renamed))

    message = str(refused.value)
    whole = len(network.state_dict())
    assert f"got {sum('stage' not in n for n in renamed)} of {whole} that fit" in message
    assert "layer1.0.conv1.weight for stage1.0.conv1.weight" in message
    assert 3 == message.count(" for stage")
    assert message.endswith("Check --backbone, --stem and the number of classes.")
