"""``predict``: a member that is run here, any system that takes sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.bits import Bool, Floats
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import Work, clip_of
from singleout.fusion.steps.models import ModelStep, model_of
from singleout.fusion.store import Clip, MaskWriter, writing
from singleout.fusion.tools import Model, Tools
from singleout.prompts import Phrase
from singleout.segmenter import Segmenter
from singleout.tracks import FrameCodes, FrameMasks
from singleout.tracks.soft import full_size

Frames = Iterator[FrameMasks | FrameCodes]


class PredictStep(ModelStep):
    """See the module.

    model: what is run. threshold: probability above which a pixel is in the mask. soft: keep probabilities.
    """

    word = "predict"

    def __init__(self, name: str, model: Model, threshold: float) -> None:
        super().__init__(name, model)
        self.threshold = threshold
        self.soft = False

    @classmethod
    def read(cls, name: str, given: Settings, models: Mapping[str, Model]) -> PredictStep:
        """From the pipeline file. models: those that it names."""
        model = model_of(given, "predict", models)
        threshold = given.maybe("threshold", reading_of.number(0, 1), "a number from 0 to 1", 0.5)
        given.done()
        return cls(name, model, threshold)

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return {}

    def about(self) -> str:
        """See `Step`."""
        # Members are often one model with other options.
        said = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in self.model.options.items())
        return f"predictions of {self.model.model}{f' ({said})' if said else ''}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        own = {"benchmark": tools.benchmark, "threshold": self.threshold, "soft": self.soft}
        return {**super().settings(tools), **own}

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """See `ModelStep`; sentences as well."""
        return [[sentence.text for sentence in video.sentences], super().facts(video, tools)]

    def make(self, work: Work) -> None:
        """See `Step`."""
        tools = work.tools
        segmenter = tools.load(self.model)
        if Phrase not in segmenter.abilities.prompts:
            raise InputError(f"step {self.name}: {segmenter.name} takes no sentences, so it can predict none")
        options = {**segmenter.published(tools.benchmark), **tools.options(self.model)}
        phrases = [Phrase(sentence.text, object_id=number) for number, sentence in enumerate(work.video.sentences, 1)]
        # Where sentences do not influence each other, the frames go through the network once for all of them.
        together = segmenter.abilities.independent
        groups = [phrases] if together else [[replace(phrase, object_id=None)] for phrase in phrases]
        with tools.frames(work.video) as video:
            tools.agree(work.video, (video.height, video.width), f"step {self.name}")
            clip = clip_of(work.video, (video.height, video.width))
            with writing(work.target, clip, work.key, soft=self.soft) as writer:
                for place, group in enumerate(groups):
                    names = clip.sentences if together else (clip.sentences[place],)
                    ids = range(1, len(names) + 1) if together else (None,)
                    wanted = dict(zip(names, ids, strict=True))
                    self._write(self._frames(segmenter, video, group, options, work), wanted, clip, writer)

    def _frames(
        self, segmenter: Segmenter, video: Any, group: Sequence[Phrase], options: Mapping[str, Any], work: Work
    ) -> Frames:
        for masks in segmenter.stream(video, group, **options):
            yield masks
            work.tools.may_stop(work.video.name)

    def _write(
        self,
        frames: Frames,
        wanted: Mapping[str, int | None],
        clip: Clip,
        writer: MaskWriter,
    ) -> None:
        """wanted: the object of each sentence; None where all that are found belong to it."""
        scores = {name: np.zeros(len(clip.frames)) for name in wanted}
        for masks in frames:
            drawn = self._drawn(masks, clip)
            for name, number in wanted.items():
                places = [place for place, one in enumerate(masks.ids.tolist()) if number in {None, one}]
                if places:
                    scores[name][masks.frame] = masks.scores[places].max()
                found: Any = np.zeros((clip.height, clip.width), np.float32 if self.soft else np.bool_)
                for place in places:
                    np.maximum(found, drawn(place), out=found)
                writer.add(name, masks.frame, found)
        for name, values in scores.items():
            writer.score(name, values)

    def _drawn(self, masks: FrameMasks | FrameCodes, clip: Clip) -> Callable[[int], Bool | Floats]:
        """Gives the mask of the object in a place, at the size of the video."""
        if isinstance(masks, FrameCodes):
            return masks.masks().__getitem__
        if not self.soft:
            return masks.binary(self.threshold).__getitem__
        soft = masks.masks
        return lambda place: full_size(soft[place], clip.height, clip.width)
