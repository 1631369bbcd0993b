"""What most conversions make: one JSON of videos, tracks and categories, in the form of YouTube-VIS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from singleout.data.records import Video
from singleout.errors import InputError
from singleout.exports.flat import coded
from singleout.exports.layout import dump, text_file, write_json_list
from singleout.exports.pictures import read_numbers
from singleout.exports.rle import as_rle
from singleout.tracks import codes as run_length

OBJECT = ({"id": 1, "name": "object", "supercategory": "object"},)
_VOID = 255


@dataclass(frozen=True)
class Document:
    """videos: as they are written. annotations: made one by one while they are written, so that few are in memory."""

    videos: Sequence[Mapping[str, Any]]
    annotations: Iterable[Mapping[str, Any]] | None
    categories: Sequence[Mapping[str, Any]] = OBJECT
    more: Mapping[str, Any] = field(default_factory=dict)


def write_document(path: Path, document: Document) -> Path:
    """Write a document whole or not at all; annotations of None become null, as servers' files have it."""
    with text_file(path) as file:
        head = {**document.more, "videos": list(document.videos), "categories": list(document.categories)}
        file.write(f'{dump(head)[:-1]},\n"annotations":')
        if document.annotations is None:
            file.write("null")
        else:
            write_json_list(file, document.annotations)
        file.write("}\n")
    return path


def video_entry(key: int | str, video: Video, size: tuple[int, int], top: str | None = None) -> dict[str, Any]:
    """A video as it is written. size: height, width. top: stands before the name of a frame, None for the video."""
    above = video.name if top is None else top
    return {
        "id": key,
        "height": size[0],
        "width": size[1],
        "length": len(video.frame_names),
        "file_names": [f"{above}/{image.name}" for image in video.images],
    }


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture, of which only the beginning is read. Raises InputError where it is none."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error


@dataclass
class TrackParts:
    """The masks of one object, frame by frame, as an annotation has them."""

    segmentations: list[dict[str, Any] | None]
    bboxes: list[list[float] | None]
    areas: list[float | None]

    @classmethod
    def blank(cls, length: int) -> TrackParts:
        """An object that is nowhere yet."""
        return cls([None] * length, [None] * length, [None] * length)

    def put(self, frame: int, code: bytes, size: tuple[int, int], *, box_area: bool = False) -> None:
        """Add the mask of a frame. box_area: the area is that of the box, as some official converters have it."""
        left, top, right, bottom = run_length.boxes([code], *size)[0].tolist()
        area = int(run_length.areas([code], *size)[0])
        self.segmentations[frame] = as_rle(code, *size)
        self.bboxes[frame] = [left, top, right - left, bottom - top]
        self.areas[frame] = (right - left) * (bottom - top) if box_area else area

    @property
    def num_visible(self) -> int:
        """In how many frames the object is seen."""
        return sum(code is not None for code in self.segmentations)

    def entry(self) -> dict[str, Any]:
        """The three lists as an annotation has them."""
        return {"bboxes": self.bboxes, "segmentations": self.segmentations, "areas": self.areas}


def tracks_in(
    video: Video, pictures: Mapping[str, Path], *, box_area: bool = False
) -> tuple[tuple[int, int], dict[int, TrackParts]]:
    """The size of a video, and the objects in its id pictures by number, ascending; void is none.

    pictures: by frame name; frames without one stay empty. Raises InputError for a picture that is in colour, or of
    another size than the first.
    """
    size: tuple[int, int] | None = None
    found: dict[int, TrackParts] = {}
    for frame, name in enumerate(video.frame_names):
        if name not in pictures:
            continue
        ids = read_numbers(pictures[name])
        shape = (ids.shape[0], ids.shape[1])
        if size is not None and shape != size:
            raise InputError(f"{pictures[name]} is {shape[1]}x{shape[0]}, but the video is {size[1]}x{size[0]}")
        size = shape
        for key, code in zip(*coded(ids), strict=True):
            if key == _VOID:
                continue
            found.setdefault(key, TrackParts.blank(len(video.frame_names))).put(frame, code, size, box_area=box_area)
    if size is None:
        size = picture_size(video.images[0]) if video.images else (0, 0)
    if not size[0]:
        raise InputError(f"video {video.name} has no frame: download it again")
    return size, dict(sorted(found.items()))


def one_frame(key: int, name: str, size: tuple[int, int], **more: Any) -> dict[str, Any]:
    """An image as a video of one frame."""
    return {"id": key, "height": size[0], "width": size[1], "length": 1, "file_names": [name], **more}


def silent(step: str) -> None:
    """Told of each video or image that is done; says nothing."""


OnStep = Callable[[str], None]
