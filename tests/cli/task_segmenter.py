"""The colour system of these tests as one that takes on the task of every benchmark."""

from __future__ import annotations

from colour_segmenter import ColourSegmenter

from singleout.segmenter import Abilities

TASKS = frozenset({"objects", "referring", "instances", "semantic", "panoptic"})


class TaskSegmenter(ColourSegmenter):
    name = "tasks"
    abilities = Abilities(ColourSegmenter.abilities.prompts, TASKS, 0)
