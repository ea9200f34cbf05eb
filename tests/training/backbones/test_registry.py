"""Backbones by name: the built-in ones, and the user's own as package.module:function."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from calexnet.errors import InputError
from calexnet.registry import Allowed
from calexnet.training.backbones import BUILT_IN, BackboneSpec, build, default_attach
from calexnet.training.backbones.cifar_resnet import CifarResNet
from calexnet.training.backbones.frozen import FrozenBackbone

OWNERS = Allowed(("ownnets", ""))

OWN = """
from torch import nn

def sized(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(12, classes))

def torchvision(*, weights=None, progress=True, num_classes=1000):
    return sized(num_classes)

def timm(pretrained=False, **options):
    return sized(**{"classes": options["num_classes"]})

def fails(classes):
    raise KeyError(f"no weights for {classes} classes")

def asks(width, classes, depth=3):
    return sized(classes)

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 7))

class Net(nn.Module):
    pass

def nothing():
    return "a network"

CONSTANT = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module ``ownnets.tiny`` in the working folder."""
    (tmp_path / "ownnets").mkdir()
    (tmp_path / "ownnets" / "__init__.py").touch()
    (tmp_path / "ownnets" / "tiny.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    for name in ("ownnets", "ownnets.tiny"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_backbone_has_its_default_attach_points_and_classes(name: str) -> None:
    backbone = FrozenBackbone(build(BackboneSpec(name, 5)), default_attach(name))

    shapes = backbone.check((3, 32, 32), 5)

    assert len(default_attach(name)) == len(shapes)
    assert [len(shape) for shape in shapes] == [3] * len(shapes)


def test_two_builds_share_nothing() -> None:
    first, second = (build(BackboneSpec("resnet8", 2)) for _ in range(2))

    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


@pytest.mark.parametrize(
    ("name", "outputs"), [("sized", 5), ("fixed", 7), ("torchvision", 5), ("timm", 5)]
)
@pytest.mark.usefixtures("own")
def test_ones_own_builder_is_told_the_classes_if_it_asks(name: str, outputs: int) -> None:
    network = build(BackboneSpec(f"ownnets.tiny:{name}", 5), OWNERS)

    assert (2, outputs) == tuple(network(torch.zeros(2, 3, 2, 2)).shape)


@pytest.mark.usefixtures("own")
def test_what_a_builder_raises_is_one_message_with_the_line() -> None:
    with pytest.raises(
        InputError,
        match=r"^ownnets\.tiny:fails cannot build the network: got KeyError: 'no weights for 5 "
        r"classes' \(tiny\.py, line \d+: raise KeyError.*\); expected a network for 5 classes$",
    ):
        build(BackboneSpec("ownnets.tiny:fails", 5), OWNERS)


@pytest.mark.usefixtures("own")
def test_a_builder_that_asks_for_more_is_told() -> None:
    with pytest.raises(
        InputError,
        match=r"^ownnets\.tiny:asks cannot be called: got a builder that asks for width, classes; "
        r"expected one that asks for classes or num_classes, or for nothing\. Give its other",
    ):
        build(BackboneSpec("ownnets.tiny:asks", 5), OWNERS)


@pytest.mark.usefixtures("own")
def test_a_class_is_a_builder_too() -> None:
    assert "Net" == type(build(BackboneSpec("ownnets.tiny:Net", 5), OWNERS)).__name__


@pytest.mark.usefixtures("own")
def test_ones_own_builder_may_return_no_network() -> None:
    with pytest.raises(
        InputError,
        match=r"^ownnets.tiny:nothing returned no network: got str; expected a torch.nn.Module$",
    ):
        build(BackboneSpec("ownnets.tiny:nothing", 5), OWNERS)


@pytest.mark.parametrize(
    "name",
    [
        "ownnets.none:sized",
        "ownnets.tiny:none",
        "ownnets.tiny:",
        "ownnets.tiny:CONSTANT",
        ":sized",
        ".tiny:sized",
    ],
)
@pytest.mark.usefixtures("own")
def test_a_builder_that_cannot_be_found_is_told(name: str) -> None:
    with pytest.raises(InputError, match=f"^cannot find the backbone {name}: got .*run from the"):
        build(BackboneSpec(name, 5), OWNERS)


@pytest.mark.parametrize("name", ["resnet19", "ResNet8", ""])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^unknown backbone: got '{name}'; expected one of resnet8, .*, resnet50, or your",
    ):
        build(BackboneSpec(name, 5))


@pytest.mark.parametrize("name", ["resnet8", "ownnets.tiny:sized"])
def test_a_stem_is_refused_where_there_is_no_choice(name: str) -> None:
    with pytest.raises(
        InputError,
        match=f"^{name} has no choice of stem: got 3x3; expected none, or resnet18, resnet50$",
    ):
        build(BackboneSpec(name, 5, "3x3"))


def test_nobody_here_knows_the_attach_points_of_ones_own() -> None:
    with pytest.raises(InputError, match=r"^no attach points for own:net: .*Add for example --att"):
        default_attach("own:net")


@pytest.mark.parametrize(("name", "blocks"), [("resnet8", 1), ("resnet20", 3), ("resnet56", 9)])
def test_cifar_resnets_have_six_layers_a_block_and_two(name: str, blocks: int) -> None:
    network = build(BackboneSpec(name, 10))

    assert isinstance(network, CifarResNet)
    convolutions = [n for n, _ in network.named_modules() if "conv" in n]
    assert 6 * blocks + 1 == len(convolutions)
