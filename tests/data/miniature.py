"""Data sets in their exact layouts, a few pixels small, made on the spot."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 12, 16
Boxes = dict[int, tuple[int, int, int, int]]


def photo(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(path)
    return path


def squares(boxes: Boxes, size: tuple[int, int] = (HEIGHT, WIDTH), background: int = 0) -> np.ndarray:
    """boxes: top, left, height, width by id; later ones lie on top."""
    ids = np.full(size, background, np.int32)
    for key, (top, left, height, width) in boxes.items():
        ids[top : top + height, left : left + width] = key
    return ids


def numbers(path: Path, ids: np.ndarray, *, palette: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids.astype(np.uint16 if ids.max() > 255 else np.uint8))
    if palette and ids.max() <= 255:
        picture.putpalette(list(range(256)) * 3)
    picture.save(path)
    return path


def colored(path: Path, ids: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(path)
    return path


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def lines(path: Path, *entries: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    return path


def davis(root: Path, *, names: tuple[str, ...] = ("bear", "dog"), frames: int = 3, unsupervised: bool = False) -> Path:
    folder = "Annotations_unsupervised" if unsupervised else "Annotations"
    for name in names:
        for frame in range(frames):
            photo(root / "JPEGImages/480p" / name / f"{frame:05d}.jpg")
            ids = squares({1: (2, 2 + frame, 4, 4), 2: (7, 9 - frame, 3, 5)})
            numbers(root / folder / "480p" / name / f"{frame:05d}.png", ids)
    lines(root / "ImageSets/2017/val.txt", *names)
    lines(root / "ImageSets/2016/val.txt", *names)
    return root


def davis_texts(folder: Path, names: tuple[str, ...] = ("bear", "dog"), objects: int = 2) -> Path:
    for part in ("Davis17_annot1", "Davis17_annot1_full_video", "Davis17_annot2", "Davis17_annot2_full_video"):
        entries = [f'{name} {key} "{part} says {key} of {name}"' for name in names for key in range(1, objects + 1)]
        lines(folder / f"{part}.txt", *entries)
    return folder


def youtube_vos(root: Path, split: str = "train") -> Path:
    """Two videos; object 2 of the second one enters late. Validation shows each object in its first frame only."""
    entries: dict[str, Any] = {}
    for name in ("aaa", "bbb"):
        frames = [f"{5 * place:05d}" for place in range(6)]
        late = frames[2:] if name == "bbb" else frames
        entries[name] = {
            "objects": {"1": {"category": "dog", "frames": frames}, "2": {"category": "ape", "frames": late}}
        }
        for place, frame in enumerate(frames):
            photo(root / split / "JPEGImages" / name / f"{frame}.jpg")
            boxes: Boxes = {1: (1, 1 + place, 4, 5)}
            if frame in late:
                boxes[2] = (7, 8 - place, 4, 3)
            shown = {
                key: box for key, box in boxes.items() if split == "train" or (frames if key == 1 else late)[0] == frame
            }
            if shown:
                numbers(root / split / "Annotations" / name / f"{frame}.png", squares(shown))
    write_json(root / split / "meta.json", {"videos": entries})
    return root


def sentences(root: Path, split: str, videos: dict[str, list[str]], *, objects: bool) -> Path:
    """videos: frames by name. Each has two sentences, of objects 1 and 2."""
    content = {
        name: {
            "expressions": {
                str(key): {"exp": f"the thing {key} of {name}", **({"obj_id": str(key + 1)} if objects else {})}
                for key in range(2)
            },
            "frames": frames,
        }
        for name, frames in videos.items()
    }
    return write_json(root / "meta_expressions" / split / "meta_expressions.json", {"videos": content})


def rle(ids: np.ndarray, key: int) -> dict[str, Any]:
    from pycocotools import mask as coco

    code = coco.encode(np.asfortranarray((ids == key).astype(np.uint8)))
    return {"size": list(ids.shape), "counts": code["counts"].decode("ascii")}


def tracks(path: Path, *, videos: int = 2, frames: int = 3, categories: int = 2, annotated: bool = True) -> Path:
    """A file of YouTube-VIS's form with a track of each category in each video, hidden in the last frame."""
    listed, found = [], []
    for video in range(1, videos + 1):
        names = [f"v{video}/{5 * frame:05d}.jpg" for frame in range(frames)]
        size = {"width": WIDTH, "height": HEIGHT}
        listed.append({"id": video, **size, "length": frames, "file_names": names})
        for category in range(1, categories + 1):
            codes = [rle(squares({1: (category, category + frame, 4, 4)}), 1) for frame in range(frames - 1)]
            boxes = [[category + frame, category, 4, 4] for frame in range(frames - 1)]
            entry = {"id": len(found) + 1, "video_id": video, "category_id": category, "iscrowd": 0, **size}
            per_frame = {
                "segmentations": [*codes, None],
                "bboxes": [*boxes, None],
                "areas": [*[16] * (frames - 1), None],
            }
            found.append({**entry, **per_frame})
    names_ = [{"id": key, "name": f"c{key}", "supercategory": "object"} for key in range(1, categories + 1)]
    return write_json(path, {"videos": listed, "categories": names_, "annotations": found if annotated else None})


