"""Development sets: by rule, always the same, and readable by the readers as a split of their own."""

from __future__ import annotations

import json

import miniature as mini
import pytest

from singleout.data import cocovid, davis, images, panoptic, referring, viposeg, vspw
from singleout.data.split import Amount, dev_set, halves, held_out, write
from singleout.errors import InputError

TEN = tuple(f"{key:02d}_v" for key in range(10))


def cut(name, root, **options):
    return write(dev_set(name, root, **options))


def names_of(videos):
    return [video.name for video in videos]


def test_davis(tmp_path):
    mini.davis(tmp_path, names=TEN, frames=1)
    (path,) = cut("davis2017", tmp_path)
    assert path == tmp_path / "ImageSets/2017/val_dev.txt"
    assert names_of(davis.read(tmp_path, split="val_dev")) == ["00_v", "01_v"]
    assert davis.read(tmp_path, split="val_dev") == davis.read(tmp_path)[:2]


def test_amounts(tmp_path):
    mini.davis(tmp_path, names=TEN, frames=1)
    write(dev_set("davis2017", tmp_path, amount=Amount(count=7)))
    assert len(davis.read(tmp_path, split="val_dev")) == 7
    write(dev_set("davis2017", tmp_path, amount=Amount(0.05)), overwrite=True)
    assert len(davis.read(tmp_path, split="val_dev")) == 1, "a part has at least one"
    for amount in (Amount(count=10), Amount(count=0), Amount(1.0), Amount(count=-1)):
        with pytest.raises(InputError, match="a part of it has fewer"):
            dev_set("davis2017", tmp_path, amount=amount)


def test_nothing_is_replaced_unasked(tmp_path):
    mini.davis(tmp_path, names=TEN, frames=1)
    (path,) = cut("davis2017", tmp_path)
    before = path.read_text()
    with pytest.raises(InputError, match=r"val_dev\.txt is there already"):
        cut("davis2017", tmp_path)
    write(dev_set("davis2017", tmp_path), overwrite=True)
    assert path.read_text() == before


def test_vspw_is_cut_in_sorted_order_and_ends_in_a_newline(tmp_path):
    mini.vspw(tmp_path, names=tuple(reversed(TEN)))
    (path,) = cut("vspw", tmp_path, amount=Amount(count=3))
    assert path.read_bytes() == b"00_v\n01_v\n02_v\n"
    assert names_of(vspw.read(tmp_path, split="val_dev")) == ["00_v", "01_v", "02_v"]


def test_vipseg_raw_and_converted(tmp_path):
    mini.vipseg_raw(tmp_path, names=TEN)
    cut("vipseg-raw", tmp_path)
    assert names_of(panoptic.read_raw_vipseg(tmp_path, split="val_dev")) == ["00_v", "01_v"]
    content = {
        "videos": [{"video_id": name, "images": []} for name in TEN],
        "annotations": [{"video_id": name, "annotations": []} for name in TEN],
        "categories": [{"id": 0, "name": "wall", "isthing": 0}],
    }
    mini.write_json(tmp_path / "panoptic_gt_VIPSeg_val.json", content)
    cut("vipseg", tmp_path)
    assert names_of(panoptic.read_vipseg(tmp_path, split="val_dev").videos) == ["00_v", "01_v"]


def test_sentences_leave_the_test_videos_out_before_they_count(tmp_path):
    mini.sentences(tmp_path, "valid", {name: ["00000"] for name in TEN}, objects=False)
    mini.sentences(tmp_path, "test", {name: ["00000"] for name in TEN[:5]}, objects=False)
    cut("ref-youtube-vos", tmp_path, amount=Amount(0.4))
    videos = referring.read_ref_ytvos(tmp_path, split="valid_dev")
    assert names_of(videos) == ["05_v", "06_v"]
    assert videos[0].images[0] == tmp_path / "valid/JPEGImages/05_v/00000.jpg"


def test_ref_davis_as_released_uses_the_list_of_davis(tmp_path):
    mini.davis(tmp_path, names=TEN, frames=1, unsupervised=True)
    mini.davis_texts(tmp_path / "davis_text_annotations", names=TEN)
    cut("ref-davis", tmp_path)
    assert names_of(referring.read_ref_davis(tmp_path, split="valid_dev")) == ["00_v", "01_v"]


