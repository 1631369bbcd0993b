"""What a caller can set on a run of UniVS, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints

from singleout.errors import InputError
from singleout.segmenter import check_option_names
from singleout.systems.univs.objects import Queries
from singleout.systems.univs.settings import BENCHMARKS, Settings, Way, settings_of
from singleout.vocabularies.combined import UNIVS_PARTS

MODES = ("bounded", "published")
CATEGORY_TASKS = ("instances", "semantic", "panoptic")
TRACKERS = ("entities", "minvis", "mdqe")
RULES = ("auto", "video", "picture")
QUERIES = get_args(Queries)
_LEAST = {"frames": 1, "short": 32, "memory": 0, "points": 1, "stride": 1, "detections": 1, "longest": 32, "square": 32}
_SHARES = ("score", "match", "consistency", "stability", "overlap", "background")


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment` and `stream` by its name.

    Those that are None are the task's, see `settings.Settings`.
    """

    task: str | None = None  #: for names: "instances" (the default), "semantic" or "panoptic"
    mode: str = "bounded"  #: results as soon as they are final; or "published", as the official code has them
    benchmark: str | None = None  #: take the published settings of this one where none are given
    tracker: str = "entities"  #: how what is named is followed: "entities", "minvis" or "mdqe"
    rules: str = "auto"  #: of "video" or of "picture"; "auto" takes those of pictures for a single frame
    queries: Queries = "prompt"  #: that say where a marked object is later on: "prompt", "learn" or "prompt+learn"
    frames: int | None = None  #: of a clip
    stride: int | None = None  #: frames from one clip to the next
    memory: int | None = None  #: frames before, whose points are remembered
    points: int | None = None  #: of an object in a frame
    short: int | None = None  #: short side, in pixels, at which frames are looked at
    longest: int = 1333  #: pixels that the longer side has in the network at the most
    square: int | None = None  #: fill frames up to so many pixels a side (1024 for Swin of stage 2)
    score: float | None = None  #: of a class, that a new object must have
    box_overlap: float | None = None  #: from which on the worse of two candidates is dropped
    match: float | None = None  #: similarity at which a query is a known object
    consistency: float | None = None  #: cosine that a known object must keep, of names
    stability: float | None = None  #: sharpness of its masks, that a new object must have, of instances
    overlap: float | None = None  #: share of its pixels that an object must win from the others
    detections: int | None = None  #: the most candidates of a clip, and the least results of a video
    background: float = 0.0  #: votes, that the best class of a pixel must have in a semantic result
    every_class: bool | None = None  #: a track for each class that an object may be, as YouTube-VIS counts them
    corrected: bool | None = None  #: mend what the official code does not mean to do; None is the opposite of published
    vocabulary: str | None = None  #: take names from this part of the official table, such as "vipseg"; or "none"
    stuff: tuple[str, ...] | None = None  #: names that are stuff; None goes by the data sets that know them
    exclusive: bool | None = None  #: sentences compete for pixels; of marks they always do
    clean_sentences: bool = True  #: take digits and marks out of sentences first, as published
    once: bool = False  #: encode a sentence as it is, and not in 81 templates
    seed: int = 0  #: of the points that are drawn from masks
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"

    @classmethod
    def read(cls, system: str, given: dict[str, Any]) -> Options:
        """Options from keyword arguments. Raises InputError for unknown names and values that cannot be."""
        check_option_names(system, cls, given)
        options = dict(given)
        if options.get("stuff") is not None:
            listed = options["stuff"]
            options["stuff"] = tuple(listed.split(",") if isinstance(listed, str) else map(str, listed))
        if options.get("vocabulary") == "none":
            # Says it over the vocabulary of a benchmark.
            options["vocabulary"] = None
        chosen = cls(**options)
        chosen._check()
        return chosen

    @property
    def mends(self) -> bool:
        """Whether defects of the official code are mended."""
        return self.mode != "published" if self.corrected is None else self.corrected

    @property
    def spreads(self) -> bool:
        """Whether an object gives a track for each class."""
        return self.mode == "published" if self.every_class is None else self.every_class

    def way(self, task: str, num_frames: int) -> Way:
        """In which way a task is done on a video of so many frames. Raises InputError where that cannot be."""
        if task not in CATEGORY_TASKS:
            return "entities"
        if self.rules == "picture" and num_frames > 1:
            raise InputError(f"rules picture: they are for a single picture, but there are {num_frames} frames")
        if self.rules == "picture" or (self.rules == "auto" and num_frames == 1):
            return "pictures"
        if self.tracker == "mdqe" and task != "instances":
            raise InputError(f"tracker mdqe: it follows instances; for the task {task} take entities or minvis")
        # Pixels are classified in one way: nothing is followed.
        return "entities" if self.tracker == "entities" or task == "semantic" else "plain"

    def settings(self, task: str, way: Way) -> Settings:
        """The settings of a task that is done in a way, with those that were set over them."""
        usual = settings_of(task, way, self.benchmark)
        set_here = {entry.name: value for entry in fields(Settings) if (value := getattr(self, entry.name)) is not None}
        return replace(usual, **set_here)

    def _check(self) -> None:
        choices: dict[str, tuple[str | None, ...]] = {
            "task": (None, *CATEGORY_TASKS),
            "mode": MODES,
            "benchmark": (None, *BENCHMARKS),
            "tracker": TRACKERS,
            "rules": RULES,
            "queries": QUERIES,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r}: expected {', '.join(filter(None, known))}")
        if self.vocabulary is not None and self.vocabulary not in UNIVS_PARTS:
            raise InputError(f"vocabulary {self.vocabulary!r}: expected one of {', '.join(UNIVS_PARTS)}")
        hints = get_type_hints(Options)
        for entry in fields(self):
            value, name = getattr(self, entry.name), entry.name
            if value is None:
                continue
            least = _LEAST.get(name)
            if least is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise InputError(f"{name} {value!r}: expected a whole number from {least} on")
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if name in _SHARES and not (number and 0 <= value <= 1):
                raise InputError(f"{name} {value!r}: expected a number from 0 to 1")
            if name == "box_overlap" and not number:
                raise InputError(f"{name} {value!r}: expected a number; above 1 keeps all candidates")
            if hints[name] in {bool, bool | None} and not isinstance(value, bool):
                raise InputError(f"{name} {value!r}: expected true or false")
        if self.square is not None and self.square % 32:
            raise InputError(f"square {self.square}: expected a multiple of 32, such as 1024")
        if self.stride is not None and self.frames is not None and self.stride > self.frames:
            raise InputError(f"stride {self.stride}: clips of {self.frames} frames would leave out frames in between")
