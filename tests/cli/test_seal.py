"""``calexnet seal``: the hash that fits, after a deliberate edit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from calexnet import cli, load
from calexnet.bundle import open_bundle
from calexnet.errors import BundleError
from calexnet.manifest import MANIFEST
from calexnet.runtimes import Plan


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def test_another_default_is_chosen_by_an_edit_and_sealed(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle / MANIFEST
    edited = path.read_text().replace(
        '"default_operating_point": "margin-0.05"', '"default_operating_point": "margin-0.2"'
    )
    path.write_text(edited)
    with pytest.raises(BundleError, match=r"after an edit on purpose: calexnet seal "):
        open_bundle(bundle)

    assert 0 == cli.main(["seal", str(bundle)])

    opened = open_bundle(bundle)
    assert f"{path}: sealed with {opened.sha256}\n" in capsys.readouterr().out
    assert "margin-0.2" == opened.manifest.default_operating_point
    table = opened.manifest.operating_point("margin-0.2").table()
    assert table.tolist() == load(bundle).thresholds.tolist()


def test_what_fits_already_stays_as_it_is(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bundle / MANIFEST).read_bytes()

    assert 0 == cli.main(["seal", str(bundle)])

    assert before == (bundle / MANIFEST).read_bytes()
    assert "has the hash that fits already" in capsys.readouterr().out


def test_a_changed_graph_is_not_signed_for(bundle: Path) -> None:
    """The manifest's own hash is renewed; the files' are part of what it says."""
    (bundle / "onnxruntime" / "plain.onnx").write_bytes(b"other")

    assert 0 == cli.main(["seal", str(bundle)])

    with pytest.raises(BundleError, match=r"plain\.onnx was cut or changed"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "carries no hash: got list; expected a JSON object"),
        (None, "cannot read "),
    ],
)
def test_what_has_no_hash_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, message: str
) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)

    assert 2 == cli.main(["seal", str(path)])
    assert message in capsys.readouterr().err


def test_a_folder_without_either_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main(["seal", str(tmp_path)])
    assert "holds nothing to seal: got no manifest.json, no cascade.json" in capsys.readouterr().err


def test_what_is_no_manifest_is_not_sealed(bundle: Path) -> None:
    path = bundle / MANIFEST
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, "classes": 3}))
    before = path.read_bytes()

    assert 2 == cli.main(["seal", str(bundle)])
    assert before == path.read_bytes()


def test_an_edited_plan_is_sealed(tmp_path: Path) -> None:
    from calexnet.costs import SegmentTimes

    path = tmp_path / "plan.json"
    plan = Plan(SegmentTimes((1,), ((2.5,),)), (0.0,))
    path.write_text(plan.to_json().replace("2.5", "3.5"))

    assert 0 == cli.main(["seal", str(path)])

    assert 3.5 == Plan.from_json(path.read_text()).times.call_ms[0][0]
