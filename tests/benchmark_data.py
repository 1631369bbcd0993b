"""Small data sets in the layouts of benchmarks: two squares that move on grey, a red one (1) and a blue one (2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

NUM_FRAMES, HEIGHT, WIDTH = 6, 32, 48
Ids = npt.NDArray[np.uint8]


def frames_and_ids(num_frames: int = NUM_FRAMES) -> tuple[npt.NDArray[np.uint8], Ids]:
    """Frames (num_frames, height, width, 3) and the true ids (num_frames, height, width)."""
    frames = np.full((num_frames, HEIGHT, WIDTH, 3), 120, np.uint8)
    ids = np.zeros((num_frames, HEIGHT, WIDTH), np.uint8)
    for index in range(num_frames):
        for number, colour, top, left in ((1, (220, 30, 30), 4, 4 * index), (2, (30, 60, 220), 20, 36 - 4 * index)):
            where = (index, slice(top, top + 8), slice(left, left + 8))
            frames[where], ids[where] = colour, number
    return frames, ids


def write_frames(folder: Path, names: Sequence[str]) -> None:
    """The frames as JPEGs of these names."""
    folder.mkdir(parents=True)
    for name, frame in zip(names, frames_and_ids(len(names))[0], strict=True):
        Image.fromarray(frame).save(folder / f"{name}.jpg", quality=95)


def write_ids(folder: Path, names: Sequence[str], ids: npt.NDArray[Any]) -> None:
    """Pictures of ids, (num_frames, height, width), as grey PNGs of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, each in zip(names, ids, strict=True):
        Image.fromarray(np.asarray(each, np.uint8)).save(folder / f"{name}.png")


def names_of(step: int = 1, num_frames: int = NUM_FRAMES) -> list[str]:
    """00000, 00001, … or in steps of five, as YouTube-VOS names them."""
    return [f"{step * index:05d}" for index in range(num_frames)]


def davis(
    root: Path, sequences: Sequence[str] = ("one", "two"), year: int = 2017, num_frames: int = NUM_FRAMES
) -> Path:
    """DAVIS; the masks of 2016 hold 0 and 255."""
    names = names_of(num_frames=num_frames)
    ids = frames_and_ids(num_frames)[1]
    for sequence in sequences:
        write_frames(root / "JPEGImages" / "480p" / sequence, names)
        masks = np.where(ids > 0, 255, 0) if year == 2016 else ids
        for folder in ("Annotations", "Annotations_unsupervised"):
            write_ids(root / folder / "480p" / sequence, names, masks)
    for each in (2016, 2017):
        listing = root / "ImageSets" / str(each) / "val.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("".join(f"{name}\n" for name in sequences))
    return root


def ref_davis(root: Path) -> Path:
    """Ref-DAVIS17, converted: one video, two objects, four sentences each."""
    names, ids = names_of(), frames_and_ids()[1]
    write_frames(root / "valid" / "JPEGImages" / "one", names)
    write_ids(root / "valid" / "Annotations" / "one", names, ids)
    colours = ("red", "blue")
    expressions = {str(4 * k + a): {"exp": f"the {colours[k]} square"} for k in range(2) for a in range(4)}
    return _meta_expressions(root, "valid", {"one": {"expressions": expressions, "frames": names}})


def youtube_vos(root: Path) -> Path:
    """YouTube-VOS, its training split: the blue square enters in the second annotated frame, a later one is unseen."""
    names, ids = names_of(5), frames_and_ids()[1]
    write_frames(root / "train" / "JPEGImages" / "one", names)
    write_ids(root / "train" / "Annotations" / "one", names, ids)
    objects = {"1": {"category": "thing", "frames": names}, "2": {"category": "thing", "frames": names[1:]}}
    (root / "train" / "meta.json").write_text(json.dumps({"videos": {"one": {"objects": objects}}}))
    return root


def ref_youtube_vos(root: Path, split: str = "train") -> Path:
    """Ref-YouTube-VOS: a video with three sentences, two of which mean the red square."""
    names, ids = names_of(5), frames_and_ids()[1]
    write_frames(root / split / "JPEGImages" / "one", names)
    if split == "train":
        write_ids(root / split / "Annotations" / "one", names, ids)
    said = {"0": ("the red square", "1"), "1": ("blue one", "2"), "2": ("what is red", "1")}
    expressions = {
        key: {"exp": text, **({"obj_id": number} if split == "train" else {})} for key, (text, number) in said.items()
    }
    return _meta_expressions(root, split, {"one": {"expressions": expressions, "frames": names}})