def vipseg_raw(root: Path, names: tuple[str, ...] = ("0_a", "1_b"), split: str = "val") -> Path:
    """Stuff (1, wall), a thing without a number (3, door), and two people (61, category 6100 and 6101), which move."""
    for name in names:
        for frame in range(3):
            photo(root / "imgs" / name / f"{frame:08d}.jpg")
            boxes: Boxes = {1: (0, 0, 5, 16), 3: (6, 12, 6, 4), 6100: (5, frame, 4, 3), 6101: (5, 5 + frame, 4, 3)}
            numbers(root / "panomasks" / name / f"{frame:08d}.png", squares(boxes))
    lines(root / f"{split}.txt", *names)
    return root


def vspw(root: Path, names: tuple[str, ...] = ("10_x", "2_y")) -> Path:
    for name in names:
        for frame in range(2):
            photo(root / "data" / name / "origin" / f"{frame:08d}.jpg")
            numbers(root / "data" / name / "mask" / f"{frame:08d}.png", squares({124: (1, 1, 4, 4)}, background=255))
    lines(root / "val.txt", *names)
    return root


def viposeg(root: Path, *, meta: bool = True) -> Path:
    classes: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for name in ("0_a", "1_b", "2_c"):
        classes[name] = {"1": "92", "2": "3"}
        frames = [f"{10 * frame:08d}" for frame in range(3)]
        entries[name] = {"objects": {key: {"category": classes[name][key], "frames": frames} for key in ("1", "2")}}
        for place, frame in enumerate(frames):
            photo(root / "valid/JPEGImages" / name / f"{frame}.jpg")
            ids = squares({1: (1, 1 + place, 4, 5), 2: (7, 3, 4, 3)})
            numbers(root / "valid/Annotations_gt" / name / f"{frame}.png", ids)
            if place == 0:
                numbers(root / "valid/Annotations" / name / f"{frame}.png", ids)
    write_json(root / "valid/obj_class.json", classes)
    if meta:
        write_json(root / "valid/meta.json", {"videos": entries})
    return root


def a2d(root: Path) -> Path:
    """Two videos of which the second is for training; in frame 30 of the first only instance 0 is annotated."""
    lines(
        root / "Release/videoset.csv",
        "vid_a,11,0:00:01,0:00:03,12,16,60,3,1",
        "vid_b,12,0:00:01,0:00:03,12,16,60,3,0",
        "gone,13,0:00:01,0:00:03,12,16,60,3,1",
    )
    lines(
        root / "text_annotations/a2d_annotation.txt",
        "video_id,instance_id,query",
        'vid_a,0,"a man, who runs"',
        "vid_a,1,dog on the left",
        "vid_a,1 (copy),dog on the left",
        "vid_b,0,cat",
        "gone,0,nothing",
    )
    lines(root / "text_annotations/a2d_missed_videos.txt", "gone")
    for video in ("vid_a", "vid_b"):
        (root / "Release/clips320H").mkdir(parents=True, exist_ok=True)
        (root / "Release/clips320H" / f"{video}.mp4").write_bytes(b"clip")
    folder = root / "text_annotations/a2d_annotation_with_instances"
    masks = np.stack([squares({1: (1, 1, 4, 9)}), squares({1: (8, 2, 3, 3)})]).astype(np.uint8)
    for video, frame, kept in (("vid_a", 10, 2), ("vid_a", 30, 1), ("vid_b", 10, 1)):
        (folder / video).mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / video / f"{frame:05d}.h5", "w") as file:
            file["instance"] = np.arange(kept, dtype=np.float64)
            # As MATLAB writes them: columns first, and a single mask without its first axis.
            stored = masks[:kept].transpose(0, 2, 1)
            file["reMask"] = stored if kept > 1 else stored[0]
    return root


def jhmdb(root: Path) -> Path:
    rows = []
    for video in ("catch_ball", "wave_hand"):
        masks = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        for frame in range(4):
            masks[:, :, frame] = squares({1: (1, 1 + frame, 5, 3)})
            photo(root / "Rename_Images/catch" / video / f"{frame + 1:05d}.png")
        (root / "puppet_mask/catch" / video).mkdir(parents=True)
        savemat(root / "puppet_mask/catch" / video / "puppet_mask.mat", {"part_mask": masks})
        top = "./data/jhmdb_sentences"
        for frame in (1, 3, 4):
            picture = f"{top}/Rename_Images/catch/{video}/{frame:05d}.png"
            rows.append([video, picture, f"{top}/puppet_mask/catch/{video}/puppet_mask.mat", 4, f"somebody in {video}"])
    write_json(root / "jhmdb_sentences_samples_metadata.json", rows)
    return root


