"""Which images leave where."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.analysis import artefact, exemplars
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.sweep import results
from calexnet.sweep.spec import Source, hash_of
from tests.support.sample_cells import CLASSES, answers, axes, save, spec

COUNT = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cell, and the images that it was judged on in ``animals.npz``."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2 * COUNT, 6, 6, 3), dtype=np.uint8)
    found = answers(count=COUNT)
    labels = np.concatenate([found.calibration.truth, found.test.truth]).astype(np.int64)
    keys = tuple(str(i) for i in range(2 * COUNT))
    data = Dataset("animals", images, labels, CLASSES, keys)
    npz.save(data, tmp_path / "animals.npz")
    for method in ("ztw", "calexnet"):
        where = axes(method, margin=None)
        known = replace(spec(where), data=Source("animals", hash_of(data)))
        save(where, found, tmp_path, spec=known)
    return tmp_path


def analysed(folder: Path, **changes: Any) -> artefact.Artefact:
    known = {
        "allow": (),
        "results": [folder],
        "data": str(folder / "animals.npz"),
        "data_root": None,
    }
    asked = {"cell": None, "saving": 0.3, "seed": 0}
    return exemplars.analyse(argparse.Namespace(**{**known, **asked, **changes}))


def test_every_test_image_leaves_once(folder: Path) -> None:
    rows, images = (table.records for table in analysed(folder).tables)

    assert list(range(COUNT, 2 * COUNT)) == [image.position for image in images]
    assert COUNT == sum(row.images for row in rows)
    for row in rows:
        here = [image for image in images if image.exit == row.exit]
        assert row.images == len(here)
        right = [image.answer == image.truth for image in here]
        assert (pytest.approx(np.mean(right)) if right else None) == row.accuracy


@pytest.mark.slow
def test_there_is_a_contact_sheet_for_every_exit_in_use(folder: Path, tmp_path: Path) -> None:
    found = analysed(folder)
    used = [row for row in found.tables[0].records if row.images]

    paths = artefact.write(found, tmp_path / "out")

    for suffix, begin in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        sheets = [path for path in paths if path.suffix == suffix]
        assert len(used) == len(sheets)
        assert all(path.read_bytes().startswith(begin) for path in sheets)
        assert all(path.stat().st_size < 1e6 for path in sheets)


def test_the_first_cell_of_calexnet_is_taken_unless_one_is_named(folder: Path) -> None:
    cells = results.read(folder)

    assert "calexnet" == exemplars.pick(cells, None).result.spec.axes.method
    name = "method=ztw,head=prototype,seed=0"
    assert name == exemplars.pick(cells, name).result.spec.axes.name
    with pytest.raises(InputError, match=r"no such cell: got x; expected one of method=calexnet"):
        exemplars.pick(cells, "x")


def test_images_of_another_data_set_are_refused(folder: Path) -> None:
    data = npz.load(folder / "animals.npz")
    npz.save(replace(data, images=255 - data.images), folder / "negative.npz")

    with pytest.raises(InputError, match=r"negative is not the data set of this sweep: got SHA"):
        analysed(folder, data=str(folder / "negative.npz"))


def test_overrepresented_classes_worked_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int32)
    here = np.array([1, 0, 0, 0, 1, 1, 0, 0], bool)

    # Class 1 is two of three here and a quarter of all; class 0 a third here and half of all.
    found = exemplars.overrepresented(truth, here, ("a", "b", "c"))

    assert (f"b ({(2 / 3) / (1 / 4):.1f}x)",) == found
