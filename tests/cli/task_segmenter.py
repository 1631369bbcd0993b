"""The colour system of these tests as one that takes on the task of every benchmark."""

from __future__ import annotations

from typing import Any

from colour_segmenter import ColourSegmenter, ColourStream

from singleout.prompts import Phrase, Prompt
from singleout.segmenter import Abilities, VideoLike

TASKS = frozenset({"objects", "referring", "instances", "semantic", "panoptic"})


class TaskSegmenter(ColourSegmenter):
    name = "tasks"
    abilities = Abilities(ColourSegmenter.abilities.prompts, TASKS, 0)


class IndependentSegmenter(ColourSegmenter):
    """One whose sentences do not influence each other, with a setting for a benchmark."""

    name = "independent"
    abilities = Abilities(ColourSegmenter.abilities.prompts, TASKS, 0, independent=True)
    asked: list[tuple[tuple[Prompt, ...], dict[str, Any]]] = []  # noqa: RUF012 - the tests read it

    def published(self, benchmark: str) -> dict[str, Any]:
        return {"guess": True} if benchmark == "ref-youtube-vos" else {}

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> NumberedStream:
        self.asked.append((prompts, dict(options)))
        return NumberedStream(video, prompts, state, options)


class NumberedStream(ColourStream):
    wanted: int | None = None

    def add(self, prompt: Prompt) -> None:
        self.wanted = prompt.object_id if isinstance(prompt, Phrase) else None
        super().add(prompt)

    def keep(self, object_id: int | None, colour: Any, prompt: str, label: str = "") -> None:
        super().keep(object_id or self.wanted, colour, prompt, label)