def refcoco(root: Path, name: str = "refcoco", *, size: tuple[int, int] = (HEIGHT, WIDTH), first: int = 1) -> Path:
    """Two images with an object each; the first has two sentences, the second one. first: id of the first image."""
    height, width = size
    images = [
        {"id": key, "file_name": f"COCO_train2014_{key:012d}.jpg", "height": height, "width": width}
        for key in (first, first + 1)
    ]
    polygon = [[2, 2, 8, 2, 8, 8, 2, 8]]
    annotations = [
        {"id": 10 * key, "image_id": key, "category_id": 1, "segmentation": polygon, "bbox": [2, 2, 6, 6], "area": 36.0}
        | {"iscrowd": 0}
        for key in (first, first + 1)
    ]
    categories = [{"id": 1, "name": "person", "supercategory": "person"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(root / name / "instances.json", content)
    for image in images:
        photo(root / "train2014" / image["file_name"], size)
    references = [
        {
            "ref_id": key,
            "ann_id": 10 * image["id"],
            "image_id": image["id"],
            "category_id": 1,
            "split": "train" if key == 0 else "val",
            "file_name": f"COCO_train2014_{image['id']:012d}_0.jpg",
            "sent_ids": list(range(2 - key)),
            "sentences": [
                {"sent_id": 5 * key + place, "sent": f"sentence {place} of {key}", "raw": "", "tokens": []}
                for place in range(2 - key)
            ],
        }
        for key, image in enumerate(images)
    ]
    split_by = "umd" if name == "refcocog" else "unc"
    # Protocol 2 is what Python 2 wrote.
    (root / name / f"refs({split_by}).p").write_bytes(pickle.dumps(references, protocol=2))
    return root


def coco(root: Path, split: str = "val2017", *, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    """Instances with a polygon and a crowd, and panoptic truth of the same two images."""
    height, width = size
    images = [{"id": key, "file_name": f"{key:012d}.jpg", "height": height, "width": width} for key in (7, 9)]
    for image in images:
        photo(root / split / image["file_name"], size)
    crowd = {"size": [height, width], "counts": [height, 3 * height, (width - 4) * height]}
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 18, "iscrowd": 0, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}
        | {"bbox": [1, 1, 4, 4], "area": 16.0},
        {"id": 2, "image_id": 9, "category_id": 1, "iscrowd": 1, "segmentation": crowd}
        | {"bbox": [1, 0, 3, height], "area": 3.0 * height},
    ]
    names = [{"id": 1, "name": "person", "isthing": 1}, {"id": 18, "name": "dog", "isthing": 1}]
    stuff = [*names, {"id": 200, "name": "rug-merged", "isthing": 0}]
    write_json(
        root / f"annotations/instances_{split}.json",
        {"images": images, "annotations": annotations, "categories": names},
    )
    panoptic = []
    for image in images:
        ids = squares({300: (0, 0, 4, 6), 70000: (5, 0, 4, 6)}, size)
        colored(root / f"annotations/panoptic_{split}" / f"{image['id']:012d}.png", ids)
        segments = [
            {"id": 300, "category_id": 18, "iscrowd": 0, "bbox": [0, 0, 6, 4], "area": 24},
            {"id": 70000, "category_id": 200, "iscrowd": 0, "bbox": [0, 5, 6, 4], "area": 24},
        ]
        panoptic.append({"image_id": image["id"], "file_name": f"{image['id']:012d}.png", "segments_info": segments})
    write_json(
        root / f"annotations/panoptic_{split}.json", {"images": images, "annotations": panoptic, "categories": stuff}
    )
    return root


def lvis(root: Path) -> Path:
    image = {
        "id": 7,
        "coco_url": "http://images.cocodataset.org/val2017/000000000007.jpg",
        "height": HEIGHT,
        "width": WIDTH,
    }
    more = {"neg_category_ids": [2], "not_exhaustive_category_ids": [3]}
    photo(root / "val2017/000000000007.jpg")
    annotation = {
        "id": 4,
        "image_id": 7,
        "category_id": 1,
        "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]],
        "bbox": [1, 1, 4, 4],
    }
    categories = [{"id": key, "name": f"c{key}", "frequency": "rcf"[key - 1]} for key in (1, 2, 3)]
    content = {"images": [image | more], "annotations": [annotation | {"area": 16.0}], "categories": categories}
    write_json(root / "lvis_v1_val.json", content)
    return root


def mevis(root: Path, split: str = "valid_u") -> Path:
    ids = squares({1: (1, 1, 4, 4), 2: (6, 6, 4, 4)})
    for frame in range(2):
        photo(root / split / "JPEGImages/vid" / f"{frame:05d}.jpg")
    told = {
        "0": {"exp": "both of them", "obj_id": [0, 1], "anno_id": [4, 5]},
        "1": {"exp": "nobody", "obj_id": [], "anno_id": []},
    }
    content = {"videos": {"vid": {"expressions": told, "frames": ["00000", "00001"]}}}
    write_json(root / split / "meta_expressions.json", content)
    write_json(root / split / "mask_dict.json", {"4": [rle(ids, 1), None], "5": [None, rle(ids, 2)], "6": [None, None]})
    return root
