"""YouTube-VOS, MOSE, ViPOSeg and BURST: id pictures, or codes, to one JSON of tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from singleout.data import viposeg, ytvos
from singleout.data.convert.document import Document, OnStep, TrackParts, picture_size, tracks_in, video_entry
from singleout.data.files import a_part, an_object, first_of, read_object, strings
from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.tracks import codes as run_length
from singleout.vocabularies.categories import categories

Keep = Callable[[ObjectVideo, int], dict[str, Any]]


def youtube_vos(root: Path, split: str, on_step: OnStep) -> Document:
    """Training: all masks. Validation: masks of the frames in which objects enter; ori_id is the number in the PNG."""
    videos = ytvos.read(root, split=split)
    training = bool(videos and videos[0].truth)
    return _document(
        videos,
        lambda video: video.truth if training else video.given,
        on_step,
        lambda video, key: {} if training else {"ori_id": key},
        # The official converter of the training set writes the area of the box.
        box_area=training,
    )


def mose(root: Path, split: str, on_step: OnStep) -> Document:
    """Training: all masks. Validation: objects of the first frame, without boxes."""
    videos = ytvos.read_folders(root, split=split)
    training = bool(videos and videos[0].truth)
    document = _document(videos, lambda video: video.truth if training else video.given, on_step)
    if training:
        return document
    without = ({key: value for key, value in entry.items() if key != "bboxes"} for entry in document.annotations or ())
    return Document(document.videos, without)


def vipo_seg(root: Path, split: str, on_step: OnStep) -> Document:
    """Masks of the reference frames; the id of a video is its name, that of an annotation the object's number.

    category_id is the class from 0, as obj_class.json has it.
    """
    videos = viposeg.read(root, split=split)
    entries = [video_entry(video.name, video, _size_of(video)) for video in videos]
    listed = [{"id": each.id - 1, "name": each.name, "isthing": int(bool(each.thing))} for each in categories("vspw")]

    def annotations() -> Iterator[dict[str, Any]]:
        for video in videos:
            classes = {each.id: each.category_id for each in video.objects}
            size, found = tracks_in(video, video.given)
            for key, parts in found.items():
                if key not in classes:
                    raise InputError(f"{video.name} shows object {key}, which obj_class.json does not have")
                yield _entry(key, video.name, size, parts, {"category_id": classes[key]})
            on_step(video.name)

    return Document(entries, annotations(), listed)


def burst(root: Path, split: str, on_step: OnStep) -> Document:
    """BURST's sequences: annotated frames only, codes as they are, boxes and areas from them; categories are LVIS's.

    In first-frame files an object also has a point, which is kept as `points`.
    """
    names = [
        f"{split}.json",
        f"{split}/{split}.json",
        f"{split}/all_classes.json",
        f"{split}/first_frame_annotations.json",
    ]
    path = first_of(root, [*names, f"annotations/{split}.json"], "BURST's sequences")
    content = read_object(path)
    sequences = entries_of(path, content.get("sequences"), '"sequences"')
    listed = [
        {"id": number(path, entry, "id"), "name": a_part(entry, "name", str, str(path))}
        for entry in entries_of(path, content.get("categories"), '"categories"')
    ]
    videos = [_burst_video(path, key, sequence) for key, sequence in enumerate(sequences, 1)]

    def annotations() -> Iterator[dict[str, Any]]:
        numbers = count(1)
        for video, sequence in zip(videos, sequences, strict=True):
            for entry in _burst_tracks(path, video, sequence):
                yield {"id": next(numbers), **entry}
            on_step(str(sequence.get("seq_name")))

    return Document(videos, annotations(), listed)


def thinned(document: Document, every: int) -> Document:
    """Keeps every n-th frame of all videos; objects that are nowhere then are dropped."""
    videos = [
        {**video, "file_names": video["file_names"][::every], "length": len(video["file_names"][::every])}
        for video in document.videos
    ]

    def annotations() -> Iterator[dict[str, Any]]:
        for entry in document.annotations or ():
            lists = {key: value[::every] for key, value in entry.items() if key in _PER_FRAME}
            if any(code is not None for code in lists["segmentations"]):
                yield {**entry, **lists}

    return Document(videos, annotations() if document.annotations is not None else None, document.categories)


_PER_FRAME = {"bboxes", "segmentations", "areas", "points"}


def _document(
    videos: Sequence[ObjectVideo],
    pictures: Callable[[ObjectVideo], Mapping[str, Path]],
    on_step: OnStep,
    more: Keep = lambda video, key: {},
    *,
    box_area: bool = False,
) -> Document:
    entries = [video_entry(key, video, _size_of(video)) for key, video in enumerate(videos, 1)]

    def annotations() -> Iterator[dict[str, Any]]:
        numbers = count(1)
        for video_id, video in enumerate(videos, 1):
            size, found = tracks_in(video, pictures(video), box_area=box_area)
            for key, parts in found.items():
                yield _entry(next(numbers), video_id, size, parts, {"category_id": 1, **more(video, key)})
            on_step(video.name)

    return Document(entries, annotations())


def _entry(
    key: int, video_id: int | str, size: tuple[int, int], parts: TrackParts, more: Mapping[str, Any]
) -> dict[str, Any]:
    about = {"id": key, "video_id": video_id, "iscrowd": 0, "height": size[0], "width": size[1]}
    return {**about, **more, **parts.entry()}


def _size_of(video: ObjectVideo) -> tuple[int, int]:
    # The frame is opened where there is no picture of ids at all, as in some videos of a test set.
    for path in (*video.given.values(), *video.images[:1]):
        if path.is_file():
            return picture_size(path)
    raise InputError(f"video {video.name} has neither a frame nor a mask: download it again")


def _burst_video(path: Path, key: int, sequence: Mapping[str, Any]) -> dict[str, Any]:
    name = a_part(sequence, "seq_name", str, f"{path}: a sequence")
    where = f"{path}: sequence {name}"
    images = strings(sequence.get("annotated_image_paths"), f"{where}, annotated_image_paths")
    top = f"{a_part(sequence, 'dataset', str, where)}/{name}"
    return {
        "id": key,
        "height": number(path, sequence, "height"),
        "width": number(path, sequence, "width"),
        "length": len(images),
        "file_names": [f"{top}/{image}" for image in images],
        "neg_category_ids": sequence.get("neg_category_ids", []),
        "not_exhaustive_category_ids": sequence.get("not_exhaustive_category_ids", []),
    }


def _burst_tracks(path: Path, video: Mapping[str, Any], sequence: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    where = f"{path}: sequence {sequence['seq_name']}"
    frames = entries_of(path, sequence.get("segmentations"), '"segmentations"')
    length, size = video["length"], (video["height"], video["width"])
    if len(frames) != length:
        raise InputError(f"{where}: {len(frames)} segmentations for {length} annotated frames")
    for track, category in a_part(sequence, "track_category_ids", dict, where).items():
        parts, points = TrackParts.blank(length), [None] * length
        for frame, shown in enumerate(frames):
            if track not in shown:
                continue
            mask = an_object(shown[track], f"{where}, track {track}")
            code = a_part(mask, "rle", str, f"{where}, track {track}").encode("latin-1", "replace")
            try:
                run_length.checked([code], *size)
            except InputError as error:
                raise InputError(f"{where}, track {track}, frame {frame}: {error}") from error
            parts.put(frame, code, size)
            points[frame] = mask.get("point")
        entry = {
            "video_id": video["id"],
            "category_id": category,
            "iscrowd": 0,
            "track_id": int(track),
            **parts.entry(),
        }
        yield {**entry, "points": points} if any(point is not None for point in points) else entry