def test_viposeg_with_and_without_meta(tmp_path):
    for meta in (True, False):
        root = mini.viposeg(tmp_path / str(meta), meta=meta)
        cut("viposeg", root, amount=Amount(0.67))
        videos = viposeg.read(root, split="valid_dev")
        assert names_of(videos) == ["0_a", "1_b"]
        assert videos[0].objects[0].category_id == 92
        assert len(videos[0].truth) == 3


def test_mevis(tmp_path):
    mini.mevis(tmp_path)
    path = tmp_path / "valid_u/meta_expressions.json"
    content = json.loads(path.read_text())
    content["videos"]["other"] = content["videos"]["vid"]
    mini.write_json(path, content)
    cut("mevis", tmp_path, amount=Amount(count=1))
    (video,) = referring.read_mevis(tmp_path, split="valid_u_dev")
    assert video.name == "vid" and video.masks


def test_annotations_of_videos_and_images(tmp_path):
    mini.tracks(tmp_path / "val_instances.json", videos=5)
    cut("lv-vis", tmp_path)
    listed = cocovid.read_lvvis(tmp_path, split="val_dev")
    assert [video.id for video in listed.videos] == [1]
    assert {track.video_id for track in listed.annotations} == {1}
    assert listed.videos[0].images[0].parent == tmp_path / "val/JPEGImages/v1"
    mini.coco(tmp_path)
    cut("coco", tmp_path, amount=Amount(count=1))
    small = images.read_coco(tmp_path, split="val2017_dev")
    assert [image.id for image in small.images] == [7] and len(small.annotations) == 1
    assert small.images[0].path.is_file()
    cut("coco-panoptic", tmp_path, amount=Amount(count=1))
    frames = panoptic.read_coco_panoptic(tmp_path, split="val2017_dev").frames
    assert [frame.picture.is_file() for frame in frames] == [True]


def test_halves_follow_the_rule(tmp_path):
    """40 videos, 2 categories: n = 2 * 4 // 2 = 4. Each video has a track of both; the first one decides."""
    path = mini.tracks(tmp_path / "train.json", videos=40)
    content = json.loads(path.read_text())
    # A category holds 4 + 1 annotations before it is full: those of videos 1 to 5, but 3 is too long.
    content["videos"][2]["length"] = 101
    held = held_out(content, path)
    assert held == {1, 2, 4, 5, 6}
    # Twice as many for OVIS: n = 8.
    assert held_out(content, path, crowded=True) == {1, 2, *range(4, 11)}


def test_halves_by_the_category_of_the_first_annotation(tmp_path):
    videos = [{"id": key, "length": 5} for key in range(1, 21)]
    order = [(1, 1), (2, 1), (2, 1), (3, 1), (4, 1), (5, 2), (3, 2), (6, 1)]
    content = {
        "videos": videos,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [{"video_id": video, "category_id": category} for video, category in order],
    }
    # n = 2 * int(2.0) // 2 = 2. Videos 1 and 2 have three of category 1, so 3, 4 and 6 stay; 5 is of category 2.
    assert held_out(content, tmp_path / "x.json") == {1, 2, 5}


def test_both_halves_are_read_with_the_frames_of_training(tmp_path):
    mini.tracks(tmp_path / "train.json", videos=40)
    files = write(halves("ytvis-2021", tmp_path))
    assert [path.name for path in files] == ["train_sub.json", "valid_sub.json"]
    train, valid = (cocovid.read_ytvis(tmp_path, split=split) for split in ("train_sub", "valid_sub"))
    ids = [{video.id for video in part.videos} for part in (train, valid)]
    assert ids[0] | ids[1] == set(range(1, 41)) and not ids[0] & ids[1]
    assert len(valid.annotations) == 2 * len(valid.videos)
    assert valid.videos[0].images[0].parent == tmp_path / "train/JPEGImages/v1"
    assert halves("ytvis-2021", tmp_path) == {path: path.read_text() for path in files}, "nothing is drawn at random"


def test_what_has_no_part_is_refused(tmp_path):
    with pytest.raises(InputError, match="ytvis-2019 has no development set; these have one: davis2016"):
        dev_set("ytvis-2019", tmp_path)
    with pytest.raises(InputError, match="lv-vis is not cut into halves"):
        halves("lv-vis", tmp_path)
    mini.tracks(tmp_path / "train.json", annotated=False)
    with pytest.raises(InputError, match=r'train\.json: expected a list of JSON objects as "annotations"'):
        halves("ovis", tmp_path)
