"""How far a pipeline is: for each step and video what its product has to be made from, and whether it is there.

The key of a product is a hash of the settings of its step and of the content of its inputs. A product whose file
carries that key is done, whenever and by whichever process it was made; another key means that it has to be made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from singleout.data.records import ReferringVideo
from singleout.fusion.folder import STEPS_FOLDER
from singleout.fusion.pipeline import Pipeline
from singleout.fusion.steps.base import Step
from singleout.fusion.store import read_head
from singleout.fusion.tools import Tools
from singleout.runs.folder import fingerprint_of

_FORMAT = 1
DONE, STALE, MISSING, WAITING = "done", "to be made anew", "to be made", "waiting for others"


class Board:
    """See the module. out: the folder of the run."""

    def __init__(self, pipeline: Pipeline, videos: Sequence[ReferringVideo], out: Path, tools: Tools) -> None:
        self.pipeline, self.videos, self.out, self.tools = pipeline, videos, out, tools
        self._settings: dict[str, Mapping[str, Any]] = {}
        self._facts: dict[tuple[str, str], str] = {}
        self._done: dict[tuple[str, str], str] = {}

    def product(self, step: Step, video: ReferringVideo) -> Path:
        """Where a product lies."""
        return self.out / STEPS_FOLDER / step.name / f"{video.name}{step.suffix}"

    def inputs(self, step: Step, video: ReferringVideo) -> dict[str, Path]:
        """The products that a step works on."""
        return {name: self.product(self.pipeline.steps[name], video) for name in step.needs}

    def key(self, step: Step, video: ReferringVideo) -> str | None:
        """What a product has to be made from; None where an input is not done."""
        inputs = {}
        for name in step.needs:
            digest = self.digest(self.pipeline.steps[name], video)
            if digest is None:
                return None
            inputs[name] = digest
        if step.name not in self._settings:
            self._settings[step.name] = step.settings(self.tools)
        place = (step.name, video.name)
        if place not in self._facts:
            # Of a member in pictures these are thousands of numbers for each video.
            self._facts[place] = fingerprint_of({"facts": step.facts(video, self.tools)})
        return fingerprint_of(
            {
                "format": _FORMAT,
                "word": step.word,
                "settings": self._settings[step.name],
                "video": [video.name, video.frame_names, [sentence.id for sentence in video.sentences]],
                "facts": self._facts[place],
                "inputs": inputs,
            }
        )

    def digest(self, step: Step, video: ReferringVideo) -> str | None:
        """What a product holds, in short; None where it is not done."""
        place = (step.name, video.name)
        if place in self._done:
            return self._done[place]
        key = self.key(step, video)
        head = None if key is None else read_head(self.product(step, video))
        if head is None or head.key != key or not step.is_whole(video, self.out, self.product(step, video)):
            return None
        self._done[place] = head.digest
        return head.digest

    def state(self, step: Step, video: ReferringVideo) -> str:
        """DONE, STALE, MISSING or WAITING."""
        if self.digest(step, video) is not None:
            return DONE
        if any(self.digest(self.pipeline.steps[name], video) is None for name in step.needs):
            return WAITING
        return STALE if self.product(step, video).exists() else MISSING

    def check(self, step: Step) -> None:
        """Look at everything that can be known before a step runs. Raises InputError."""
        left = [video for video in self.videos if self.digest(step, video) is None] if step.runs_model else self.videos
        if left:
            step.check(left, self.tools)

    def num_bytes(self, step: Step) -> int:
        """What the products of a step take on disk."""
        paths = [self.product(step, video) for video in self.videos]
        return sum(path.stat().st_size for path in (*paths, *step.beside(self.out)) if path.is_file())
