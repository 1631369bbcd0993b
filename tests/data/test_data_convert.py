"""Conversions from miniature data sets in the layouts as released, read back by the readers."""

from __future__ import annotations

import json
from pathlib import Path

import miniature as mini
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from scipy.io import savemat

from singleout.data import cocovid, images, panoptic, refcoco, referring, semantic
from singleout.data.check import Checking
from singleout.data.convert import CONVERTERS, Order, convert
from singleout.errors import InputError
from singleout.exports.panoptic import read_segment_ids
from singleout.exports.pictures import read_numbers


def run(name, root, **options):
    return convert(name, Order(root, **options))


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_youtube_vos_training(tmp_path):
    mini.youtube_vos(tmp_path)
    steps = []
    (path,) = run("youtube-vos", tmp_path, on_step=steps.append)
    assert path == tmp_path / "train.json" and steps == ["aaa", "bbb"]
    listed = cocovid.read(path, tmp_path / "train/JPEGImages")
    assert [category.name for category in listed.categories] == ["object"]
    assert all(image.is_file() for video in listed.videos for image in video.images)
    late = listed.annotations[3]
    assert [code is not None for code in late.segmentations] == [False, False, True, True, True, True]
    assert late.boxes[2] == (6.0, 7.0, 3.0, 4.0)
    shown = read_numbers(tmp_path / "train/Annotations/bbb/00010.png") == 2
    assert np.array_equal(coco.decode(late.segmentations[2]), shown)


def test_the_area_of_youtube_vos_is_that_of_the_box(tmp_path):
    mini.youtube_vos(tmp_path)
    bent = mini.squares({1: (0, 0, 4, 4)})
    bent[:2, :2] = 0
    mini.numbers(tmp_path / "train/Annotations/aaa/00000.png", bent)
    (path,) = run("youtube-vos", tmp_path)
    first = cocovid.read(path).annotations[0]
    assert coco.area(first.segmentations[0]) == 12 and first.areas[0] == 16


def test_youtube_vos_validation_keeps_given_masks_and_numbers(tmp_path):
    mini.youtube_vos(tmp_path, "valid")
    (path,) = run("youtube-vos", tmp_path, split="valid")
    listed = cocovid.read(path)
    assert [track.extra["ori_id"] for track in listed.annotations] == [1, 2, 1, 2]
    seen = [[code is not None for code in track.segmentations].index(True) for track in listed.annotations]
    assert seen == [0, 0, 0, 2]
    assert all(sum(code is not None for code in track.segmentations) == 1 for track in listed.annotations)


def test_mose(tmp_path):
    mini.youtube_vos(tmp_path, "train")
    mini.youtube_vos(tmp_path, "valid")
    (path,) = run("mose", tmp_path)
    assert len(cocovid.read(path).annotations) == 4
    (path,) = run("mose", tmp_path, split="valid")
    entries = load(path)["annotations"]
    # The second object of the second video is not in the first frame.
    assert len(entries) == 3 and all("bboxes" not in entry for entry in entries)


def test_viposeg(tmp_path):
    (path,) = run("viposeg", mini.viposeg(tmp_path))
    listed = cocovid.read(path)
    assert [video.id for video in listed.videos] == ["0_a", "1_b", "2_c"]
    assert [(track.id, track.category_id) for track in listed.annotations[:2]] == [(1, 92), (2, 3)]
    assert [code is not None for code in listed.annotations[0].segmentations] == [True, False, False]
    assert listed.categories[92].id == 92


def burst(root, *, first_frames=False):
    code = mini.rle(mini.squares({1: (1, 1, 4, 4)}), 1)["counts"]
    shown = {"rle": code, "is_gt": True, **({"bbox": [1, 1, 4, 4], "point": [2, 3]} if first_frames else {})}
    frames = [f"frame{place}.jpg" for place in range(7)]
    sequence = {
        "id": 5,
        "seq_name": "v_one",
        "dataset": "HACS",
        "fps": 30,
        "width": mini.WIDTH,
        "height": mini.HEIGHT,
        "all_image_paths": frames,
        "annotated_image_paths": frames,
        "neg_category_ids": [9],
        "not_exhaustive_category_ids": [],
        "track_category_ids": {"1": 805, "2": 3},
        "segmentations": [{"1": shown}, {"1": shown, "2": shown}, *[{}] * 3, {"1": shown}, {}],
    }
    content = {
        "sequences": [sequence],
        "categories": [{"id": 805, "name": "p"}, {"id": 3, "name": "q"}],
        "split": "train",
    }
    mini.write_json(root / "train.json", content)
    return root


