"""What is missing or wrong in a download is found, each on one line that names the place."""

from __future__ import annotations

import shutil

import miniature as mini
import numpy as np
import pytest
from PIL import Image

from singleout.data.check import Checking
from singleout.data.datasets import DATA_SETS
from singleout.errors import InputError


def problems(name, root, *, thorough=False, split=None):
    checking = Checking(name, root, split)
    seen = []
    found = list(checking.findings(thorough=thorough, on_file=lambda: seen.append(1)))
    assert len(seen) == checking.num_files
    return [str(finding) for finding in found if not finding.note]


def build(name, root):
    """A whole miniature of a data set in its layout."""
    if name.startswith("davis2017") or name == "davis2016":
        return mini.davis(root, unsupervised=name.endswith("unsupervised"))
    if name == "ref-davis":
        mini.davis_texts(root / "davis_text_annotations")
        return mini.davis(root, unsupervised=True)
    if name.startswith("youtube-vos") or name == "mose":
        return mini.youtube_vos(root, "valid")
    if name == "ref-youtube-vos":
        mini.youtube_vos(root, "valid")
        mini.sentences(root, "valid", {"aaa": ["00000", "00005"], "bbb": ["00010"]}, objects=False)
        return root
    if name in {"ytvis-2019", "ytvis-2021", "ovis"}:
        mini.tracks(root / "valid.json")
        frames = root / "valid/JPEGImages"
    elif name == "lv-vis":
        mini.tracks(root / "val_instances.json")
        frames = root / "val/JPEGImages"
    elif name == "lv-vis-images":
        image = {"id": 1, "file_name": "v1/00000.jpg", "height": mini.HEIGHT, "width": mini.WIDTH}
        mini.write_json(root / "image_val_instances.json", {"images": [image], "annotations": [], "categories": []})
        frames = root / "val/JPEGImages"
    else:
        return {
            "mevis": mini.mevis,
            "vipseg-raw": mini.vipseg_raw,
            "vspw": mini.vspw,
            "viposeg": mini.viposeg,
            "a2d-sentences": mini.a2d,
            "jhmdb-sentences": mini.jhmdb,
            "coco": mini.coco,
            "coco-panoptic": mini.coco,
            "lvis": mini.lvis,
            "refcoco": mini.refcoco,
        }[name](root)
    for video in ("v1", "v2"):
        for frame in ("00000", "00005", "00010"):
            mini.photo(frames / video / f"{frame}.jpg")
    return root


BUILT = [
    name
    for name in DATA_SETS
    if name not in {"vipseg", "refcoco+", "refcocog", "coco-stuff"} and not name.startswith(("ade", "pascal", "voc"))
]


@pytest.mark.parametrize("name", BUILT)
def test_a_whole_data_set_has_no_findings(name, tmp_path):
    split = "train" if name == "refcoco" else None
    assert problems(name, build(name, tmp_path), thorough=True, split=split) == []


# The frames of MOSE are known from the folder alone, those of A2D are in a video.
@pytest.mark.parametrize("name", [name for name in BUILT if name not in {"a2d-sentences", "mose"}])
def test_a_missing_frame_is_found(name, tmp_path):
    build(name, tmp_path)
    split = "train" if name == "refcoco" else DATA_SETS[name].splits[0]
    frame = next(each.path for each in DATA_SETS[name].files(tmp_path, split) if each.kind == "image")
    frame.unlink()
    found = problems(name, tmp_path, split=split)
    assert any(str(frame) in line and "is missing" in line for line in found), found


def test_frames_that_have_no_mask_and_no_picture_still_show_in_davis(tmp_path):
    mini.davis(tmp_path, frames=5)
    (tmp_path / "JPEGImages/480p/dog/00002.jpg").unlink()
    (tmp_path / "Annotations/480p/dog/00002.png").unlink()
    (line,) = problems("davis2017", tmp_path)
    assert line.startswith(f"{tmp_path}/JPEGImages/480p/dog/00002.jpg: is missing; download it again")


def test_a_sequence_that_is_listed_and_not_there(tmp_path):
    mini.davis(tmp_path)
    shutil.rmtree(tmp_path / "JPEGImages/480p/dog")
    shutil.rmtree(tmp_path / "Annotations/480p/dog")
    (line,) = problems("davis2017", tmp_path)
    advice = "download it again, or copy it from a whole copy of the data set"
    assert line == f"{tmp_path}/JPEGImages/480p/dog: is missing; {advice}"


def test_a_folder_that_is_missing_is_one_finding_with_the_archive_beside_it(tmp_path):
    mini.viposeg(tmp_path)
    shutil.rmtree(tmp_path / "valid/JPEGImages")
    (tmp_path / "valid/JPEGImages.zip").write_bytes(b"PK")
    (line,) = problems("viposeg", tmp_path)
    assert line == f"{tmp_path}/valid/JPEGImages: this folder is missing; unpack JPEGImages.zip, which lies beside it"
    (tmp_path / "valid/JPEGImages.zip").unlink()
    (tmp_path / "valid/inner/JPEGImages").mkdir(parents=True)
    (line,) = problems("viposeg", tmp_path)
    assert f"it lies in {tmp_path}/valid/inner" in line


