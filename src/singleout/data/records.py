"""What the readers give: videos, objects, sentences, tracks and segments as values, with paths in place of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from singleout.vocabularies.categories import Category

Rle: TypeAlias = dict[str, Any]
"""A run-length code as pycocotools takes it: {"size": [height, width], "counts": bytes}."""


@dataclass(frozen=True)
class VideoObject:
    """An object that is to be followed.

    id: its number in the pictures of truth. frames: names of the frames in which the data set lists it; the first one
    is where it enters. category: its name, or None. category_id: its number where the data set has numbers.
    """

    id: int
    frames: tuple[str, ...] = ()
    category: str | None = None
    category_id: int | None = None


@dataclass(frozen=True)
class Sentence:
    """A sentence that refers to one object or several of a video.

    id: its key in the data set, a string. object_ids: which objects are meant, empty where the data set keeps that to
    itself. annotator: who wrote it, 0 to 3 in Ref-DAVIS, else None. mask_ids: keys into `ReferringVideo.masks` (MeViS).
    """

    id: str
    text: str
    object_ids: tuple[int, ...] = ()
    annotator: int | None = None
    mask_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Video:
    """The frames of a video: frame_names in order, and the path of the picture of each."""

    name: str
    frame_names: tuple[str, ...]
    images: tuple[Path, ...]


@dataclass(frozen=True)
class ObjectVideo(Video):
    """A video of DAVIS, YouTube-VOS, MOSE or ViPOSeg.

    given: id pictures by frame name, those that a system is shown (in DAVIS the first one). truth: id pictures by frame
    name, those that it is scored with; empty where they are not public. objects: known from a meta file; empty where
    only the pictures tell.
    """

    given: Mapping[str, Path] = field(default_factory=dict)
    truth: Mapping[str, Path] = field(default_factory=dict)
    objects: tuple[VideoObject, ...] = ()

    def frames_to_save(self) -> tuple[str, ...]:
        """The frames that a result must hold: those that any object lists, or all of them where none does."""
        listed = {name for entry in self.objects for name in entry.frames}
        return tuple(name for name in self.frame_names if name in listed) if listed else self.frame_names


@dataclass(frozen=True)
class ReferringVideo(Video):
    """A video of Ref-DAVIS, Ref-YouTube-VOS or MeViS with its sentences.

    truth: id pictures by frame name; empty where they are not public, and in MeViS. masks: codes by mask id, one for
    each frame or None (MeViS), else empty. sentence_truth: pictures of 0 and 255 by sentence and frame name, where the
    truth is kept that way.
    """

    sentences: tuple[Sentence, ...] = ()
    truth: Mapping[str, Path] = field(default_factory=dict)
    masks: Mapping[str, tuple[Rle | None, ...]] = field(default_factory=dict)
    sentence_truth: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedVideo(Video):
    """A video in an annotation JSON of YouTube-VIS's form. id: its number there; it may be a string (VSPW, ViPOSeg)."""

    id: int | str
    height: int
    width: int
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.frame_names)


@dataclass(frozen=True)
class TrackAnnotation:
    """A true track: a code, box (x, y, width, height) and area for each frame of its video, None where it is hidden.

    areas: as the file states them; evaluators use these, not those of the masks. extra: further keys of the entry.
    """

    id: int
    video_id: int | str
    category_id: int
    segmentations: tuple[Rle | None, ...]
    boxes: tuple[tuple[float, float, float, float] | None, ...]
    areas: tuple[float | None, ...]
    iscrowd: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackResult:
    """A predicted track: a code for each frame or None."""

    video_id: int | str
    category_id: int
    score: float
    segmentations: tuple[Rle | None, ...]


@dataclass(frozen=True)
class TrackSet:
    """An annotation JSON of YouTube-VIS, OVIS or LV-VIS. annotations: None where the file has none, as for servers."""

    path: Path
    categories: tuple[Category, ...]
    videos: tuple[ListedVideo, ...]
    annotations: tuple[TrackAnnotation, ...] | None