def test_burst(tmp_path):
    (path,) = run("burst", burst(tmp_path))
    listed = cocovid.read(path)
    assert listed.videos[0].images[0] == tmp_path / "HACS/v_one/frame0.jpg"
    assert listed.videos[0].extra["neg_category_ids"] == [9]
    first, second = listed.annotations
    assert (first.category_id, second.category_id) == (805, 3)
    assert [code is not None for code in first.segmentations] == [True, True, False, False, False, True, False]
    assert first.boxes[0] == (1.0, 1.0, 4.0, 4.0) and first.areas[0] == 16
    assert "points" not in first.extra


def test_burst_thinned_and_with_points(tmp_path):
    (path,) = run("burst", burst(tmp_path, first_frames=True), every=5)
    listed = cocovid.read(path)
    assert listed.videos[0].frame_names == ("frame0", "frame5")
    # The second object is seen in a frame that is not kept.
    (track,) = listed.annotations
    assert [code is not None for code in track.segmentations] == [True, True]
    assert track.extra["points"] == [[2, 3], [2, 3]]


def test_ref_youtube_vos_training(tmp_path):
    mini.youtube_vos(tmp_path)
    frames = [f"{frame:05d}" for frame in range(0, 30, 5)]
    mini.sentences(tmp_path, "train", {"aaa": frames, "bbb": frames}, objects=True)
    (path,) = run("ref-youtube-vos", tmp_path)
    tracks = cocovid.read(path).annotations
    # Object 2 of the second video is seen in 4 frames only.
    assert [(track.video_id, track.id, track.extra["exp_id"], track.extra["expressions"]) for track in tracks] == [
        (1, 1, 1, ["the thing 0 of aaa"]),
        (1, 2, 2, ["the thing 1 of aaa"]),
        (2, 1, 3, ["the thing 0 of bbb"]),
    ]


def test_ref_youtube_vos_validation_has_no_masks(tmp_path):
    mini.youtube_vos(tmp_path, "valid")
    mini.sentences(tmp_path, "valid", {"aaa": ["00000"], "bbb": ["00000"]}, objects=False)
    mini.sentences(tmp_path, "test", {"bbb": ["00000"]}, objects=False)
    (path,) = run("ref-youtube-vos", tmp_path, split="valid")
    entries = load(path)["annotations"]
    assert [entry["exp_id"] for entry in entries] == ["0", "1"]
    assert not any("segmentations" in entry for entry in entries)
    assert cocovid.read(path).annotations[0].segmentations == (None,)


def test_ref_davis(tmp_path):
    mini.davis(tmp_path, unsupervised=True)
    mini.davis_texts(tmp_path / "davis_text_annotations")
    before = referring.read_ref_davis(tmp_path)
    meta, *parts = run("ref-davis", tmp_path, to=tmp_path / "ref-davis")
    assert [part.name for part in parts] == [f"valid_{annotator}.json" for annotator in range(4)]
    after = referring.read_ref_davis(tmp_path / "ref-davis")
    assert [video.sentences for video in after] == [video.sentences for video in before]
    assert load(meta)["videos"]["dog"]["frames"] == ["00000", "00001", "00002"]
    entries = load(parts[2])["annotations"]
    assert [(entry["exp_id"], entry["expressions"]) for entry in entries if entry["video_id"] == 2] == [
        (0, ["Davis17_annot2 says 1 of dog"]),
        (1, ["Davis17_annot2 says 2 of dog"]),
    ]


def test_refcoco(tmp_path):
    (path,) = run("refcoco", mini.refcoco(tmp_path), split="train")
    assert path == tmp_path / "refcoco/instances_refcoco_train.json"
    listed = refcoco.read_converted(tmp_path, "refcoco", "train")
    assert [(each.caption, each.dataset_name, each.original_id) for each in listed.images] == [
        ("sentence 0 of 0", "refcoco", 1),
        ("sentence 1 of 0", "refcoco", 1),
    ]
    # The picture is the one of COCO: references name it with the number of the annotation behind.
    assert all(each.path.is_file() for each in listed.images)
    assert [each.image_id for each in listed.annotations] == [1, 2]
    assert coco.area(listed.annotations[0].segmentation) == 36


