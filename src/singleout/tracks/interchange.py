"""Tracks as other things: a header of plain values for files, and `supervision.Detections`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from singleout.errors import InputError
from singleout.tracks import codes as run_length
from singleout.tracks.tracks import Tracks
from singleout.tracks.values import Answer, ObjectInfo

if TYPE_CHECKING:
    import supervision

_KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def typed(values: Any, name: str, kind: type) -> Any:
    """A member of a JSON object that must be there and of one kind (int, float, str, bool, list or dict).

    Raises InputError where it is missing, of another kind, or not a finite number.
    """
    value: Any = values.get(name) if isinstance(values, Mapping) else None
    # True and False are int to Python, but not to JSON.
    fits = _is_number(value) if kind is float else type(value) is kind
    if not fits:
        raise InputError(f'"{name}" is {value!r:.40}, expected {_KINDS[kind]}')
    return value


def header(tracks: Tracks) -> dict[str, Any]:
    """Everything but objects, answers and masks, in JSON's types; `from_header` is the way back."""
    return {
        "height": tracks.height,
        "width": tracks.width,
        "num_frames": tracks.num_frames,
        "exclusive": tracks.exclusive,
        "video_name": tracks.video_name,
        "times": None if tracks.times is None else tracks.times.tolist(),
        "frame_names": None if tracks.frame_names is None else list(tracks.frame_names),
        "source": tracks.source,
    }


def from_header(values: Mapping[str, Any]) -> Tracks:
    """Tracks without objects from what `header` gave; other keys are ignored, all but the three sizes may be left out.

    Raises InputError for a value that is missing or of the wrong kind.
    """
    kinds = (("exclusive", bool), ("video_name", str), ("times", list), ("frame_names", list), ("source", dict))
    for name, kind in kinds:
        if values.get(name) is not None:
            typed(values, name, kind)
    times, frame_names = values.get("times"), values.get("frame_names")
    if not all(map(_is_number, times or ())):
        raise InputError('"times" must hold numbers, seconds')
    if not all(isinstance(value, str) for value in frame_names or ()):
        raise InputError('"frame_names" must hold strings')
    return Tracks(
        typed(values, "height", int),
        typed(values, "width", int),
        typed(values, "num_frames", int),
        values.get("exclusive") is not False,
        times=times,
        video_name=values.get("video_name") or "",
        frame_names=frame_names,
        source=values.get("source"),
    )


def descriptions(objects: Mapping[int, ObjectInfo], answers: Sequence[Answer]) -> dict[str, Any]:
    """Objects and answers in JSON's types; `describe_from` is the way back."""
    return {
        "objects": [
            {
                "id": int(info.id),
                "label": info.label,
                "prompt": info.prompt,
                "score": float(info.score),
                "thing": bool(info.thing),
            }
            for _, info in sorted(objects.items())
        ],
        "answers": [
            {
                "prompt": answer.prompt,
                "found": [int(object_id) for object_id in answer.found],
                "best_score": float(answer.best_score),
                "threshold": float(answer.threshold),
                "message": answer.message,
            }
            for answer in answers
        ],
    }


def describe_from(tracks: Tracks, values: Mapping[str, Any]) -> None:
    """Describe the objects and answers of tracks with what `descriptions` gave. Raises InputError for other values."""
    objects = [
        ObjectInfo(
            id=_number(entry.get("id") if isinstance(entry, dict) else None),
            label=typed(entry, "label", str),
            prompt=typed(entry, "prompt", str),
            score=float(typed(entry, "score", float)),
            thing=typed(entry, "thing", bool),
        )
        for entry in typed(values, "objects", list)
    ]
    answers = [
        Answer(
            prompt=typed(entry, "prompt", str),
            found=tuple(_number(object_id) for object_id in typed(entry, "found", list)),
            best_score=float(typed(entry, "best_score", float)),
            threshold=float(typed(entry, "threshold", float)),
            message=typed(entry, "message", str),
        )
        for entry in typed(values, "answers", list)
    ]
    tracks.describe({info.id: info for info in objects}, answers)


def to_supervision(tracks: Tracks, frame: int) -> supervision.Detections:
    """See `Tracks.to_supervision`."""
    try:
        import supervision
    except ImportError:
        raise InputError("this needs the package supervision: pip install supervision") from None
    ids, scores, masks = tracks.masks(frame)
    if not len(ids):
        return supervision.Detections.empty()
    boxes = run_length.boxes(tracks.frame(frame).codes, tracks.height, tracks.width)
    labels = list(dict.fromkeys(track.label for track in tracks))
    names = [tracks.objects[object_id].label for object_id in ids.tolist()]
    return supervision.Detections(
        xyxy=np.nan_to_num(boxes),
        mask=masks,
        confidence=scores,
        class_id=np.array([labels.index(name) for name in names]),
        tracker_id=ids.astype(int),
        data={"class_name": np.array(names)},
    )


def _is_number(value: Any) -> bool:
    # JSON knows whole numbers of any length, Python reads 1e999 as infinity.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _number(value: Any) -> int:
    if type(value) is not int or not 1 <= value < 2**31:
        raise InputError(f"{value!r} is not an object id, a whole number from 1 on")
    return value
