"""The one interface of every system: a Segmenter takes a video and prompts and gives masks of objects over time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.prompts import PROMPT_NAMES, Box, Categories, Mask, Phrase, Points, Prompt, as_prompts, check_prompts
from singleout.tracks import Answer, FrameCodes, FrameMasks, ObjectInfo, Tracks

Frame = npt.NDArray[np.uint8]
OnNames = Callable[[int, int], None]
"""Told how many names of how many a system has turned into vectors."""
OnLook = Callable[[int, int], None]
"""Told how many frames of how many a system has looked at before its first result."""

TASKS: dict[str, tuple[type, ...]] = {
    "instances": (Categories,),
    "semantic": (Categories,),
    "panoptic": (Categories,),
    "referring": (Phrase,),
    "objects": (Mask, Box, Points),
}
"""What a system can be asked to do, and the prompts that ask for it."""


class VideoLike(Protocol):
    """What a system needs of a video; `media.Video` is one. Frames are (height, width, 3) uint8 RGB."""

    @property
    def height(self) -> int:
        """Rows of a frame."""

    @property
    def width(self) -> int:
        """Columns of a frame."""

    @property
    def num_frames(self) -> int:
        """How many frames there are."""

    def __getitem__(self, index: int) -> Frame:
        """One frame, in any order."""

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """The frames from start to stop (not included), one after the other."""

    def shots(self) -> list[tuple[int, int]]:
        """Start and stop (not included) of each shot; together they are all frames."""


@dataclass(frozen=True)
class Abilities:
    """What a system accepts and promises.

    prompts: classes of `prompts` that it takes. tasks: of instances, semantic, panoptic, referring, objects.
    look_ahead: frames that its session must see before one is final, None where it needs the whole video. independent:
    a phrase gives the same whatever other phrases are asked with it, so that asking several at once only saves time.
    """

    prompts: frozenset[type]
    tasks: frozenset[str]
    look_ahead: int | None
    independent: bool = False


class Session(ABC):
    """One pass over frames that the caller feeds, with bounded memory; for cameras and robots.

    `objects` and `answers` grow as prompts are added and frames come in.
    """

    objects: dict[int, ObjectInfo]
    answers: list[Answer]

    @property
    @abstractmethod
    def memory_limit(self) -> int:
        """The most bytes that the state of this session may take, whatever the length, for its present objects."""

    @abstractmethod
    def step(self, frame: Frame, *, new_shot: bool = False) -> list[FrameMasks]:
        """Feed the next frame, (height, width, 3) uint8 RGB, and get the frames that became final.

        new_shot says that the picture was cut before this frame: memory restarts.
        """

    @abstractmethod
    def add(self, prompt: Prompt | str) -> list[int]:
        """Add an object or correct one, at any time; returns the ids concerned.

        A mark for a frame that is not the last one fed or a later one is refused with InputError.
        """

    def remove(self, object_id: int) -> None:
        """Follow an object no longer, from the last frame fed on; its id is not given to another one.

        Raises InputError for an id that is not followed, and where a system cannot forget a single object.
        """
        raise InputError(f"this session cannot remove object {object_id}: its system follows all objects or none")

    @abstractmethod
    def finish(self) -> list[FrameMasks]:
        """Say that no frame follows; returns the frames that were still open."""

    @abstractmethod
    def state(self) -> bytes:
        """The whole state as bytes (safetensors with a header), to be given to `Segmenter.resume_session`."""


@dataclass
class Stream:
    """Results as they come. Iterate over it; `objects` and `answers` are complete when it is exhausted.

    `state()`, called between two frames, gives bytes with which `Segmenter.stream(..., state=…)` goes on after
    the last frame that was handed out, with equal results. A system that decides at the video's size gives masks that
    are coded already. on_names: set it before the first frame, to hear of names that are encoded, which takes long
    where there are thousands. on_look: the same, to hear of frames that a system looks at before its first result.
    """

    frames: Iterator[FrameMasks] | Iterator[FrameCodes] | Iterator[FrameMasks | FrameCodes]
    objects: dict[int, ObjectInfo] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    on_names: OnNames | None = None
    on_look: OnLook | None = None

    def __iter__(self) -> Iterator[FrameMasks | FrameCodes]:
        return iter(self.frames)

    def state(self) -> bytes | None:
        """Bytes to go on from, or None for a system that starts again."""
        return None


@dataclass(frozen=True, eq=False)
class Guess:
    """One candidate for a prompt in one frame.

    score: 0 to 1. mask: (height, width) bool, of the video's size. box: left, top, right, bottom in its pixels, as the
    system predicts it, which need not be the box around the mask.
    """

    score: float
    mask: npt.NDArray[np.bool_]
    box: tuple[float, float, float, float]


def check_option_names(system: str, options: type, given: Iterable[str]) -> None:
    """Raise InputError for names that are no fields of a system's dataclass of options."""
    known = {entry.name for entry in fields(options)}
    for name in given:
        if name not in known:
            raise InputError(f"{system} has no option {name!r}; it has: {', '.join(sorted(known))}")