def test_refcoco_mixed(tmp_path):
    mini.refcoco(tmp_path, "refcoco", size=(300, 400))
    mini.refcoco(tmp_path, "refcoco+", size=(300, 400))
    mini.refcoco(tmp_path, "refcocog", size=(300, 359), first=50)
    (path,) = run("refcoco-mixed", tmp_path)
    listed = cocovid.read(path, tmp_path / "train2014")
    (video,) = listed.videos
    assert video.length == 1 and video.images[0].is_file()
    assert [track.extra["expressions"] for track in listed.annotations] == [
        ["sentence 0 of 0"],
        ["sentence 1 of 0"],
    ] * 2
    assert [track.extra["exp_id"] for track in listed.annotations] == [1, 2, 3, 4]
    assert {track.video_id for track in listed.annotations} == {1}


def test_coco_panoptic(tmp_path):
    mini.coco(tmp_path)
    (path,) = run("coco-panoptic", tmp_path, split="val2017")
    listed = cocovid.read(path, tmp_path / "val2017")
    assert [video.length for video in listed.videos] == [1, 1]
    assert listed.videos[0].extra["pan_seg_file_names"] == ["000000000007.png"]
    assert [(track.category_id, track.extra["segment_id"]) for track in listed.annotations[:2]] == [
        (18, 300),
        (200, 70000),
    ]
    assert listed.annotations[1].boxes == ((0.0, 5.0, 6.0, 4.0),)
    mini.coco(tmp_path / "small", "train2017")
    (path,) = run("coco-panoptic", tmp_path / "small")
    assert load(path)["videos"] == [], "training drops images whose long side is below 480"


def test_lvis_and_entityseg(tmp_path):
    (path,) = run("lvis", mini.lvis(tmp_path / "lvis"), split="val")
    listed = cocovid.read(path, tmp_path / "lvis")
    assert listed.videos[0].images[0].is_file()
    assert listed.videos[0].extra == {"neg_category_ids": [2], "not_exhaustive_category_ids": [3]}
    assert listed.annotations[0].category_id == 1
    root = mini.coco(tmp_path / "entityseg", "train")
    (root / "annotations/instances_train.json").rename(root / "annotations/entityseg_insseg_train.json")
    (path,) = run("entityseg", root)
    assert len(cocovid.read(path).annotations) == 2
    (root / "annotations/panoptic_train.json").rename(root / "annotations/entityseg_panoptic_train_01.json")
    twin = load(root / "annotations/entityseg_panoptic_train_01.json")
    mini.write_json(root / "annotations/entityseg_panoptic_train_02.json", twin)
    (path,) = run("entityseg-panoptic", root)
    content = load(path)
    assert [video["id"] for video in content["videos"]] == [1, 2, 3, 4] and len(content["annotations"]) == 8


def test_vipseg(tmp_path):
    mini.vipseg_raw(tmp_path / "raw")
    pictures, listing = run("vipseg", tmp_path / "raw", to=tmp_path / "out")
    assert (pictures.name, listing.name) == ("panomasksRGB", "panoptic_gt_VIPSeg_val.json")
    listed = panoptic.read_vipseg(tmp_path / "out")
    assert len(listed.categories) == 124 and [video.name for video in listed.videos] == ["0_a", "1_b"]
    ids = []
    for number, frame in enumerate(listed.videos[0].frames):
        raw = read_numbers(tmp_path / f"raw/panomasks/0_a/{number:08d}.png")
        coded = read_segment_ids(frame.picture)
        values = np.unique(raw[raw > 0]).tolist()
        # In ascending order of the raw numbers, which decides whom STQ takes for a crowd.
        assert [segment.category_id for segment in frame.segments] == [0, 2, 60, 60]
        assert values == [1, 3, 6100, 6101]
        for value, segment in zip(values, frame.segments, strict=True):
            assert np.array_equal(coded == segment.id, raw == value)
            assert segment.area == (raw == value).sum()
        assert np.array_equal(coded == 0, raw == 0)
        ids.append([segment.id for segment in frame.segments])
    assert ids[0] == ids[1] == ids[2], "an object keeps its id through the video"
    wall = listed.categories[0].color
    assert ids[0][0] == wall[0] + 256 * wall[1] + 65536 * wall[2]
    stuff = {category.color for category in listed.categories if not category.thing}
    red, green, blue = ids[0][3] & 255, ids[0][3] >> 8 & 255, ids[0][3] >> 16
    assert (red, green, blue) not in stuff and ids[0][2] != ids[0][3]
    missing_frames = {str(finding.path) for finding in Checking("vipseg", tmp_path / "out").findings(thorough=True)}
    assert missing_frames == {str(tmp_path / "out/images"), str(tmp_path / "out")}, "pictures and list agree"


