"""A sweep's cell that contradicts itself is refused where it is read, in one message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calexnet.errors import InputError
from calexnet.sweep import results
from tests.support.sample_cells import answers, axes, save

Document = dict[str, Any]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["spec"]["plan"].pop("backbone"), "spec.plan.backbone is missing"),
        (lambda d: d["spec"]["plan"].update(attach=[1]), r"spec\.plan\.attach cannot be \[1\]"),
        (lambda d: d["spec"]["plan"].update(mean="x"), r"spec\.plan\.mean cannot be 'x'"),
        (lambda d: d["spec"]["plan"].update(recipe=[]), r"spec\.plan\.recipe cannot be \[\]"),
        (
            lambda d: d["spec"]["plan"].update(recipe={"method": "calexnet"}),
            r"spec\.plan\.recipe\.method cannot be 'calexnet'",
        ),
        (
            lambda d: d["spec"]["plan"].update(recipe={"optimisation": {"lr": "fast"}}),
            r"spec\.plan\.recipe\.optimisation cannot be \{'lr': 'fast'\}",
        ),
        (lambda d: d["spec"]["axes"].update(margin=1e300), r"spec\.axes\.margin is no margin"),
        (lambda d: d["macs"].update(gates=[0]), "macs has 3 and 2 and 1 stages, branches and gat"),
        (lambda d: d["macs"].update(stages=[0, 0, 0]), r"macs\.stages are all 0"),
        (lambda d: d["macs"].update(stages=[-1, 2, 2]), "macs has -1 to 20"),
        (lambda d: d["branches"].pop(), "branches has 1 entries, and there are 3 stages"),
        (lambda d: d.update(classes=[]), "classes is empty"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Callable[[Document], object], said: str
) -> None:
    save(axes(), answers(), tmp_path)
    (path,) = tmp_path.glob("*.json")
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))

    with pytest.raises(InputError, match=f"is no cell of a sweep: got {said}"):
        results.read(tmp_path)


def test_answers_of_other_exits_or_classes_are_refused(tmp_path: Path) -> None:
    save(axes(), answers(skill=(0.5, 0.9)), tmp_path)
    save(axes(seed=1), answers(), tmp_path, classes=("cat",))

    other, few = results.read(tmp_path)

    with pytest.raises(InputError, match="calibration: 2 exits, and the cell has 3"):
        _ = other.answers
    with pytest.raises(InputError, match="calibration: labels 0 to 2 are no classes"):
        _ = few.answers
