"""The checker itself: it must fail for a wrong number, a missing frame, and for everything that it does not know."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.parity.check import main
from tests.parity.limits import Alike, InProportion, Near, limit_for

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "goldens" / "metrics"


@pytest.fixture
def golden(tmp_path):
    """A function that copies a kept golden to another folder, where it may be spoiled."""

    def copied(name: str) -> Path:
        source, target = KEPT / name, tmp_path / "elsewhere" / name
        target.parent.mkdir(exist_ok=True)
        return Path((shutil.copytree if source.is_dir() else shutil.copy)(source, target))

    return copied


def change_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def change_arrays(path: Path, **changes) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, **changes})


def failures(capsys) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("  FAIL")]


def test_goldens_of_another_folder_are_accepted(golden, capsys):
    paths = [golden("davis-edge.npz"), golden("viposeg"), golden("semseg") / "expected.json"]
    assert main([str(path) for path in paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("ok    " in line and "error" in line and "limit" in line for line in lines) > 100
    assert lines[-1].startswith("all ")


def test_the_command_ends_with_1(golden):
    path = golden("viposeg")
    change_json(path / "expected.json", lambda content: content.update(decay=content["decay"] + 1e-9))
    command = [sys.executable, "-m", "tests.parity.check", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "decay" in done.stdout.splitlines()[-1]


def test_a_wrong_number_fails(golden, capsys):
    path = golden("davis-edge.npz")
    with np.load(path) as stored:
        values = stored["F"].copy()
    values[3] += 2e-12
    change_arrays(path, F=values)
    assert main([str(path)]) == 1
    (line,) = failures(capsys)
    assert " F " in line and "limit 1e-12" in line


def test_a_number_that_is_nan_fails(golden, capsys):
    path = golden("viposeg")
    change_json(path / "expected.json", lambda content: content.update(overall_iou=float("nan")))
    assert main([str(path)]) == 1
    assert "overall_iou" in failures(capsys)[0]


def test_an_array_of_another_length_fails(golden, capsys):
    path = golden("vspw")
    change_json(path / "expected.json", lambda content: content["VC8_windows"][0].pop())
    assert main([str(path)]) == 1
    assert "our shape is [12], the official [11]" in failures(capsys)[0]


@pytest.mark.parametrize("frame", ["data/1_a/mask/00000019.png", "pred/2_b/00000003.png"])
def test_a_missing_frame_fails(golden, capsys, frame):
    path = golden("vspw")
    (path / frame).unlink()
    assert main([str(path)]) == 1
    assert f"{Path(frame).name} is missing" in failures(capsys)[0]


def test_a_missing_frame_of_a_listed_video_fails(golden, capsys):
    path = golden("vipseg")
    (path / "pred" / "pan_pred" / "1_synthetic" / "00000080.png").unlink()
    assert main([str(path)]) == 1
    assert "1_synthetic" in failures(capsys)[0]


@pytest.mark.needs_shared
@pytest.mark.parametrize("missing", ["00000.png", "00012.png", "00049.png"])
def test_a_missing_real_frame_fails(shared, tmp_path, capsys, missing):
    for kind in ("Annotations", "JPEGImages"):
        place = tmp_path / "davis16" / kind / "480p" / "blackswan"
        place.mkdir(parents=True)
        for file in (shared / "davis16" / kind / "480p" / "blackswan").iterdir():
            if file.name != missing:
                (place / file.name).symlink_to(file.resolve())
    expected = json.loads((shared / "reference" / "metrics" / "davis-jf.json").read_text())["multi-semi"]
    path = tmp_path / "davis-jf.json"
    kept = {name: values for name, values in expected["per_object"].items() if name.startswith("blackswan")}
    path.write_text(json.dumps({"multi-semi": {"per_object": kept}}))
    assert main([str(path), "--shared", str(tmp_path)]) == 1
    assert f"{missing} is missing" in failures(capsys)[0]


def test_an_unknown_array_fails(golden, capsys):
    path = golden("davis-edge.npz")
    change_arrays(path, another=np.zeros(3))
    assert main([str(path)]) == 1
    (line,) = failures(capsys)
    assert "another" in line and "unknown" in line


def test_an_unknown_number_fails(golden, capsys):
    path = golden("tracking")
    change_json(path / "expected.json", lambda content: content["HOTA"].update(OTHER=0.5))
    assert main([str(path)]) == 1
    assert "HOTA/OTHER" in failures(capsys)[0]


def test_an_array_that_is_gone_fails(golden, capsys):
    path = golden("viposeg")
    change_json(path / "expected.json", lambda content: content.pop("decay"))
    assert main([str(path)]) == 1
    assert "the golden has no array decay" in failures(capsys)[0]


def test_an_unknown_case_fails(tmp_path, capsys):
    path = tmp_path / "davis-jf.json"
    path.write_text(json.dumps({"davis16-semi": {}, "davis16-other": {"per_object": {"dog_1": {"J-Mean": 0.5}}}}))
    assert main([str(path), "--shared", str(tmp_path)]) == 1
    assert "unknown case davis16-other" in failures(capsys)[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("golden-new.npz", b"not a zip"), ("expected.json", b'{"vpq": '), ("other.json", b"{}"), ("frame.png", b"")],
)
def test_an_unknown_file_fails(golden, capsys, name, content):
    folder = golden("viposeg").parent
    (folder / name).write_bytes(content)
    assert main([str(folder)]) == 1
    assert "unknown" in failures(capsys)[0]


def test_a_folder_without_goldens_fails(tmp_path, capsys):
    (tmp_path / "README.md").write_text("nothing here")
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "no golden" in capsys.readouterr().out


def test_limits_measure_what_they_say():
    golden = np.array([0.0, 1.0, -4.0])
    assert Near(0.1).judge(golden + 0.09, golden).passed
    assert not Near(0.1).judge(golden + 0.11, golden).passed
    assert not Near(0.1).judge(np.array([np.nan, 1.0, -4.0]), golden).passed
    assert Near(0).judge(np.array([np.nan, np.inf]), np.array([np.nan, np.inf])).passed
    assert not Near(1e9).judge(np.array([np.inf]), np.array([-np.inf])).passed
    # The largest is 4, so 4e-4 is the most for one number; the mean may be 1e-3 of sqrt(17 / 3).
    assert InProportion(1e-4, 1e-3).judge(golden + np.array([0, 0, 3.9e-4]), golden).passed
    assert not InProportion(1e-4, 1e-3).judge(golden + np.array([0, 0, 4.1e-4]), golden).passed
    assert not InProportion(1, 1e-3).judge(golden + 3e-3, golden).passed
    assert Alike(0.5).judge(np.array([1, 2, 3, 4]), np.array([1, 2, 9, 9])).passed
    assert not Alike(0.4).judge(np.array([1, 2, 3, 4]), np.array([1, 2, 9, 9])).passed


def test_half_precision_is_given_half_a_step():
    exact = np.array([1000.2, 1000.3])
    golden = exact.astype(np.float16)
    assert Near(0).judge(exact, golden).passed
    assert not Near(0).judge(exact + 0.6, golden).passed


@pytest.mark.parametrize(
    ("golden", "limit"),
    [
        (np.zeros(3, np.float32), InProportion(1e-4, 1e-3)),
        (np.zeros((2, 4, 4), bool), Alike(0.001)),
        (np.zeros((), bool), Alike()),
        (np.zeros((2, 4, 4), np.uint8), Alike()),
        (np.array("text"), Alike()),
    ],
)
def test_limits_by_default_are_those_of_the_design(golden, limit):
    assert limit_for("a part without rules", "golden.npz", "an array", golden).limit == limit