def test_vipseg_at_another_height(tmp_path):
    mini.vipseg_raw(tmp_path / "raw", names=("0_a",))
    run("vipseg", tmp_path / "raw", to=tmp_path / "out", height=18)
    (video,) = panoptic.read_vipseg(tmp_path / "out").videos
    frame = video.frames[0]
    assert (frame.height, frame.width) == (18, 24)
    with Image.open(frame.image) as picture:
        assert picture.size == (24, 18)
    raw = read_numbers(tmp_path / "raw/panomasks/0_a/00000000.png")
    coded = read_segment_ids(frame.picture)
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in ((18, 12), (24, 16)))
    nearest = raw[np.ix_(rows.astype(int), columns.astype(int))]
    assert np.array_equal(coded == frame.segments[0].id, nearest == 1)


def test_vipseg_twice_is_the_same(tmp_path):
    mini.vipseg_raw(tmp_path / "raw")
    first = [path.read_bytes() for path in run("vipseg", tmp_path / "raw", to=tmp_path / "one") if path.is_file()]
    second = [path.read_bytes() for path in run("vipseg", tmp_path / "raw", to=tmp_path / "two") if path.is_file()]
    assert first == second
    with pytest.raises(InputError, match=r"panoptic_gt_VIPSeg_val\.json is there already"):
        run("vipseg", tmp_path / "raw", to=tmp_path / "one")


def test_vspw(tmp_path):
    (path,) = run("vspw", mini.vspw(tmp_path))
    listed = cocovid.read(path, tmp_path / "data")
    assert listed.annotations is None
    assert [video.id for video in listed.videos] == ["10_x", "2_y"]
    assert (
        listed.videos[0].images[0] == tmp_path / "data/10_x/origin/00000000.jpg"
        and listed.videos[0].images[0].is_file()
    )


def truth_of(root, name):
    listed = semantic.read(root, name)
    data_set = {"pascal_voc_20": "voc-20", "coco_stuff_171": "coco-stuff"}.get(name, name.replace("_", "-"))
    assert [each for each in Checking(data_set, root).findings(thorough=True) if not each.note] == []
    return {image.name: read_numbers(image.truth) for image in listed.images}


def test_ade20k_150(tmp_path):
    folder = tmp_path / "ADEChallengeData2016"
    mini.numbers(folder / "annotations/validation/a.png", np.array([[0, 1], [150, 2]]), palette=False)
    mini.photo(folder / "images/validation/a.jpg", (2, 2))
    run("ade20k-150", tmp_path)
    assert truth_of(tmp_path, "ade20k_150")["a"].tolist() == [[255, 0], [149, 1]]


