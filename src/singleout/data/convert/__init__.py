"""Conversions between layouts, by name. None of them downloads anything; the released files are only read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from singleout.data import refcoco
from singleout.data.convert import classes, images, objects, sentences, videos
from singleout.data.convert.document import Document, OnStep, silent, write_document
from singleout.data.files import first_of, the_folder
from singleout.data.semantic import layout_of
from singleout.errors import InputError
from singleout.exports.layout import check_free, dump, text_file


@dataclass(frozen=True)
class Order:
    """What is to be converted.

    root: folder of the data set as released. to: file or folder to write; None for the usual place in root. split: None
    for the first of the converter's. every: keep every n-th frame only (BURST). height: of VIPSeg's frames, None to
    keep their sizes. overwrite: replace what is there.
    """

    root: Path
    to: Path | None = None
    split: str | None = None
    every: int = 1
    height: int | None = None
    overwrite: bool = False
    on_step: OnStep = silent


@dataclass(frozen=True)
class Converter:
    """summary: for people. splits: the usual one first. run: writes, and returns what was written.

    takes: which of the further fields of `Order` mean something to it.
    """

    summary: str
    splits: tuple[str, ...]
    run: Callable[[Order, str], list[Path]]
    takes: tuple[str, ...] = ()


def convert(name: str, order: Order) -> list[Path]:
    """Run a conversion; returns the files or folders that were written.

    Raises InputError for an unknown name or split, an option that means nothing here, missing sources, and a target
    that is there already, unless order.overwrite.
    """
    if name not in CONVERTERS:
        raise InputError(f"there is no conversion {name!r}: choose one of {', '.join(CONVERTERS)}")
    converter = CONVERTERS[name]
    split = order.split or converter.splits[0]
    if split not in converter.splits:
        raise InputError(f"{name} converts {', '.join(converter.splits)}, not {split!r}")
    given = {"every": order.every != 1, "height": order.height is not None}
    for option, is_given in given.items():
        if is_given and option not in converter.takes:
            raise InputError(f"--{option} means nothing to {name}: leave it out")
    if order.every < 1 or (order.height is not None and order.height < 1):
        raise InputError("--every and --height are whole numbers from 1")
    the_folder(order.root, "the data set as released")
    return converter.run(order, split)


Make = Callable[[Path, str, OnStep], Document]


def _as_document(make: Make, usual: str, order: Order, split: str) -> list[Path]:
    """usual: name of the file in root, with {} for the split."""
    target = order.to or order.root / usual.format(split)
    check_free([target], overwrite=order.overwrite)
    document = make(order.root, split, order.on_step)
    if order.every > 1:
        document = objects.thinned(document, order.every)
    return [write_document(target, document)]


def _to_json(target: Path, content: object) -> Path:
    with text_file(target) as file:
        file.write(dump(content) + "\n")
    return target


def _ref_davis(order: Order, split: str) -> list[Path]:
    folder = order.to or order.root
    meta = folder / "meta_expressions" / split / "meta_expressions.json"
    parts = [folder / f"{split}_{annotator}.json" for annotator in range(4)]
    check_free([meta, *parts], overwrite=order.overwrite)
    written = [_to_json(meta, sentences.ref_davis_meta(order.root, split, order.on_step))]
    for annotator, part in enumerate(parts):
        written.append(write_document(part, sentences.ref_davis(order.root, annotator, split, order.on_step)))
    return written


def _refcoco(order: Order, split: str, *, name: str) -> list[Path]:
    target = order.to or order.root / name / f"instances_{name}_{split}.json"
    check_free([target], overwrite=order.overwrite)
    return [_to_json(target, sentences.refcoco_sentences(order.root, name, split, order.on_step))]


def _vipseg(order: Order, split: str) -> list[Path]:
    folder = order.to or order.root / ("VIPSeg_720P" if order.height == 720 else "VIPSeg")
    target = folder / f"panoptic_gt_VIPSeg_{split}.json"
    check_free([target], overwrite=order.overwrite)
    content = videos.vipseg(order.root, folder, split, order.on_step, height=order.height)
    return [folder / "panomasksRGB", _to_json(target, content)]


def _entityseg(order: Order, split: str) -> list[Path]:
    target = order.to or order.root / f"entityseg_panoptic_{split}_cocovid.json"
    check_free([target], overwrite=order.overwrite)
    files = sorted(order.root.glob(f"annotations/entityseg_panoptic_{split}*.json"))
    if not files:
        raise InputError(f"{order.root / 'annotations'} holds no entityseg_panoptic_{split}*.json: put the files there")
    return [
        write_document(
            target, images.entityseg_panoptic(files, order.root / f"panoptic_{split}", order.root, order.on_step)
        )
    ]


def _entityseg_instances(root: Path, split: str, on_step: OnStep) -> Document:
    return images.instances(first_of(root, [f"annotations/entityseg_insseg_{split}.json"], "the annotations"), on_step)


def _classes(order: Order, split: str, *, name: str) -> list[Path]:
    if order.to is not None:
        raise InputError("--to means nothing here: truth is written where its reader looks for it, in the data set")
    classes.convert(order.root, name, order.on_step)
    return [order.root / layout_of(name).truth]


def _documents(summary: str, splits: tuple[str, ...], make: Make, usual: str, *takes: str) -> Converter:
    return Converter(summary, splits, partial(_as_document, make, usual), takes)


_SEMANTIC = {
    "ade20k-150": ("ade20k_150", "ADE20K: annotations/validation, number - 1"),
    "ade20k-847": ("ade20k_847", "ADE20K full: colours to 847 classes, short side at most 512"),
    "pascal-context-59": ("pascal_context_59", "Pascal Context: trainval/*.mat to 59 classes by name"),
    "pascal-context-459": ("pascal_context_459", "Pascal Context: trainval/*.mat to 459 classes"),
    "voc-20": ("pascal_voc_20", "Pascal VOC: SegmentationClassAug, number - 1, without background"),
    "coco-stuff": ("coco_stuff_171", "COCO-Stuff: stuffthingmaps/train2017 to 171 classes"),
}
CONVERTERS: dict[str, Converter] = {
    "youtube-vos": _documents("all masks (training) or given ones", ("train", "valid"), objects.youtube_vos, "{}.json"),
    "mose": _documents("all masks (training) or first ones", ("train", "valid"), objects.mose, "{}.json"),
    "viposeg": _documents("masks of the reference frames", ("valid",), objects.vipo_seg, "{}_cocovid.json"),
    "burst": _documents("annotated frames", ("train", "val"), objects.burst, "{}_cocovid.json", "every"),
    "ref-youtube-vos": _documents(
        "a track for each sentence", ("train", "valid"), sentences.ref_youtube_vos, "{}_cocovid.json"
    ),
    "ref-davis": Converter(
        "the four text files to one meta file and a file an annotator", ("valid", "train"), _ref_davis
    ),
    **{
        name: Converter("an image entry for each sentence", refcoco.SPLITS[name], partial(_refcoco, name=name))
        for name in refcoco.SPLIT_BY
    },
    "refcoco-mixed": _documents(
        "the three sets as videos of one frame", ("train",), sentences.refcoco_videos, "refcoco_mixed_{}_cocovid.json"
    ),
    "coco-panoptic": _documents(
        "segments as videos of one frame", ("train2017", "val2017"), images.coco_panoptic, "panoptic_{}_cocovid.json"
    ),
    "lvis": _documents("objects as videos of one frame", ("train", "val"), images.lvis, "lvis_v1_{}_cocovid.json"),
    "entityseg": _documents(
        "objects as videos of one frame", ("train", "val"), _entityseg_instances, "entityseg_insseg_{}_cocovid.json"
    ),
    "entityseg-panoptic": Converter("panoptic files merged, as videos of one frame", ("train", "val"), _entityseg),
    "vipseg": Converter("coloured panoptic pictures and their JSON", ("val", "train"), _vipseg, ("height",)),
    "vspw": _documents(
        "videos without annotations", ("val", "val_dev", "train", "test"), videos.vspw_videos, "{}_cocovid.json"
    ),
    **{
        name: Converter(f"truth of {summary}", ("val",), partial(_classes, name=layout))
        for name, (layout, summary) in _SEMANTIC.items()
    },
}