class Segmenter(ABC):
    """A system, loaded and ready. Subclasses implement `_stream`, and `_session` where they can."""

    name: str
    abilities: Abilities

    @abstractmethod
    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        """The system's own pass or passes over the video; every frame is handed out exactly once."""

    def _session(self, prompts: tuple[Prompt, ...], options: dict[str, Any]) -> Session:
        raise InputError(f"{self.name} must see the whole video first, so it has no session; use segment or stream")

    def resume_session(self, state: bytes) -> Session:
        """A session that goes on from `Session.state()`. Raises InputError for bytes of another system."""
        raise InputError(f"{self.name} has no session")

    def check(self, prompts: Sequence[Prompt]) -> None:
        """Refuse prompts that this system cannot take, naming those that it can."""
        for prompt in prompts:
            if type(prompt) not in self.abilities.prompts:
                can = ", ".join(name for kind, name in PROMPT_NAMES.items() if kind in self.abilities.prompts)
                raise InputError(f"{self.name} does not take a prompt by {PROMPT_NAMES[type(prompt)]}; it takes: {can}")

    def check_task(self, task: str, prompts: Sequence[Prompt]) -> None:
        """Refuse a task that this system does not do, or that one of the prompts cannot ask for."""
        if task not in TASKS:
            raise InputError(f"there is no task {task!r}; there are: {', '.join(TASKS)}")
        if task not in self.abilities.tasks:
            does = ", ".join(one for one in TASKS if one in self.abilities.tasks)
            raise InputError(f"{self.name} does not do the task {task}; it does: {does}")
        for prompt in prompts:
            if not isinstance(prompt, TASKS[task]):
                fitting = " or ".join(PROMPT_NAMES[kind] for kind in TASKS[task])
                raise InputError(
                    f"the task {task} is asked for by {fitting}, and not by a {PROMPT_NAMES[type(prompt)]}: give "
                    "another prompt, or leave the task out"
                )

    def task_options(self, task: str) -> dict[str, Any]:
        """The options by which this system is told a task, where prompts alone do not say which is meant."""
        return {}

    def published(self, benchmark: str) -> dict[str, Any]:
        """The options with which the published numbers on a benchmark were made, where they are not the usual ones."""
        return {}

    def guesses(
        self, video: Any, prompts: Prompt | str | Sequence[Any], frames: Sequence[int], **options: Any
    ) -> Iterator[list[list[Guess]]] | None:
        """All candidates for each prompt in single frames, where a system weighs several; None where it does not.

        Some benchmarks count them all (A2D-Sentences, RefCOCO). Gives for each of `frames`, in their order, a list for
        each prompt, best first. video, options and errors as in `stream`.
        """
        return None

    def stream(
        self,
        video: Any,
        prompts: Prompt | str | Sequence[Any],
        *,
        state: bytes | None = None,
        task: str | None = None,
        **options: Any,
    ) -> Stream:
        """Masks frame by frame; frames may come in another order than in the video, each once.

        video: a `Video` or anything that `Video` opens. task: of `TASKS`, where prompts can ask for several. Raises
        InputError for prompts that do not fit.
        """
        opened = open_video(video)
        asked = as_prompts(prompts)
        self.check(asked)
        if task is not None:
            self.check_task(task, asked)
            options |= self.task_options(task)
        check_prompts(asked, opened.height, opened.width, opened.num_frames)
        return self._stream(opened, asked, state, options)

    def segment(self, video: Any, prompts: Prompt | str | Sequence[Any], **options: Any) -> Tracks:
        """The tracks of everything that the prompts mean, over the whole video.

        video, options and errors as in `stream`.
        """
        opened = open_video(video)
        stream = self.stream(opened, prompts, **options)
        tracks = Tracks(
            opened.height,
            opened.width,
            opened.num_frames,
            times=getattr(opened, "times", None),
            video_name=getattr(opened, "name", ""),
            frame_names=getattr(opened, "frame_names", None),
            source={"model": self.name},
        )
        tracks.video = opened
        for frame_masks in stream:
            tracks.append(frame_masks)
        return tracks.describe(stream.objects, stream.answers)

    def session(self, prompts: Prompt | str | Sequence[Any], **options: Any) -> Session:
        """A `Session` that you feed frame by frame; refused by name where the system must see the whole video."""
        asked = as_prompts(prompts)
        self.check(asked)
        return self._session(asked, options)


def open_video(video: Any) -> VideoLike:
    """A `Video`, or anything with its attributes, as it is; a path or an array is opened as one."""
    if all(hasattr(video, name) for name in ("frames", "shots", "num_frames", "height", "width")):
        ready: VideoLike = video
        return ready
    from singleout.media import Video

    return Video(video)