def test_ade20k_847(tmp_path):
    folder = tmp_path / "ADE20K_2021_17_01/images/ADE/validation/urban/street"
    # Index 2978 is wall, train id 0; red holds tens of 256. Index 5 is none of the 847.
    ids = {2978: 0, 312: 1, 5: 65535}
    colors = np.zeros((2, 3, 3), np.uint8)
    for place, index in enumerate(ids):
        colors[:, place] = (index // 256 * 10 + 3, index % 256, 77)
    mini.photo(folder / "ADE_val_00000001.jpg", (2, 3))
    Image.fromarray(colors).save(folder / "ADE_val_00000001_seg.png")
    run("ade20k-847", tmp_path)
    assert truth_of(tmp_path, "ade20k_847")["ADE_val_00000001"].tolist() == [[0, 1, 65535]] * 2


def test_ade20k_847_is_shrunk_to_a_short_side_of_512(tmp_path):
    folder = tmp_path / "ADE20K_2021_17_01/images/ADE/validation/x"
    mini.photo(folder / "ADE_val_00000002.jpg", (600, 700))
    colors = np.zeros((600, 700, 3), np.uint8)
    colors[:300] = (2978 // 256 * 10, 2978 % 256, 0)
    colors[300:] = (312 // 256 * 10, 312 % 256, 0)
    Image.fromarray(colors).save(folder / "ADE_val_00000002_seg.png")
    run("ade20k-847", tmp_path)
    truth = truth_of(tmp_path, "ade20k_847")["ADE_val_00000002"]
    assert truth.shape == (512, round(700 / 600 * 512))
    assert (truth[:256] == 0).all() and (truth[256:] == 1).all()


def test_pascal_context(tmp_path):
    folder = tmp_path / "VOCdevkit/VOC2010"
    # 2 is aeroplane, class 0 of the 59; 1 is accordion, which is none of them; 459 is the last.
    (folder / "trainval").mkdir(parents=True)
    savemat(folder / "trainval/2008_000002.mat", {"LabelMap": np.array([[1, 2], [459, 2]], np.uint16)})
    mini.photo(folder / "JPEGImages/2008_000002.jpg", (2, 2))
    mini.lines(folder / "pascalcontext_val.txt", "2008_000002")
    run("pascal-context-459", tmp_path)
    assert truth_of(tmp_path, "pascal_context_459")["2008_000002"].tolist() == [[0, 1], [458, 1]]
    run("pascal-context-59", tmp_path)
    assert truth_of(tmp_path, "pascal_context_59")["2008_000002"].tolist() == [[255, 0], [255, 0]]


def test_voc(tmp_path):
    folder = tmp_path / "VOCdevkit/VOC2012"
    mini.numbers(folder / "SegmentationClassAug/a.png", np.array([[0, 1], [20, 255]]))
    mini.numbers(folder / "SegmentationClassAug/b.png", np.array([[0, 0], [255, 0]]))
    mini.lines(folder / "ImageSets/Segmentation/val.txt", "a", "b")
    mini.photo(folder / "JPEGImages/a.jpg", (2, 2))
    run("voc-20", tmp_path)
    truth = truth_of(tmp_path, "pascal_voc_20")
    assert list(truth) == ["a"], "an image without any object is dropped"
    assert truth["a"].tolist() == [[255, 0], [19, 255]]


def test_coco_stuff(tmp_path):
    mini.numbers(tmp_path / "coco/stuffthingmaps/train2017/a.png", np.array([[0, 12], [181, 255]]), palette=False)
    mini.photo(tmp_path / "coco/train2017/a.jpg", (2, 2))
    run("coco-stuff", tmp_path)
    assert truth_of(tmp_path, "coco_stuff_171")["a"].tolist() == [[0, 11], [170, 255]]


def test_a_number_beyond_the_classes_is_refused(tmp_path):
    folder = tmp_path / "ADEChallengeData2016/annotations/validation"
    mini.numbers(folder / "a.png", np.array([[0, 151]]), palette=False)
    with pytest.raises(InputError, match=r"a\.png has the number 151: the highest known is 150"):
        run("ade20k-150", tmp_path)
    assert not list(tmp_path.rglob("annotations_detectron2/**/*.png"))


def test_nothing_half_written_stays(tmp_path):
    mini.youtube_vos(tmp_path)
    mini.photo(tmp_path / "train/Annotations/bbb/00010.png")
    with pytest.raises(InputError, match=r"bbb.00010\.png: expected a number at each pixel"):
        run("youtube-vos", tmp_path)
    assert not list(tmp_path.glob("*.json")) and not list(tmp_path.glob(".*"))


def test_orders_that_cannot_be_carried_out(tmp_path):
    mini.youtube_vos(tmp_path)
    run("youtube-vos", tmp_path)
    for name, options, message in (
        ("youtube", {}, "there is no conversion 'youtube': choose one of youtube-vos"),
        ("youtube-vos", {}, r"train\.json is there already"),
        ("youtube-vos", {"split": "test"}, "youtube-vos converts train, valid, not 'test'"),
        ("youtube-vos", {"height": 720}, "--height means nothing to youtube-vos"),
        ("burst", {"every": 0}, "whole numbers from 1"),
        ("voc-20", {"to": tmp_path / "x"}, "--to means nothing here"),
        ("entityseg-panoptic", {}, r"holds no entityseg_panoptic_train\*\.json"),
        ("refcoco-mixed", {}, "refcoco is missing: the mix is of"),
    ):
        with pytest.raises(InputError, match=message):
            run(name, tmp_path, **options)
    with pytest.raises(InputError, match="nowhere is missing"):
        run("youtube-vos", tmp_path / "nowhere")
    run("youtube-vos", tmp_path, overwrite=True)


def test_every_conversion_is_tested_here():
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in CONVERTERS if f'run("{name}"' not in tested] == ["refcoco+", "refcocog"]


def test_a_converted_image_set_is_read_as_any_other(tmp_path):
    mini.refcoco(tmp_path, "refcocog")
    (path,) = convert("refcocog", Order(tmp_path, split="val"))
    assert [image.caption for image in images.read(path).images] == ["sentence 0 of 1"]
