"""What a caller can set on a run, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.segmenter import check_option_names

_VIDEO_SIDE, _PICTURE_SIDE = 480, 800
_VIDEO_PAIRS, _PICTURE_PAIRS = 50, 100
_IMAGES = ("lv-vis-images", "lvis", "coco")
_VIDEOS = ("lv-vis", "ytvis-2019", "ytvis-2021", "ovis")


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment` and `stream` by its name.

    The authors have a model for videos and one for pictures, which differ in the three fields that are None: a video of
    a single frame is a picture.
    """

    classifier: Path | None = None  #: a .npy table of vectors of names; None lets the text tower read the names
    classifier_names: Path | None = None  #: the names of its rows, a text file with one a line
    threshold: float = 0.5  #: score from which a track is a result; the authors draw from there on, and count all
    one_name: bool = True  #: an object has one name, its best; in published results it may come again under others
    detections: int | None = None  #: the most tracks; None is 50 in a video and 100 in a picture
    short: int | None = None  #: pixels of the shorter side in the network; None is 480 in a video and 800 in a picture
    longest: int = 1333  #: pixels that the longer side has there at the most
    fine: bool | None = None  #: how sharp masks are is measured at full size; None: in a picture only
    batch: int = 8  #: frames that are decoded and looked at together
    soft_memory: int = 1024  #: MiB of masks that wait as they are until tracks are chosen; older ones wait on disk
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"

    @classmethod
    def read(cls, system: str, given: dict[str, Any], *, picture: bool) -> Options:
        """Options from keyword arguments, with what None stands for. Raises InputError for what cannot be."""
        check_option_names(system, cls, given)
        options = dict(given)
        for name in ("classifier", "classifier_names"):
            if options.get(name) is not None:
                if not isinstance(options[name], (str, Path)):
                    raise InputError(f"{name} {options[name]!r}: expected a file")
                options[name] = Path(options[name])
        usual = {
            "short": _PICTURE_SIDE if picture else _VIDEO_SIDE,
            "detections": _PICTURE_PAIRS if picture else _VIDEO_PAIRS,
            "fine": picture,
        }
        for name, value in usual.items():
            if options.get(name) is None:
                options[name] = value
        chosen = cls(**options)
        for name in ("one_name", "fine"):
            if not isinstance(getattr(chosen, name), bool):
                raise InputError(f"{name} {getattr(chosen, name)!r}: expected true or false")
        for name, least in {"detections": 1, "short": 1, "longest": 1, "batch": 1, "soft_memory": 0}.items():
            value = getattr(chosen, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} {value!r}: expected a whole number from {least} on")
        number = isinstance(chosen.threshold, (int, float)) and not isinstance(chosen.threshold, bool)
        if not number or not 0 <= chosen.threshold <= 1:
            raise InputError(f"threshold {chosen.threshold!r}: expected a number from 0 to 1")
        return chosen


def published(benchmark: str) -> dict[str, Any]:
    """The settings of the authors' runs: every pair counts, and their pictures and videos keep to their models."""
    if benchmark not in (*_IMAGES, *_VIDEOS):
        return {}
    picture = benchmark in _IMAGES
    return {
        "threshold": 0.0,
        "one_name": False,
        "detections": _PICTURE_PAIRS if picture else _VIDEO_PAIRS,
        "short": _PICTURE_SIDE if picture else _VIDEO_SIDE,
        "fine": picture,
    }
