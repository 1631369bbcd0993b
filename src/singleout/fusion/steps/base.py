"""What a step is: what it needs and gives, what decides its result, and how it makes the product of one video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from singleout.data.records import ReferringVideo
from singleout.fusion.store import MASKS, Clip
from singleout.fusion.tools import Tools

MASKS_OF, KEYS_OF, GROUPS_OF = "masks", "key frames", "pairs"
"""What steps give to others."""


@dataclass(frozen=True)
class Work:
    """The product of one video, to be made.

    inputs: the products of other steps for this video, by the name of the step. target: the file to write, with `key`.
    out: the folder of the whole run.
    """

    video: ReferringVideo
    inputs: Mapping[str, Path]
    target: Path
    key: str
    out: Path
    tools: Tools


class Step(ABC):
    """One step of a pipeline. name: as the file calls it.

    word: of the pipeline file. gives: what others can use it for, "" where they cannot. suffix: of its files.
    runs_model: whether a system runs in it, which need not be here any more when all is done.
    """

    word: ClassVar[str]
    gives: ClassVar[str] = MASKS_OF
    suffix: ClassVar[str] = MASKS
    runs_model: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def needs(self) -> Mapping[str, str]:
        """The steps whose products it works on, and what each must give."""

    @abstractmethod
    def about(self) -> str:
        """What it does, in a few words."""

    @abstractmethod
    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """What decides its products beside the inputs, as JSON."""

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """The same of one video, as JSON."""
        return None

    def check(self, videos: Sequence[ReferringVideo], tools: Tools) -> None:
        """Look at everything that can be known before work starts. Raises InputError."""
        return

    def check_unchanged(self, video: ReferringVideo, tools: Tools) -> None:
        """Raise InputError where what the step reads from outside is no longer what it was."""
        return

    @abstractmethod
    def make(self, work: Work) -> None:
        """Write the product of one video."""

    def is_whole(self, video: ReferringVideo, out: Path, product: Path) -> bool:
        """Whether what was made beside the product is still there."""
        return True

    def beside(self, out: Path) -> Iterable[Path]:
        """Files that it has made beside its products."""
        return ()

    def finish(self, videos: Sequence[ReferringVideo], out: Path) -> Path | None:
        """Make what comes of all videos together, once all products are there; returns it."""
        return None


def clip_of(video: ReferringVideo, size: tuple[int, int], sentences: Iterable[str] | None = None) -> Clip:
    """A video as files of masks know it. size: height, width. sentences: some of its own."""
    chosen = tuple(each.id for each in video.sentences) if sentences is None else tuple(sentences)
    return Clip(video.name, tuple(video.frame_names), chosen, *size)
