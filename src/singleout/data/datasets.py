"""The data sets by name: their splits, their published sizes, and the files that each should have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import actions, cocovid, davis, images, panoptic, refcoco, referring, semantic, viposeg, vspw, ytvos
from singleout.data.expected import Expected, Judge, exactly, only
from singleout.data.files import first_of
from singleout.data.panoptic import Numbers
from singleout.data.records import ImageSet, MaskedVideo, ObjectVideo, PanopticFrame, ReferringVideo, TrackSet, Video
from singleout.errors import InputError
from singleout.exports.pictures import read_numbers

_VOID = 255


@dataclass(frozen=True)
class DataSet:
    """A data set as `singleout data check` knows it.

    splits: the usual one first. files: what should be there for a split of it below its root. published: how many
    videos, or what `unit` says, a split has as published, where that is known.
    """

    title: str
    splits: tuple[str, ...]
    files: Callable[[Path, str], Iterable[Expected]]
    unit: str = "videos"
    published: Mapping[str, int] = field(default_factory=dict)


def _video(video: Video, folder: Path | None = None) -> Iterator[Expected]:
    """folder: of all videos, where the frames are known only from what lies there."""
    if folder is not None and not video.images:
        yield Expected(folder / video.name, "folder", video.name)
    for path in video.images:
        yield Expected(path, "image", video.name)


def _object_videos(
    videos: Iterable[ObjectVideo], judge: Callable[[ObjectVideo], Judge | None], folder: Path | None = None
) -> Iterator[Expected]:
    for video in videos:
        yield from _video(video, folder)
        for path in dict.fromkeys([*video.given.values(), *video.truth.values()]):
            yield Expected(path, "numbers", video.name, judge=judge(video))


def _of_first_frame(video: ObjectVideo) -> Judge:
    """Objects of DAVIS are all in the first frame; the picture is opened when it is needed, once."""
    known: list[Judge] = []

    def judge(numbers: Numbers) -> str | None:
        if not known:
            try:
                first = np.unique(read_numbers(next(iter(video.given.values()))))
            except InputError:
                return None
            known.append(only([0, _VOID, *first.tolist()], "which the first frame of the video does not have"))
        return known[0](numbers)

    return judge


def _of_listed_objects(video: ObjectVideo) -> Judge | None:
    if not video.objects:
        return None
    return only([0, _VOID, *(each.id for each in video.objects)], f"which is no object that is listed for {video.name}")


def _nothing(video: ObjectVideo) -> None:
    return None


def _davis(root: Path, split: str, *, year: int, unsupervised: bool = False) -> Iterator[Expected]:
    judge = _nothing if unsupervised else _of_first_frame
    frames = root / "JPEGImages" / "480p"
    for video in davis.read(root, year=year, split=split, unsupervised=unsupervised):
        yield from _object_videos([video], judge, frames)
        numbers = [int(name) for name in video.frame_names if name.isdecimal()]
        # Frames count from 0 without gaps, so a frame of which neither picture nor mask is there still shows.
        for number in sorted(set(range(max(numbers, default=-1) + 1)) - set(numbers)):
            yield Expected(frames / video.name / f"{number:05d}.jpg", "image", video.name)


def _referring(videos: Iterable[ReferringVideo]) -> Iterator[Expected]:
    for video in videos:
        sizes = [code["size"] for codes in video.masks.values() for code in codes if code is not None]
        size = (int(sizes[0][0]), int(sizes[0][1])) if sizes else None
        for expected in _video(video):
            yield Expected(expected.path, "image", video.name, size)
        for path in video.truth.values():
            yield Expected(path, "numbers", video.name)
        for frames in video.sentence_truth.values():
            for path in frames.values():
                yield Expected(path, "numbers", video.name, judge=only([0, 1, 255], "where 0 and 255 are due"))


def _tracks(listed: TrackSet) -> Iterator[Expected]:
    for video in listed.videos:
        for path in video.images:
            yield Expected(path, "image", str(video.id), (video.height, video.width))


def _frames(frames: Iterable[PanopticFrame], group: str, listing: str) -> Iterator[Expected]:
    for frame in frames:
        size = None if frame.height is None or frame.width is None else (frame.height, frame.width)
        if frame.image is not None:
            yield Expected(frame.image, "image", group or frame.name, size)
        judge = exactly([segment.id for segment in frame.segments], listing)
        yield Expected(frame.picture, "segments", group or frame.name, size, judge)


def _vipseg(root: Path, split: str) -> Iterator[Expected]:
    listed = panoptic.read_vipseg(root, split=split)
    for video in listed.videos:
        yield from _frames(video.frames, video.name, listed.path.name)


def _coco_panoptic(root: Path, split: str) -> Iterator[Expected]:
    listed = panoptic.read_coco_panoptic(root, split=split)
    return _frames(listed.frames, "", listed.path.name)


def _masked(videos: Iterable[MaskedVideo], judge: Judge, folder: Path) -> Iterator[Expected]:
    for video in videos:
        yield from _video(video, folder)
        yield from (Expected(path, "numbers", video.name, judge=judge) for path in video.masks)


def _raw_vipseg_numbers(numbers: Numbers) -> str | None:
    categories, _ = panoptic.decode_raw(numbers)
    wrong = np.unique(numbers[categories > panoptic.RAW_CATEGORIES])
    return (
        f"has the number {wrong[0]}, whose category is none of 1 to {panoptic.RAW_CATEGORIES}" if wrong.size else None
    )


def _images(listed: ImageSet) -> Iterator[Expected]:
    # Sentences of RefCOCO share their images.
    for image in {image.path: image for image in listed.images}.values():
        yield Expected(image.path, "image", str(image.id), (image.height, image.width))


def _raw_refcoco(root: Path, split: str, *, name: str) -> Iterator[Expected]:
    listed, references = refcoco.read_raw(root, name)
    if split not in {reference.split for reference in references}:
        raise InputError(f"{root / name} has no split {split!r}: choose one of {', '.join(refcoco.SPLITS[name])}")
    asked = {reference.image_id for reference in references if reference.split == split}
    kept = ImageSet(listed.path, (), tuple(image for image in listed.images if image.id in asked), ())
    return _images(kept)


def _a2d(root: Path, split: str) -> Iterator[Expected]:
    masks = first_of(root, actions.either("a2d_annotation_with_instances"), "a folder of HDF5 files for each video")
    missed = actions.missed_videos(root)
    rows = actions.a2d_rows(root)
    for video, part in actions.a2d_split(root).items():
        if part != split or video in missed:
            continue
        yield Expected(root / "Release" / "clips320H" / f"{video}.mp4", "file", video)
        if video in rows:
            yield Expected(masks / video, "folder", video)
            yield from (Expected(path, "file", video) for path in sorted((masks / video).glob("*.h5")))


def _jhmdb(root: Path, split: str) -> Iterator[Expected]:
    for sample in actions.read_jhmdb(root):
        yield Expected(sample.source, "image", sample.video)
        yield Expected(sample.mask, "file", sample.video)


def _classes(root: Path, split: str, *, name: str) -> Iterator[Expected]:
    listed = semantic.read(root, name)
    judge = only(
        [*range(len(listed.class_names)), listed.ignore], f"but classes are 0 to {len(listed.class_names) - 1}"
    )
    for image in listed.images:
        yield Expected(image.image, "image", image.name)
        yield Expected(image.truth, "numbers", image.name, judge=judge)


_VIS = ("valid", "train", "test")
_VSPW_NUMBERS = only([*range(125), _VOID], "but classes are 1 to 124, 0 other and 255 void")
_OVSEG = ("val",)


def _ytvis(root: Path, split: str) -> Iterator[Expected]:
    return _tracks(cocovid.read_ytvis(root, split=split))


def _ytvos(root: Path, split: str) -> Iterator[Expected]:
    return _object_videos(ytvos.read(root, split=split), _of_listed_objects)


DATA_SETS: dict[str, DataSet] = {
    "davis2016": DataSet(
        "DAVIS 2016", ("val", "train"), partial(_davis, year=2016), published={"val": 20, "train": 30}
    ),
    "davis2017": DataSet(
        "DAVIS 2017", ("val", "train", "test-dev"), partial(_davis, year=2017), published={"val": 30, "train": 60}
    ),
    "davis2017-unsupervised": DataSet(
        "DAVIS 2017 unsupervised",
        ("val", "train"),
        partial(_davis, year=2017, unsupervised=True),
        published={"val": 30, "train": 60},
    ),
    "ref-davis": DataSet(
        "Ref-DAVIS17",
        ("valid", "train"),
        lambda root, split: _referring(referring.read_ref_davis(root, split=split)),
        published={"valid": 30},
    ),
    "youtube-vos-2018": DataSet("YouTube-VOS 2018", ("valid", "train", "test"), _ytvos, published={"valid": 474}),
    "youtube-vos-2019": DataSet("YouTube-VOS 2019", ("valid", "train", "test"), _ytvos, published={"valid": 507}),
    "mose": DataSet(
        "MOSE",
        ("valid", "train"),
        lambda root, split: _object_videos(ytvos.read_folders(root, split=split), _nothing),
    ),
    "ref-youtube-vos": DataSet(
        "Ref-YouTube-VOS",
        ("valid", "train", "test"),
        lambda root, split: _referring(referring.read_ref_ytvos(root, split=split)),
        published={"valid": 202},
    ),
    "mevis": DataSet(
        "MeViS",
        ("valid_u", "valid", "train"),
        lambda root, split: _referring(referring.read_mevis(root, split=split)),
        published={"valid_u": 50, "valid": 140, "train": 1662},
    ),
    "ytvis-2019": DataSet("YouTube-VIS 2019", _VIS, _ytvis, published={"train": 2238, "valid": 302, "test": 343}),
    "ytvis-2021": DataSet("YouTube-VIS 2021", _VIS, _ytvis, published={"train": 2985, "valid": 421, "test": 453}),
    "ovis": DataSet("OVIS", _VIS, _ytvis, published={"train": 607, "valid": 140, "test": 154}),
    "lv-vis": DataSet(
        "LV-VIS",
        ("val", "train", "test"),
        lambda root, split: _tracks(cocovid.read_lvvis(root, split=split)),
        published={"train": 3083, "val": 837, "test": 908},
    ),
    "lv-vis-images": DataSet(
        "LV-VIS frame by frame",
        ("val",),
        lambda root, split: _images(images.read_lvvis_oracle(root, split=split)),
        unit="images",
    ),
    "vipseg-raw": DataSet(
        "VIPSeg as released",
        ("val", "train", "test"),
        lambda root, split: _masked(
            panoptic.read_raw_vipseg(root, split=split), _raw_vipseg_numbers, root / "panomasks"
        ),
        published={"train": 2806, "val": 343, "test": 387},
    ),
    "vipseg": DataSet("VIPSeg converted", ("val", "train"), _vipseg, published={"train": 2806, "val": 343}),
    "vspw": DataSet(
        "VSPW",
        ("val", "train", "test"),
        lambda root, split: _masked(vspw.read(root, split=split), _VSPW_NUMBERS, root / "data"),
        published={"train": 2806, "val": 343, "test": 387},
    ),
    "viposeg": DataSet(
        "ViPOSeg",
        ("valid",),
        lambda root, split: _object_videos(
            viposeg.read(root, split=split), _of_listed_objects, root / "valid" / "Annotations_gt"
        ),
    ),
    "a2d-sentences": DataSet("A2D-Sentences", ("test", "train"), _a2d),
    "jhmdb-sentences": DataSet("JHMDB-Sentences", ("test",), _jhmdb, published={"test": 928}),
    **{
        name: DataSet(f"{title} as released", refcoco.SPLITS[name], partial(_raw_refcoco, name=name), unit="images")
        for name, title in (("refcoco", "RefCOCO"), ("refcoco+", "RefCOCO+"), ("refcocog", "RefCOCOg"))
    },
    "coco": DataSet(
        "COCO instances",
        ("val2017", "train2017"),
        lambda root, split: _images(images.read_coco(root, split=split)),
        unit="images",
        published={"val2017": 5000, "train2017": 118287},
    ),
    "coco-panoptic": DataSet(
        "COCO panoptic",
        ("val2017", "train2017"),
        _coco_panoptic,
        unit="images",
        published={"val2017": 5000, "train2017": 118287},
    ),
    "lvis": DataSet(
        "LVIS v1", ("val", "train"), lambda root, split: _images(images.read_lvis(root, split=split)), unit="images"
    ),
    **{
        name: DataSet(title, _OVSEG, partial(_classes, name=layout), unit="images", published=sizes)
        for name, title, layout, sizes in (
            ("ade20k-150", "ADE20K-150", "ade20k_150", {"val": 2000}),
            ("ade20k-847", "ADE20K-847", "ade20k_847", {"val": 2000}),
            ("pascal-context-59", "Pascal Context 59", "pascal_context_59", {}),
            ("pascal-context-459", "Pascal Context 459", "pascal_context_459", {}),
            ("voc-20", "Pascal VOC 20", "pascal_voc_20", {}),
        )
    },
    "coco-stuff": DataSet("COCO-Stuff 171", ("train",), partial(_classes, name="coco_stuff_171"), unit="images"),
}
