"""A backbone that is named as an ONNX file, for commands that train branches on it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calexnet.data.split import over_classes
from calexnet.errors import InputError

if TYPE_CHECKING:
    from calexnet.data.dataset import Dataset
    from calexnet.export.intake.taking import Taken
    from calexnet.training.backbones.graph_file import GraphFile
    from calexnet.training.cascade import CascadePlan

#: Real images that a conversion is tried on.
_TRIED = 16
#: Options that are about networks of PyTorch.
_NOT_FOR_GRAPHS = ("weights", "stem", "backbone_epochs", "exits")

#: What a file gives -> what is said of it, where it is not logits.
ENDS: Mapping[str, str] = {
    "softmax": "probabilities: the softmax at its end is taken off",
    "log-softmax": "log-probabilities: the log-softmax at its end is taken off",
    "sigmoid": "the second class's probability: its sigmoid is taken off, for two logits",
}


def is_onnx(name: str) -> bool:
    """Tell whether a network's name is that of an ONNX file."""
    return name.lower().endswith(".onnx")


def read(
    arguments: argparse.Namespace, plan: CascadePlan, samples: Dataset
) -> tuple[GraphFile, CascadePlan]:
    """Return the graph that `arguments` name, and the plan for it.

    Args:
        arguments: As `calexnet.cli.train` declares them.
        plan: What else to train.
        samples: Real images, of several classes; the conversion is tried on some.

    Raises:
        InputError: The file cannot be a backbone, or an option is not for one of its kind.
    """
    from calexnet.export.intake.backbone import with_branches
    from calexnet.export.intake.taking import take

    _refuse_options(arguments)
    path = Path(arguments.backbone)
    rows = over_classes(samples, np.arange(len(samples)), _TRIED, seed=0)
    taken = take(path, samples.images[rows], arguments.mean, arguments.std)
    file = with_branches(taken, arguments.attach)
    print(f"{path}: {_words(taken)}")
    plan = replace(plan, backbone=path.name, attach=file.attach)
    if taken.form.dtype == "uint8":  # bytes as they are, whatever the data's statistics
        plan = replace(plan, mean=taken.preprocessing.mean, std=taken.preprocessing.std)
    return file, plan


def _words(taken: Taken) -> str:
    said = taken.answer.said
    end = f", gives {ENDS[said]}" if said in ENDS else ""
    return f"ONNX, opset {taken.opset}, {taken.answer.classes} classes{end}"


def _refuse_options(arguments: argparse.Namespace) -> None:
    for name in _NOT_FOR_GRAPHS:
        if getattr(arguments, name):
            raise InputError(
                f"--{name.replace('_', '-')} is not for an ONNX file",
                got=arguments.backbone,
                expected="a network of PyTorch",
                fix="Leave it out: the file brings its weights, and is not trained",
            )
