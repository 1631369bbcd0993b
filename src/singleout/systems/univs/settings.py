"""The published settings of each task, as numbers in one place.

They are those of the R50 configurations of the official repository, as they take effect. A task can be done in several
ways, each with settings of its own: entities that are found and asked for again, queries that are matched ("plain"),
and single pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Way = Literal["entities", "plain", "pictures"]


@dataclass(frozen=True)
class Settings:
    """What the published code sets for a task; None where it means nothing there."""

    frames: int  #: of a clip
    short: int  #: short side, in pixels, at which frames are looked at
    memory: int  #: frames before, whose points are remembered
    points: int  #: of an object in a frame
    stride: int | None = 1  #: frames from one clip to the next, None for clips that do not overlap
    score: float = 0.05  #: of a class, that a new object must have
    box_overlap: float = 0.85  #: from which on the worse of two candidates is dropped
    match: float = 0.1  #: similarity at which a query is a known object
    consistency: float = 0.25  #: cosine that a known object must keep
    stability: float | None = None  #: sharpness of its masks, that a new object must have
    overlap: float | None = None  #: share of its pixels that an object must win from the others
    detections: int = 100  #: the most candidates of a clip, and the least results of a video


_VIS = Settings(5, 640, 5, 128, score=0.25, stability=0.25, overlap=0.5, detections=35)
_VPS = Settings(5, 720, 5, 64, score=0.15, box_overlap=0.75, match=0.05, consistency=0.05, overlap=0.6)
_VSS = Settings(3, 720, 5, 128, stride=None)
_VOS = Settings(4, 720, 10, 256, consistency=0.5)

#: Of tasks, where nothing is known of a data set.
TASKS: dict[str, Settings] = {
    "instances": _VIS,
    "panoptic": _VPS,
    "semantic": _VSS,
    "objects": _VOS,
    "referring": Settings(3, 720, 5, 32, consistency=0.5),
}

# Of the older trackers. For a list of results that people look at, their score of 0.05 is far too low.
_PLAIN_VIS = Settings(2, 480, 0, 0, score=0.25, stability=0.25)
_PLAIN_VPS = Settings(2, 720, 0, 0, stability=0.25, overlap=0.8)
# Of pictures: of all classes as for COCO.
_PICTURES = Settings(1, 800, 0, 0, overlap=0.8)

#: Of tasks by their ways, where the entities' do not fit. Pixels are classified without following anything.
OTHER_WAYS: dict[Way, dict[str, Settings]] = {
    "plain": {"instances": _PLAIN_VIS, "panoptic": _PLAIN_VPS, "semantic": _VSS},
    "pictures": {
        "instances": replace(_PICTURES, score=0.25),
        "panoptic": replace(_PICTURES, box_overlap=0.9),
        "semantic": _PICTURES,
    },
}

# The scripts that made the published figures set these over the configurations.
_SCRIPTS = {"frames": 5, "short": 640, "memory": 5}


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is run.

    vocabulary: key of its names in the official table of embeddings, None without names. way: in which it is run as
    published. plain: the settings of the older trackers, where there are any.
    """

    task: str
    settings: Settings
    vocabulary: str | None = None
    way: Way = "entities"
    plain: Settings | None = None


_OVIS = replace(_VIS, score=0.2, detections=50)
_OBJECTS = replace(_VOS, **_SCRIPTS)
_SENTENCES = replace(TASKS["referring"], **_SCRIPTS)
_PLAIN_YTVIS = replace(_PLAIN_VIS, score=0.05)

#: Of benchmarks by their names in `singleout run`.
BENCHMARKS: dict[str, Protocol] = {
    "ytvis-2019": Protocol("instances", replace(_VIS, **_SCRIPTS), "ytvis19", plain=_PLAIN_YTVIS),
    "ytvis-2021": Protocol("instances", replace(_VIS, **_SCRIPTS), "ytvis21", plain=_PLAIN_YTVIS),
    "ovis": Protocol(
        "instances", replace(_OVIS, **_SCRIPTS), "ovis", plain=replace(_PLAIN_VIS, score=0.15, stability=0.5)
    ),
    "vipseg": Protocol("panoptic", replace(_VPS, **_SCRIPTS), "vipseg", plain=_PLAIN_VPS),
    "vspw": Protocol("semantic", replace(_VSS, **_SCRIPTS), "vspw"),
    "davis2017": Protocol("objects", _OBJECTS),
    "youtube-vos-2018": Protocol("objects", _OBJECTS),
    "viposeg": Protocol("objects", _OBJECTS, "viposeg"),
    "ref-davis": Protocol("referring", _SENTENCES),
    "ref-youtube-vos": Protocol("referring", _SENTENCES),
    "coco": Protocol("instances", _PICTURES, "coco", "pictures"),
    "ade20k-150": Protocol("semantic", _PICTURES, "ade20k", "pictures"),
}


def settings_of(task: str, way: Way, benchmark: str | None) -> Settings:
    """Of a task that is done in a way; those of the benchmark where it has some for this."""
    protocol = BENCHMARKS.get(benchmark or "")
    if protocol is not None and protocol.task == task:
        if protocol.way == way:
            return protocol.settings
        if way == "plain" and protocol.plain is not None:
            return protocol.plain
    return OTHER_WAYS.get(way, TASKS)[task]
