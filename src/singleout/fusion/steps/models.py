"""What steps have in common in which a system runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from singleout.data.records import ReferringVideo
from singleout.fusion import settings as reading_of
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import Step
from singleout.fusion.tools import Model, Tools, check_frames
from singleout.version import __version__


class ModelStep(Step):
    """A step in which a system looks at frames. model: what is run."""

    runs_model = True

    def __init__(self, name: str, model: Model) -> None:
        super().__init__(name)
        self.model = model

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`; another version may give other masks."""
        return {"model": tools.identity(self.model), "options": dict(self.model.options), "singleout": __version__}

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """See `Step`: bytes of each frame, by which another download of a video is told; -1 where there is none."""
        return [path.stat().st_size if path.is_file() else -1 for path in video.images]

    def check(self, videos: Sequence[ReferringVideo], tools: Tools) -> None:
        """See `Step`."""
        tools.check_model(self.model, f"step {self.name}")
        for video in videos:
            check_frames(video)


def model_of(given: Settings, name: str, models: Mapping[str, Model]) -> Model:
    """The model that a step names: one of the file's models, or as `zoo.load` takes it, with options of its own."""
    called = given.take(name, reading_of.text, "the name of a model")
    weights = given.maybe("weights", reading_of.text, "a file or folder of weights", "")
    options = {key.replace("-", "_"): value for key, value in given.mapping("options", "options of the model").items()}
    base = models.get(called, Model(called))
    if not weights and not options:
        return base
    return Model(base.model, weights or base.weights, {**base.options, **options})