def mevis(root: Path) -> Path:
    """MeViS: a sentence that means both squares, and one that means none."""
    names, ids = names_of(), frames_and_ids()[1]
    folder = root / "valid_u"
    write_frames(folder / "JPEGImages" / "one", names)
    expressions = {
        "0": {"exp": "the red square and the other", "obj_id": [0, 1], "anno_id": [0, 1]},
        "1": {"exp": "red things that rest", "obj_id": [], "anno_id": []},
    }
    content = {"videos": {"one": {"expressions": expressions, "frames": names}}}
    (folder / "meta_expressions.json").write_text(json.dumps(content))
    masks = {str(number - 1): [rle(each == number) for each in ids] for number in (1, 2)}
    (folder / "mask_dict.json").write_text(json.dumps(masks))
    return root


def ytvis(root: Path, *, lvvis: bool = False) -> Path:
    """YouTube-VIS, or LV-VIS, with the categories red (1) and blue (2)."""
    names, ids = names_of(5), frames_and_ids()[1]
    split, listing = ("val", "val_instances.json") if lvvis else ("valid", "valid.json")
    write_frames(root / split / "JPEGImages" / "one", names)
    categories = [
        {"id": number, "name": name, "supercategory": "object", **({"partition": 2 * number - 2} if lvvis else {})}
        for number, name in ((1, "red"), (2, "blue"))
    ]
    videos = [
        {
            "id": 7,
            "width": WIDTH,
            "height": HEIGHT,
            "length": NUM_FRAMES,
            "file_names": [f"one/{name}.jpg" for name in names],
        }
    ]
    annotations = [
        {
            "id": number,
            "video_id": 7,
            "category_id": number,
            "iscrowd": 0,
            "segmentations": [rle(each == number) for each in ids],
            "bboxes": [[0, 0, 4, 4]] * NUM_FRAMES,
            "areas": [int((each == number).sum()) for each in ids],
            "width": WIDTH,
            "height": HEIGHT,
        }
        for number in (1, 2)
    ]
    content = {"videos": videos, "categories": categories, "annotations": annotations}
    (root / listing).write_text(json.dumps(content))
    return root


def images(root: Path) -> Path:
    """COCO val2017 with two pictures and the categories red (1) and blue (2)."""
    frames, ids = frames_and_ids(2)
    (root / "val2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    listed, annotations = [], []
    for place, (frame, each) in enumerate(zip(frames, ids, strict=True), 1):
        Image.fromarray(frame).save(root / "val2017" / f"{place:012d}.jpg", quality=95)
        listed.append({"id": place, "file_name": f"{place:012d}.jpg", "height": HEIGHT, "width": WIDTH})
        annotations += [
            {
                "id": 10 * place + number,
                "image_id": place,
                "category_id": number,
                "iscrowd": 0,
                "area": int((each == number).sum()),
                "bbox": box(each == number),
                "segmentation": rle(each == number),
            }
            for number in (1, 2)
        ]
    categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    return root


def refcoco(root: Path) -> Path:
    """RefCOCO val, converted: a picture with two sentences."""
    frames, ids = frames_and_ids(1)
    (root / "train2014").mkdir(parents=True)
    Image.fromarray(frames[0]).save(root / "train2014" / "picture.jpg", quality=95)
    entry = {"file_name": "picture.jpg", "height": HEIGHT, "width": WIDTH, "dataset_name": "refcoco"}
    said = ("red square", "the blue one")
    content = {
        "images": [{"id": number, "original_id": 5, "caption": said[number - 1], **entry} for number in (1, 2)],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "area": int((ids[0] == number).sum()),
                "bbox": box(ids[0] == number),
                "segmentation": rle(ids[0] == number),
            }
            for number in (1, 2)
        ],
        "categories": [{"id": 1, "name": "object"}],
    }
    (root / "instances_refcoco_val.json").write_text(json.dumps(content))
    return root


def a2d(root: Path) -> Path:
    """A2D-Sentences: a video of six frames; its first and fourth are annotated, the fourth with the red square only."""
    import h5py
    from tests.conftest import encode

    frames, ids = frames_and_ids()
    (root / "Release" / "clips320H").mkdir(parents=True)
    encode(root / "Release" / "clips320H" / "one.mp4", frames)
    (root / "Release" / "videoset.csv").write_text(f"one,11,0:00:01,0:00:03,{HEIGHT},{WIDTH},{len(frames)},2,1\n")
    texts = root / "text_annotations"
    masks = texts / "a2d_annotation_with_instances" / "one"
    masks.mkdir(parents=True)
    (texts / "a2d_annotation.txt").write_text("video_id,instance_id,query\none,0,A red square\none,1,the  Blue one\n")
    for frame, shown in ((1, (1, 2)), (4, (1,))):
        with h5py.File(masks / f"{frame:05d}.h5", "w") as file:
            file["instance"] = np.array(shown, np.float64) - 1
            # As MATLAB writes them: columns first, and a single mask without its first axis.
            stored = np.stack([(ids[frame - 1] == number).T for number in shown]).astype(np.uint8)
            file["reMask"] = stored if len(shown) > 1 else stored[0]
    return root


