"""Every layout is read into records that say what the files say, and what cannot be read is one clear line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import miniature as mini
import numpy as np
import pytest
from pycocotools import mask as coco

from singleout.data import (
    actions,
    cocovid,
    davis,
    images,
    panoptic,
    refcoco,
    referring,
    semantic,
    viposeg,
    vspw,
    ytvos,
)
from singleout.errors import InputError


def names_of(videos):
    return [video.name for video in videos]


def test_davis(tmp_path):
    videos = davis.read(mini.davis(tmp_path))
    assert names_of(videos) == ["bear", "dog"]
    first = videos[0]
    assert first.frame_names == ("00000", "00001", "00002")
    assert list(first.given) == ["00000"]
    assert list(first.truth) == list(first.frame_names)
    assert all(path.is_file() for path in (*first.images, *first.given.values(), *first.truth.values()))
    assert first.frames_to_save() == first.frame_names


def test_davis_2016_as_released_lists_pairs_of_files(tmp_path):
    mini.davis(tmp_path)
    (tmp_path / "ImageSets/2016/val.txt").unlink()
    pairs = [f"/JPEGImages/480p/dog/{n:05d}.jpg /Annotations/480p/dog/{n:05d}.png" for n in range(3)]
    mini.lines(tmp_path / "ImageSets/480p/val.txt", *pairs)
    assert names_of(davis.read(tmp_path, year=2016)) == ["dog"]
    with pytest.raises(InputError, match=r"ImageSets.2017.test-dev\.txt is missing"):
        davis.read(tmp_path, split="test-dev")


def test_davis_without_lists_is_all_there_is(tmp_path):
    mini.davis(tmp_path)
    for path in sorted((tmp_path / "ImageSets").rglob("*.txt")):
        path.unlink()
    for folder in ("2016", "2017", ""):
        (tmp_path / "ImageSets" / folder).rmdir()
    assert names_of(davis.read(tmp_path)) == ["bear", "dog"]


def test_test_splits_of_davis_have_no_truth(tmp_path):
    mini.davis(tmp_path)
    mini.lines(tmp_path / "ImageSets/2017/test-dev.txt", "bear")
    (video,) = davis.read(tmp_path, split="test-dev")
    assert not video.truth and video.given


def test_youtube_vos_training_and_validation(tmp_path):
    videos = ytvos.read(mini.youtube_vos(tmp_path), split="train")
    second = videos[1]
    assert [(each.id, each.category, each.frames[0]) for each in second.objects] == [
        (1, "dog", "00000"),
        (2, "ape", "00010"),
    ]
    assert list(second.truth) == [f"{frame:05d}" for frame in range(0, 30, 5)]
    assert list(second.given) == ["00000", "00010"]
    mini.youtube_vos(tmp_path, "valid")
    (first, second) = ytvos.read(tmp_path)
    assert not first.truth
    assert list(second.given) == ["00000", "00010"]
    (first, _) = ytvos.read(tmp_path, truth=tmp_path / "train/Annotations")
    assert all(path.is_file() for path in first.truth.values())
    assert ytvos.seen_categories(tmp_path) == {"dog", "ape"}


def test_youtube_vos_at_full_rate(tmp_path):
    mini.youtube_vos(tmp_path, "valid")
    with pytest.raises(InputError, match=r"valid_all_frames.JPEGImages is missing"):
        ytvos.read(tmp_path, all_frames=True)
    for name in ("aaa", "bbb"):
        for frame in range(26):
            mini.photo(tmp_path / "valid_all_frames/JPEGImages" / name / f"{frame:05d}.jpg")
    video = ytvos.read(tmp_path, all_frames=True)[1]
    assert len(video.frame_names) == 26
    assert video.frames_to_save() == tuple(f"{frame:05d}" for frame in range(0, 30, 5))


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ({"0": {"frames": ["00000"]}}, "whole number from 1"),
        ({"1": {"frames": []}}, "lists no frame"),
        ({"1": {"frames": "00000"}}, "list of strings"),
        ({"1": []}, "expected a JSON object"),
    ],
)
def test_youtube_vos_with_a_damaged_meta_file(tmp_path, objects, message):
    mini.youtube_vos(tmp_path)
    meta = mini.write_json(tmp_path / "train/meta.json", {"videos": {"aaa": {"objects": objects}}})
    with pytest.raises(InputError, match=message) as refused:
        ytvos.read(tmp_path, split="train")
    assert str(refused.value).startswith(str(meta))


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    mini.youtube_vos(tmp_path)
    mini.write_json(tmp_path / "train/meta.json", {"videos": {"../aaa": {"objects": {}}}})
    with pytest.raises(InputError, match=r"'\.\./aaa'"):
        ytvos.read(tmp_path, split="train")
    listing = mini.tracks(tmp_path / "valid.json")
    content = json.loads(listing.read_text())
    content["videos"][0]["file_names"][0] = "../../secret.jpg"
    mini.write_json(listing, content)
    with pytest.raises(InputError, match="leaves the folder"):
        cocovid.read(listing)


def test_ref_youtube_vos_takes_the_test_videos_out(tmp_path):
    frames = {"aaa": ["00005", "00000"], "bbb": ["00000"]}
    mini.sentences(tmp_path, "valid", frames, objects=False)
    mini.sentences(tmp_path, "test", {"bbb": ["00000"]}, objects=False)
    (video,) = referring.read_ref_ytvos(tmp_path)
    assert video.name == "aaa"
    assert video.frame_names == ("00000", "00005")
    assert [(each.id, each.object_ids) for each in video.sentences] == [("0", ()), ("1", ())]
    assert not video.truth
    assert names_of(referring.read_ref_ytvos(tmp_path, split="test")) == ["bbb"]


def test_ref_youtube_vos_with_truth(tmp_path):
    mini.sentences(tmp_path, "valid", {"aaa": ["00000"]}, objects=True)
    (video,) = referring.read_ref_ytvos(tmp_path)
    assert video.truth == {"00000": tmp_path / "valid/Annotations/aaa/00000.png"}
    assert video.sentences[1].object_ids == (2,)
    mini.numbers(tmp_path / "truth/aaa/1/00000.png", mini.squares({255: (0, 0, 2, 2)}))
    (video,) = referring.read_ref_ytvos(tmp_path, truth=tmp_path / "truth")
    assert not video.truth
    assert video.sentence_truth["1"]["00000"] == tmp_path / "truth/aaa/1/00000.png"


def test_ref_davis_as_released_and_converted(tmp_path):
    mini.davis(tmp_path, unsupervised=True)
    mini.davis_texts(tmp_path / "davis_text_annotations")
    video = referring.read_ref_davis(tmp_path)[1]
    assert [(each.id, each.object_ids, each.annotator) for each in video.sentences] == [
        (str(number), (number // 4 + 1,), number % 4) for number in range(8)
    ]
    assert video.sentences[5].text == "Davis17_annot1_full_video says 2 of dog"
    assert all(path.is_file() for path in video.truth.values())
    texts = tmp_path / "davis_text_annotations/Davis17_annot2.txt"
    texts.write_text(texts.read_text().replace("dog 2", "dog 3"))
    with pytest.raises(InputError, match="not in all four files"):
        referring.read_ref_davis(tmp_path)


def test_ref_davis_sentences_must_fit_their_numbers(tmp_path):
    told = {str(key): {"exp": "a", "obj_id": "1"} for key in range(5)}
    content = {"videos": {"bear": {"expressions": told, "frames": ["00000"]}}}
    mini.write_json(tmp_path / "meta_expressions/valid/meta_expressions.json", content)
    with pytest.raises(InputError, match="sentence 4 is of object 1, but by its number of 2"):
        referring.read_ref_davis(tmp_path)


def test_mevis(tmp_path):
    (video,) = referring.read_mevis(mini.mevis(tmp_path))
    both, nobody = video.sentences
    assert both.object_ids == (0, 1) and both.mask_ids == ("4", "5")
    assert nobody.object_ids == () and nobody.mask_ids == ()
    assert set(video.masks) == {"4", "5"}
    assert video.masks["4"][1] is None
    assert coco.area(video.masks["4"][0]) == 16
    assert not referring.read_mevis(tmp_path, masks=False)[0].masks
    codes = tmp_path / "valid_u/mask_dict.json"
    mini.write_json(codes, {"4": [None], "5": [None, None]})
    with pytest.raises(InputError, match="expected a list of 2 masks"):
        referring.read_mevis(tmp_path)
    mini.write_json(codes, {"4": [None, None]})
    with pytest.raises(InputError, match="has no mask '5'"):
        referring.read_mevis(tmp_path)


def test_tracks(tmp_path):
    mini.tracks(tmp_path / "valid.json")
    listed = cocovid.read_ytvis(tmp_path)
    assert [category.name for category in listed.categories] == ["c1", "c2"]
    video = listed.videos[0]
    assert (video.name, video.id, video.length) == ("v1", 1, 3)
    assert video.images[1] == tmp_path / "valid/JPEGImages/v1/00005.jpg"
    track = listed.annotations[1]
    assert track.segmentations[2] is None and track.boxes[2] is None and track.areas[2] is None
    assert track.boxes[1] == (3.0, 2.0, 4.0, 4.0)
    assert coco.area(track.segmentations[0]) == 16
    mini.tracks(tmp_path / "val_instances.json", annotated=False)
    assert cocovid.read_lvvis(tmp_path).annotations is None


def test_codes_of_every_kind_mean_the_same(tmp_path):
    listing = mini.tracks(tmp_path / "all.json", videos=1, categories=1)
    content = json.loads(listing.read_text())
    plain = mini.squares({1: (1, 1, 4, 4)}).T.reshape(-1)
    starts = np.flatnonzero(np.diff(plain, prepend=0, append=0))
    runs = np.diff([0, *starts, plain.size]).tolist()
    content["annotations"][0]["segmentations"] = [
        {"size": [mini.HEIGHT, mini.WIDTH], "counts": runs},
        [[1, 1, 5, 1, 5, 5, 1, 5]],
        mini.rle(mini.squares({1: (1, 1, 4, 4)}), 1),
    ]
    (track,) = cocovid.read(mini.write_json(listing, content)).annotations
    masks = [coco.decode(code) for code in track.segmentations]
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_id": 9}, "there is no video 9"),
        ({"category_id": 9}, "category 9 is not in"),
        ({"score": float("nan")}, 'finite number as "score", got nan'),
        ({"score": "0.5"}, "finite number"),
        ({"segmentations": [None]}, '1 entries in "segmentations" for the 3 frames'),
        ({"segmentations": None}, 'expected a list as "segmentations"'),
    ],
)
def test_results_of_tracks_that_cannot_be_scored(tmp_path, change, message):
    truth = cocovid.read(mini.tracks(tmp_path / "gt.json"))
    entry = {"video_id": 1, "category_id": 1, "score": 0.5, "segmentations": [None] * 3}
    path = mini.write_json(tmp_path / "results.json", [entry])
    assert cocovid.read_results(path, truth)[0].score == 0.5
    mini.write_json(path, [entry, entry | change])
    with pytest.raises(InputError, match=message) as refused:
        cocovid.read_results(path, truth)
    assert str(path) in str(refused.value)


def test_a_truncated_file_is_named(tmp_path):
    path = mini.tracks(tmp_path / "gt.json")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"gt\.json is not a whole JSON file"):
        cocovid.read(path)


def test_raw_vipseg(tmp_path):
    videos = panoptic.read_raw_vipseg(mini.vipseg_raw(tmp_path))
    assert names_of(videos) == ["0_a", "1_b"]
    assert len(videos[0].masks) == 3
    category, instance = panoptic.decode_raw(np.array([[0, 1, 124, 125, 199, 6100, 6101]], np.int32))
    assert category.tolist() == [[0, 1, 124, 1, 1, 61, 61]]
    assert instance.tolist() == [[0, 0, 0, 25, 99, 0, 1]]


def test_coco_and_lvis(tmp_path):
    listed = images.read_coco(mini.coco(tmp_path))
    polygon, crowd = listed.annotations
    assert coco.area(polygon.segmentation) == 16
    assert crowd.iscrowd and coco.area(crowd.segmentation) == 3 * mini.HEIGHT
    found = panoptic.read_coco_panoptic(tmp_path)
    assert found.image_ids == (7, 9)
    assert [segment.id for segment in found.frames[0].segments] == [300, 70000]
    assert found.frames[0].picture.is_file() and found.frames[0].image.is_file()
    (image,) = images.read_lvis(mini.lvis(tmp_path)).images
    assert image.path == tmp_path / "val2017/000000000007.jpg"
    assert image.neg_category_ids == (2,) and image.not_exhaustive_category_ids == (3,)


def test_image_results(tmp_path):
    truth = images.read_coco(mini.coco(tmp_path))
    code = mini.rle(mini.squares({1: (1, 1, 4, 4)}), 1)
    path = mini.write_json(
        tmp_path / "results.json", [{"image_id": 7, "category_id": 18, "score": 1, "segmentation": code}]
    )
    (result,) = images.read_results(path, truth)
    assert result.box is None and coco.area(result.segmentation) == 16
    mini.write_json(path, [{"image_id": 8, "category_id": 18, "score": 1, "bbox": [0, 0, 1, 1]}])
    with pytest.raises(InputError, match="there is no image 8"):
        images.read_results(path, truth)


def test_vspw_and_viposeg(tmp_path):
    videos = vspw.read(mini.vspw(tmp_path / "vspw"))
    assert names_of(videos) == ["10_x", "2_y"]
    assert all(path.is_file() for path in (*videos[0].images, *videos[0].masks))
    videos = viposeg.read(mini.viposeg(tmp_path / "viposeg"))
    assert [(each.id, each.category_id) for each in videos[0].objects] == [(1, 92), (2, 3)]
    assert list(videos[0].given) == ["00000000"]
    assert len(videos[0].truth) == 3


def test_a2d(tmp_path):
    mini.a2d(tmp_path)
    samples = actions.read_a2d(tmp_path)
    assert [(each.id, each.text) for each in samples] == [
        ("v_vid_a_f_10_i_0", "a man, who runs"),
        ("v_vid_a_f_30_i_0", "a man, who runs"),
        ("v_vid_a_f_10_i_1", "dog on the left"),
    ]
    assert np.array_equal(actions.read_a2d_mask(samples[2]), mini.squares({1: (8, 2, 3, 3)}) > 0)
    assert np.array_equal(actions.read_a2d_mask(samples[1]), mini.squares({1: (1, 1, 4, 9)}) > 0)
    assert [each.id for each in actions.read_a2d(tmp_path, split="train")] == ["v_vid_b_f_10_i_0"]
    listing = mini.write_json(tmp_path / "samples.json", [["dog on the left", "vid_a", 10, 1]])
    assert actions.read_a2d(tmp_path, samples=listing) == (samples[2],)


def test_jhmdb(tmp_path):
    samples = actions.read_jhmdb(mini.jhmdb(tmp_path))
    assert [each.id for each in samples[:3]] == [f"v_catch_ball_f_{frame}" for frame in (1, 3, 4)]
    assert samples[1].source == tmp_path / "Rename_Images/catch/catch_ball/00003.png"
    assert np.array_equal(actions.read_jhmdb_mask(samples[1]), mini.squares({1: (1, 3, 5, 3)}) > 0)
    rows = [["a", "Rename_Images/../x/00001.png", "puppet_mask/x.mat", 1, "text"]]
    listing = mini.write_json(tmp_path / "other.json", rows)
    with pytest.raises(InputError, match="expected a path with the folder Rename_Images"):
        actions.read_jhmdb(tmp_path, samples=listing)


def test_refcoco_raw(tmp_path):
    listed, references = refcoco.read_raw(mini.refcoco(tmp_path), "refcoco")
    assert [each.split for each in references] == ["train", "val"]
    assert [each.text for each in references[0].sentences] == ["sentence 0 of 0", "sentence 1 of 0"]
    assert references[0].annotation_id == listed.annotations[0].id


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("/tmp/singleout-evil"),))


@pytest.mark.parametrize("content", [[Evil()], [np.float64(1.0)], {1, 2}])
def test_a_pickle_that_wants_more_than_plain_values_is_refused(tmp_path, content):
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match="cannot be read as plain values: it asks for"):
        refcoco.read_plain_pickle(path)
    assert not Path("/tmp/singleout-evil").exists()


def test_a_pickle_that_is_cut_off_is_refused(tmp_path):
    mini.refcoco(tmp_path)
    path = tmp_path / "refcoco/refs(unc).p"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"refs\(unc\)\.p cannot be read"):
        refcoco.read_raw(tmp_path, "refcoco")


def test_semantic_layouts(tmp_path):
    folder = tmp_path / "ADEChallengeData2016"
    mini.numbers(folder / "annotations_detectron2/validation/a.png", mini.squares({149: (0, 0, 2, 2)}), palette=False)
    listed = semantic.read(tmp_path, "ade20k_150")
    assert listed.images[0].image == folder / "images/validation/a.jpg"
    assert listed.ignore == 255 and len(listed.class_names) == 150
    assert len(semantic.layout_of("ade20k_847").class_names) == 847
    with pytest.raises(InputError, match="choose one of ade20k_150"):
        semantic.read(tmp_path, "ade")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (davis.read, r"JPEGImages.480p \(or Annotations.480p\) is missing"),
        (ytvos.read, r"valid is missing"),
        (referring.read_ref_ytvos, r"meta_expressions.json is missing"),
        (cocovid.read_ytvis, r"valid\.json \(or .*\) is missing"),
        (panoptic.read_vipseg, r"panoptic_gt_VIPSeg_val\.json is missing"),
        (vspw.read, r"val\.txt is missing"),
        (viposeg.read, r"valid is missing"),
        (actions.read_a2d, r"a2d_annotation_with_instances .* is missing"),
        (images.read_coco, r"instances_val2017\.json .* is missing"),
        (lambda root: refcoco.read_raw(root, "refcoco"), r"refs\(unc\)\.p is missing"),
        (lambda root: semantic.read(root, "pascal_voc_20"), r"annotations_detectron2.val is missing"),
    ],
)
def test_an_empty_folder_is_told_by_what_it_lacks(tmp_path, read, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_a_folder_one_level_too_high_is_told(tmp_path):
    mini.davis(tmp_path / "DAVIS")
    with pytest.raises(InputError, match=r"DAVIS has it: give that folder"):
        davis.read(tmp_path)
    mini.vspw(tmp_path / "VSPW_480p")
    with pytest.raises(InputError, match=r"VSPW_480p has it: give that folder"):
        vspw.read(tmp_path)


@pytest.mark.needs_shared
def test_official_files_are_read(shared):
    root = shared / "reference" / "metrics"
    assert len(davis.read(shared / "davis16", year=2016)) == 12
    for name in ("ytvis", "lvvis"):
        truth = cocovid.read(root / "ytvis" / f"{name}-gt.json")
        assert cocovid.read_results(root / "ytvis" / f"{name}-results.json", truth)
    assert len(panoptic.read_vipseg(root / "vipseg/VIPSeg_720P").videos) == 3
    assert len(panoptic.read_videos(root / "vipseg/pred/pred.json", root / "vipseg/pred/pan_pred").videos) == 3
    for name in ("a2d", "lvis", "refcoco"):
        assert images.read(root / name / "gt.json").annotations
