"""Images with a class at each pixel as OVSeg and detectron2 lay them out: ADE20K, Pascal Context, VOC, COCO-Stuff."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from singleout.data.files import paths_for, read_names, stems, the_folder
from singleout.data.records import ClassImage, ClassImageSet
from singleout.errors import InputError
from singleout.vocabularies.categories import categories


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps things, below its root.

    vocabulary: the name of its category list. ignore: the value that is not scored. images, truth: folders; truth holds
    converted pictures. suffix: of the pictures of truth. split_list: a text file that names the images, if any.
    """

    vocabulary: str
    ignore: int
    images: str
    truth: str
    suffix: str = ".png"
    split_list: str | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by train id."""
        listed = categories(self.vocabulary)
        if listed[0].train_id is not None:
            listed = tuple(sorted(listed, key=lambda category: category.train_id or 0))
        return tuple(category.name for category in listed)


_ADE, _CONTEXT, _VOC = "ADEChallengeData2016", "VOCdevkit/VOC2010", "VOCdevkit/VOC2012"
_FULL = "ADE20K_2021_17_01"
LAYOUTS: dict[str, Layout] = {
    "ade20k_150": Layout("ade20k_150", 255, f"{_ADE}/images/validation", f"{_ADE}/annotations_detectron2/validation"),
    "ade20k_847": Layout(
        "ade20k_847",
        65535,
        f"{_FULL}/images_detectron2/validation",
        f"{_FULL}/annotations_detectron2/validation",
        ".tif",
    ),
    "pascal_context_59": Layout(
        "pascal_context_59",
        255,
        f"{_CONTEXT}/JPEGImages",
        f"{_CONTEXT}/annotations_detectron2/pc59_val",
        split_list=f"{_CONTEXT}/pascalcontext_val.txt",
    ),
    "pascal_context_459": Layout(
        "pascal_context_459",
        65535,
        f"{_CONTEXT}/JPEGImages",
        f"{_CONTEXT}/annotations_detectron2/pc459_val",
        ".tif",
        split_list=f"{_CONTEXT}/pascalcontext_val.txt",
    ),
    "pascal_voc_20": Layout(
        "pascal_voc_20", 255, f"{_VOC}/images_detectron2/val", f"{_VOC}/annotations_detectron2/val"
    ),
    "coco_stuff_171": Layout("coco_stuff_171", 255, "coco/train2017", "coco/stuffthingmaps_detectron2/train2017"),
}


def read(root: Path, name: str) -> ClassImageSet:
    """The images that have a picture of truth, in order of their names, or of the list where the data set has one.

    name: one of `LAYOUTS`. Raises InputError for an unknown name and missing folders.
    """
    layout = layout_of(name)
    truth = the_folder(root / layout.truth, "converted pictures of classes: singleout data convert")
    images = root / layout.images
    listed = None if layout.split_list is None else root / layout.split_list
    names = read_names(listed) if listed is not None and listed.is_file() else stems(truth)
    # VOC keeps its images in one folder for all years; detectron2's preparation copies those of the split.
    if not images.is_dir() and name == "pascal_voc_20":
        images = root / _VOC / "JPEGImages"
    pictures = paths_for(images, names, ".jpg")
    masks = paths_for(truth, names, layout.suffix)
    found = tuple(ClassImage(*entry) for entry in zip(names, pictures, masks, strict=True))
    return ClassImageSet(layout.class_names, layout.ignore, found)


def layout_of(name: str) -> Layout:
    """The layout of a data set. Raises InputError for an unknown name."""
    if name not in LAYOUTS:
        raise InputError(f"there is no semantic data set {name!r}: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
