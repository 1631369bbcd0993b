"""Benchmarks give the official numbers on files in their official layouts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.parity import davis_rules

from singleout.evaluation.evaluating import evaluate

GOLDENS = Path(__file__).parents[1] / "goldens" / "metrics"
LIMIT = 1e-10


def expected(part: str, name: str = "expected.json") -> Any:
    return json.loads((GOLDENS / part / name).read_text())


def placed(tmp_path: Path, source: str, target: str) -> Path:
    """A data folder that holds one golden file under the name of the data set."""
    (tmp_path / "data").mkdir()
    shutil.copy(GOLDENS / source, tmp_path / "data" / target)
    return tmp_path / "data"


def check(table: Mapping[str, float], wanted: Mapping[str, float]) -> None:
    assert wanted
    for name, value in wanted.items():
        assert table[name] == pytest.approx(value, abs=LIMIT, rel=0), name


@pytest.mark.parametrize(
    ("benchmark", "kind", "listing"),
    [
        ("ytvis-2019", "ytvis", "valid.json"),
        ("ytvis-2021", "ytvis", "valid.json"),
        ("ovis", "ytvis", "valid.json"),
        ("lv-vis", "lvvis", "val_instances.json"),
    ],
)
def test_tracks(tmp_path, benchmark, kind, listing):
    data = placed(tmp_path, f"ytvis/{kind}-gt.json", listing)
    found = evaluate(benchmark, data=data, predictions=GOLDENS / "ytvis" / f"{kind}-results.json", out=tmp_path / "out")
    check(found.table, expected("ytvis", f"{kind}-expected.json")["stats"])
    num_truths = len(json.loads((data / listing).read_text())["annotations"])
    assert len(found.objects) == num_truths
    assert (tmp_path / "out" / "objects.csv").read_text().count("\n") == num_truths + 1


def test_lvis(tmp_path):
    data = placed(tmp_path, "lvis/gt.json", "lvis_v1_val.json")
    check(evaluate("lvis", data=data, predictions=GOLDENS / "lvis" / "results.json").table, expected("lvis"))


def test_a2d(tmp_path):
    wanted = {name: value for name, value in expected("a2d").items() if name != "coco_stats"}
    found = evaluate(
        "a2d-sentences",
        data=tmp_path,
        truth=GOLDENS / "a2d" / "gt.json",
        predictions=GOLDENS / "a2d" / "results.json",
        out=tmp_path / "out",
    )
    check(found.table, wanted)


def test_refcoco_by_both_evaluators(tmp_path):
    data = placed(tmp_path, "refcoco/gt.json", "instances_refcoco_val.json")
    found = evaluate("refcoco", data=data, predictions=GOLDENS / "refcoco" / "results.json")
    official = expected("refcoco")
    wanted = {
        f"{name} Precision@{rank}": value
        for name, values in official["refexp_giou_P@1,5,10"].items()
        for rank, value in zip((1, 5, 10), values, strict=True)
    }
    wanted |= {f"{kind} {name}": value for kind in ("bbox", "segm") for name, value in official[kind].items()}
    wanted["segm AP"] = official["coco_segm_stats_with_bbox_present"][0]
    uninext = official["uninext_top1_percent"]
    wanted |= {f"UNINEXT {name}": value for part in uninext.values() for name, value in part.items()}
    check(found.table, wanted)


def test_vipseg(tmp_path):
    data = GOLDENS / "vipseg" / "VIPSeg_720P"
    found = evaluate("vipseg", data=data, predictions=GOLDENS / "vipseg" / "pred", out=tmp_path / "out")
    official = expected("vipseg")
    wanted = {name: official["stq"][name] for name in ("STQ", "AQ", "IoU")}
    wanted |= {f"VPQ{window}": 100 * row["All"]["pq"] for window, row in official["vpq"].items() if row}
    check(found.table, wanted)
    for each, stq in zip(found.objects, official["stq"]["STQ_per_seq"], strict=True):
        assert each.values["STQ"] == pytest.approx(stq, abs=LIMIT)
    assert (tmp_path / "out" / "vpq-final.txt").read_text().startswith(f"VPQ: {found.table['VPQ']:.4f}")


def test_vspw(tmp_path):
    folder = GOLDENS / "vspw"
    found = evaluate("vspw", data=folder, predictions=folder / "pred", out=tmp_path / "out")
    check(found.table, {name: value for name, value in expected("vspw").items() if isinstance(value, float)})
    alone = expected("vspw")["mIoU_of_each_video_alone"]
    assert {each.video: each.values["mIoU"] for each in found.objects} == pytest.approx(alone, abs=LIMIT)


def test_viposeg(tmp_path):
    folder = GOLDENS / "viposeg"
    found = evaluate("viposeg", data=folder, predictions=folder / "pred", out=tmp_path / "out")
    official = {name: 100 * value if "iou" in name else value for name, value in expected("viposeg").items()}
    check(found.table, official)


def test_semantic_pictures(tmp_path):
    """The golden of 847 classes, laid out as ADE20K-847."""
    maps = np.load(GOLDENS / "semseg" / "maps.npz")
    root = tmp_path / "ADE20K_2021_17_01"
    truth, predictions = root / "annotations_detectron2" / "validation", tmp_path / "pred"
    for folder in (truth, predictions, root / "images_detectron2" / "validation"):
        folder.mkdir(parents=True)
    for key in maps.files:
        parts = key.split("/")
        if parts[0] == "a847":
            folder, suffix = (truth, ".tif") if parts[1] == "gt" else (predictions, ".png")
            Image.fromarray(maps[key].astype(np.uint16)).save(folder / f"ADE_{parts[2]}{suffix}")
    official = expected("semseg")["a847"]
    for kind, corrected in (("ovseg", False), ("detectron2", True)):
        found = evaluate("ade20k-847", data=tmp_path, predictions=predictions, corrected=corrected)
        check(found.table, {name: official[kind][name] for name in ("mIoU", "fwIoU", "mACC", "pACC")})


@pytest.mark.needs_shared
def test_davis(tmp_path, shared):
    """Predictions that are drawn by rule from real masks, of two sequences of DAVIS-2016."""
    official = json.loads((shared / "reference" / "metrics" / "davis-jf.json").read_text())["davis16-semi"][
        "per_object"
    ]
    source = shared / "davis16" / "Annotations" / "480p"
    data, predictions = tmp_path / "data" / "Annotations" / "480p", tmp_path / "pred"
    data.mkdir(parents=True)
    for name in ("blackswan", "horsejump-high"):
        (data / name).symlink_to(source / name)
        (predictions / name).mkdir(parents=True)
        for frame, path in enumerate(sorted((source / name).glob("*.png"))):
            mask = davis_rules.predicted(davis_rules.read_mask(path), frame)
            Image.fromarray((mask * 255).astype(np.uint8)).save(predictions / name / path.name)
    found = evaluate("davis2016", data=tmp_path / "data", predictions=predictions, out=tmp_path / "out")
    assert [each.video for each in found.objects] == ["blackswan", "horsejump-high"]
    for each in found.objects:
        check(each.values, official[f"{each.video}_1"])