def jhmdb(root: Path) -> Path:
    """JHMDB-Sentences: a video of four frames, two samples of one sentence."""
    from scipy.io import savemat

    frames, ids = frames_and_ids(4)
    folder = root / "Rename_Images" / "wave" / "one"
    folder.mkdir(parents=True)
    for place, frame in enumerate(frames, 1):
        Image.fromarray(frame).save(folder / f"{place:05d}.png")
    masks = root / "puppet_mask" / "wave" / "one" / "puppet_mask.mat"
    masks.parent.mkdir(parents=True)
    savemat(masks, {"part_mask": np.moveaxis((ids == 1).astype(np.uint8), 0, 2)})
    samples = [
        [
            "one",
            f"/x/Rename_Images/wave/one/{place:05d}.png",
            "/x/puppet_mask/wave/one/puppet_mask.mat",
            4,
            "red square",
        ]
        for place in (2, 4)
    ]
    (root / "jhmdb_sentences_samples_metadata.json").write_text(json.dumps(samples))
    return root


def vspw(root: Path) -> Path:
    """VSPW: one video of six frames, whose squares are of the classes 1 and 2 and all else of 3."""
    names, ids = names_of(), frames_and_ids()[1]
    write_frames(root / "data" / "one" / "origin", names)
    write_ids(root / "data" / "one" / "mask", names, np.where(ids == 0, 3, ids))
    (root / "val.txt").write_text("one\n")
    return root


def vipseg(root: Path) -> Path:
    """VIPSeg, converted: the red square is a thing of category 60, the rest stuff of category 3, the blue one void."""
    from singleout.vocabularies.categories import categories

    names, ids = names_of(), frames_and_ids()[1]
    write_frames(root / "images" / "one", names)
    segment_ids = np.select([ids == 0, ids == 1], [300, 70000], 0)
    folder = root / "panomasksRGB" / "one"
    folder.mkdir(parents=True)
    frames = []
    for name, each in zip(names, segment_ids, strict=True):
        channels = np.stack([each & 255, each >> 8 & 255, each >> 16], axis=-1).astype(np.uint8)
        Image.fromarray(channels).save(folder / f"{name}.png")
        segments = [
            {"id": number, "category_id": category, "iscrowd": 0, "area": int((each == number).sum())}
            for number, category in ((300, 3), (70000, 60))
        ]
        frames.append({"file_name": f"{name}.jpg", "image_id": name, "segments_info": segments})
    listed = [{"id": name, "width": WIDTH, "height": HEIGHT, "file_name": f"{name}.jpg"} for name in names]
    content = {
        "videos": [{"video_id": "one", "images": listed}],
        "annotations": [{"video_id": "one", "annotations": frames}],
        "categories": [
            {"id": each.id, "name": each.name, "isthing": int(bool(each.thing)), "color": list(each.color or (0, 0, 0))}
            for each in categories("vipseg")
        ],
    }
    (root / "panoptic_gt_VIPSeg_val.json").write_text(json.dumps(content))
    return root


def viposeg(root: Path) -> Path:
    """ViPOSeg: the red square is given in the first frame, the blue one in the third."""
    names, ids = names_of(), frames_and_ids()[1]
    folder = root / "valid"
    write_frames(folder / "JPEGImages" / "one", names)
    write_ids(folder / "Annotations_gt" / "one", names, ids)
    write_ids(folder / "Annotations" / "one", [names[0], names[2]], np.where(ids == [[[1]]], ids, 0)[[0, 0]])
    write_ids(folder / "Annotations" / "one", [names[2]], ids[[2]])
    (folder / "obj_class.json").write_text(json.dumps({"one": {"1": "58", "2": "62"}}))
    return root


def ade(root: Path) -> Path:
    """ADE20K-150: two pictures, squares of the classes 0 and 1, all else 2, and a row that is not scored."""
    frames, ids = frames_and_ids(2)
    pictures = root / "ADEChallengeData2016" / "images" / "validation"
    pictures.mkdir(parents=True)
    labels = np.where(ids == 0, 2, ids - 1)
    labels[:, 0] = 255
    for place, frame in enumerate(frames):
        Image.fromarray(frame).save(pictures / f"ADE_{place}.jpg", quality=95)
    write_ids(root / "ADEChallengeData2016" / "annotations_detectron2" / "validation", ["ADE_0", "ADE_1"], labels)
    return root


def rle(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """A run-length code as JSON files hold it."""
    from pycocotools import mask as coco

    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(mask.shape), "counts": code["counts"].decode()}


def box(mask: npt.NDArray[np.bool_]) -> list[float]:
    """x, y, width, height."""
    rows, columns = np.nonzero(mask)
    left, top = columns.min(), rows.min()
    return [float(left), float(top), float(columns.max() + 1 - left), float(rows.max() + 1 - top)]


def _meta_expressions(root: Path, split: str, videos: dict[str, Any]) -> Path:
    path = root / "meta_expressions" / split / "meta_expressions.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"videos": videos}))
    return root