@dataclass(frozen=True)
class Segment:
    """A segment of a panoptic frame. id: its number in the picture. box: x, y, width, height, where it is stated."""

    id: int
    category_id: int
    iscrowd: bool = False
    area: float | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class PanopticFrame:
    """A frame of panoptic truth or results.

    name: of the frame, without suffix. picture: RGB PNG with id = R + 256 G + 65536 B. height, width: None in results,
    which do not state them.
    """

    name: str
    picture: Path
    segments: tuple[Segment, ...]
    height: int | None = None
    width: int | None = None
    image: Path | None = None


@dataclass(frozen=True)
class PanopticVideo:
    """A video of converted VIPSeg, or of results for it, in the order of the file."""

    name: str
    frames: tuple[PanopticFrame, ...]


@dataclass(frozen=True)
class PanopticSet:
    """A panoptic JSON of videos. categories: empty in results that carry none."""

    path: Path
    categories: tuple[Category, ...]
    videos: tuple[PanopticVideo, ...]


@dataclass(frozen=True)
class MaskedVideo(Video):
    """A video with one picture of truth a frame: raw VIPSeg (panomasks) and VSPW (classes). masks: like images."""

    masks: tuple[Path, ...]


@dataclass(frozen=True)
class ActionSample:
    """A frame and a sentence of A2D-Sentences or JHMDB-Sentences.

    id: "v_<video>_f_<frame>_i_<instance>", without the instance in JHMDB. frame: counted from 1, as in the files.
    source: the mp4 (A2D) or the picture of the frame (JHMDB). mask: the file of the mask, HDF5 (A2D) or MATLAB (JHMDB).
    """

    id: str
    video: str
    frame: int
    text: str
    source: Path
    mask: Path
    instance: int | None = None


@dataclass(frozen=True)
class ListedImage:
    """An image in an annotation JSON of COCO's form.

    id: a number, or a string (A2D, JHMDB). path: of the picture. neg_category_ids, not_exhaustive_category_ids: LVIS
    only. caption, original_id, dataset_name: converted RefCOCO only.
    """

    id: int | str
    path: Path
    height: int
    width: int
    neg_category_ids: tuple[int, ...] = ()
    not_exhaustive_category_ids: tuple[int, ...] = ()
    caption: str | None = None
    original_id: int | str | None = None
    dataset_name: str | None = None


@dataclass(frozen=True)
class ImageAnnotation:
    """A true object of an image: its code (crowds included), box (x, y, width, height) and area as stated."""

    id: int
    image_id: int | str
    category_id: int
    segmentation: Rle | None
    box: tuple[float, float, float, float]
    area: float
    iscrowd: bool = False


@dataclass(frozen=True)
class ImageResult:
    """A predicted object of an image: its code, its box (x, y, width, height as COCO has it), or both."""

    image_id: int | str
    category_id: int
    score: float
    segmentation: Rle | None
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class ImageSet:
    """An annotation JSON of COCO, LVIS, LV-VIS's image oracle, A2D, JHMDB or converted RefCOCO."""

    path: Path
    categories: tuple[Category, ...]
    images: tuple[ListedImage, ...]
    annotations: tuple[ImageAnnotation, ...]


@dataclass(frozen=True)
class PanopticImageSet:
    """A panoptic JSON of COCO's form: one `PanopticFrame` an image, named by its stem."""

    path: Path
    categories: tuple[Category, ...]
    image_ids: tuple[int | str, ...]
    frames: tuple[PanopticFrame, ...]


@dataclass(frozen=True)
class Reference:
    """An object of raw RefCOCO with the sentences that refer to it. split: train, val, testA, testB or test."""

    id: int
    annotation_id: int
    image_id: int
    category_id: int
    split: str
    file_name: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class ClassImage:
    """An image of a semantic data set and its picture of classes, 8 bits, or 16 in a TIFF."""

    name: str
    image: Path
    truth: Path


@dataclass(frozen=True)
class ClassImageSet:
    """Images with a class at each pixel. class_names: by train id. ignore: the value that is not scored."""

    class_names: tuple[str, ...]
    ignore: int
    images: tuple[ClassImage, ...]