def test_many_files_of_a_folder_are_one_line(tmp_path):
    mini.davis(tmp_path, frames=9)
    for frame in range(2, 7):
        (tmp_path / f"Annotations/480p/bear/{frame:05d}.png").unlink()
    (line,) = problems("davis2017", tmp_path)
    assert line.startswith(f"{tmp_path}/Annotations/480p/bear: 5 of 9 files, each of which is missing: 00002.png, ")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "is not a picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is damaged"),
        (mini.photo, "is in colour (mode RGB) where a palette or grey PNG is due"),
        (lambda path: mini.numbers(path, mini.squares({1: (0, 0, 2, 2)}, (6, 8))), "is 8x6 where 16x12 is due"),
    ],
)
def test_masks_that_cannot_be_used(tmp_path, spoil, message):
    mini.davis(tmp_path)
    path = tmp_path / "Annotations/480p/dog/00001.png"
    spoil(path)
    (line,) = problems("davis2017", tmp_path)
    assert line.startswith(f"{path}: {message}")


def test_a_jpeg_that_is_cut_off(tmp_path):
    mini.davis(tmp_path)
    path = tmp_path / "JPEGImages/480p/bear/00000.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    (line,) = problems("davis2017", tmp_path)
    assert line.startswith(f"{path}: is damaged")
    whole = tmp_path / "JPEGImages/480p/bear/00001.jpg"
    whole.write_bytes(whole.read_bytes() + b"\0" * 100)
    assert problems("davis2017", tmp_path) == [line]


def test_numbers_are_judged_when_asked(tmp_path):
    mini.davis(tmp_path / "davis")
    path = mini.numbers(
        tmp_path / "davis/Annotations/480p/dog/00002.png", mini.squares({7: (0, 0, 2, 2), 255: (4, 4, 2, 2)})
    )
    assert problems("davis2017", tmp_path / "davis") == []
    (line,) = problems("davis2017", tmp_path / "davis", thorough=True)
    assert line.startswith(f"{path}: has the number 7, which the first frame of the video does not have")
    mini.vspw(tmp_path / "vspw")
    mini.numbers(tmp_path / "vspw/data/2_y/mask/00000001.png", mini.squares({125: (0, 0, 2, 2)}))
    (line,) = problems("vspw", tmp_path / "vspw", thorough=True)
    assert "has the number 125, but classes are 1 to 124" in line
    mini.vipseg_raw(tmp_path / "vipseg")
    mini.numbers(tmp_path / "vipseg/panomasks/0_a/00000001.png", mini.squares({12500: (0, 0, 2, 2)}))
    (line,) = problems("vipseg-raw", tmp_path / "vipseg", thorough=True)
    assert "has the number 12500, whose category is none" in line


def test_panoptic_pictures_and_lists_must_agree(tmp_path):
    mini.coco(tmp_path)
    path = tmp_path / "annotations/panoptic_val2017/000000000007.png"
    mini.colored(path, mini.squares({300: (0, 0, 4, 6), 5: (5, 0, 4, 6)}))
    (line,) = problems("coco-panoptic", tmp_path, thorough=True)
    assert line.startswith(f"{path}: shows segment 5, which panoptic_val2017.json does not list")
    mini.colored(path, mini.squares({300: (0, 0, 4, 6)}))
    (line,) = problems("coco-panoptic", tmp_path, thorough=True)
    assert "does not show segment 70000, which panoptic_val2017.json lists" in line
    Image.fromarray(np.zeros((mini.HEIGHT, mini.WIDTH), np.uint8)).save(path)
    (line,) = problems("coco-panoptic", tmp_path)
    assert "has the mode L where an RGB PNG is due" in line


def test_images_of_another_size_than_the_file_states(tmp_path):
    mini.coco(tmp_path)
    path = mini.photo(tmp_path / "val2017/000000000009.jpg", (10, 16))
    (line,) = problems("coco", tmp_path)
    assert line.startswith(f"{path}: is 16x10 where 16x12 is due")


def test_actions(tmp_path):
    mini.a2d(tmp_path / "a2d")
    (tmp_path / "a2d/Release/clips320H/vid_a.mp4").unlink()
    masks = tmp_path / "a2d/text_annotations/a2d_annotation_with_instances/vid_a"
    for path in masks.glob("*.h5"):
        path.unlink()
    lines = problems("a2d-sentences", tmp_path / "a2d")
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / "a2d/Release/clips320H/vid_a.mp4"),
        str(masks),
    ]
    mini.jhmdb(tmp_path / "jhmdb")
    (tmp_path / "jhmdb/puppet_mask/catch/wave_hand/puppet_mask.mat").unlink()
    lines = problems("jhmdb-sentences", tmp_path / "jhmdb")
    assert lines and "puppet_mask.mat" in lines[0]


def test_a_part_is_noted_and_not_held_against_it(tmp_path):
    mini.davis(tmp_path)
    notes = [finding for finding in Checking("davis2017", tmp_path).findings() if finding.note]
    assert [note.problem for note in notes] == ["val has 2 videos, 30 are published"]


def test_what_cannot_be_checked_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no data set 'davis'"):
        Checking("davis", tmp_path)
    with pytest.raises(InputError, match="DAVIS 2017 has no split 'valid': choose one of val, train, test-dev"):
        Checking("davis2017", tmp_path, "valid")
    with pytest.raises(InputError, match="is no folder"):
        Checking("davis2017", tmp_path / "nowhere")
    mini.coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"instances_val2017\.json is not a whole JSON file"):
        Checking("coco", tmp_path)
