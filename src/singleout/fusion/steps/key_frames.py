"""``key-frames``: the frame of each sentence from which its mask is carried to the others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.chooser import RULES, Look
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import KEYS_OF, MASKS_OF, Step, Work
from singleout.fusion.store import VALUES, read_values, reading, write_values
from singleout.fusion.tools import Tools


class KeyFramesStep(Step):
    """See the module.

    masks: the step whose masks are looked at. scores: the step whose scores count, by default the same. others: members
    whose agreement counts. rule, options: a name of `chooser.RULES` and its settings.
    """

    word = "key-frames"
    gives = KEYS_OF
    suffix = VALUES

    def __init__(
        self,
        name: str,
        masks: str,
        rule: str,
        options: Mapping[str, Any],
        *,
        scores: str = "",
        others: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name)
        self.masks, self.scores, self.others = masks, scores or masks, others
        self.rule, self.options = rule, dict(options)

    @classmethod
    def read(cls, name: str, given: Settings) -> KeyFramesStep:
        """From the pipeline file."""
        masks = given.take("key-frames", reading_of.text, "the name of a step that gives masks")
        scores = given.maybe("scores", reading_of.text, "the name of a step that gives scores", "")
        others = given.names("with", "names of steps that give masks")
        rule = given.one_of("by", tuple(RULES), "surest")
        options: dict[str, Any] = {}
        for option in list(inspect.signature(RULES[rule]).parameters)[1:]:
            if option in given:
                options[option] = given.take(option, reading_of.number(0, 1), "a number from 0 to 1")
        if rule == "agreed" and not others:
            raise InputError(f"{given.where}: by agreed needs the members to compare with, with: [NAME, …]")
        given.done()
        # Whoever is not looked at decides nothing.
        others = others if rule == "agreed" else ()
        return cls(name, masks, rule, options, scores=scores, others=others)

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return dict.fromkeys((self.masks, self.scores, *self.others), MASKS_OF)

    def about(self) -> str:
        """See `Step`."""
        whose = f" with the scores of {self.scores}" if self.scores != self.masks else ""
        return f"key frames of {self.masks}, {self.rule}{whose}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        return {
            "rule": self.rule,
            "options": self.options,
            "masks": self.masks,
            "scores": self.scores,
            "others": self.others,
        }

    def make(self, work: Work) -> None:
        """See `Step`."""
        rule = RULES[self.rule]
        with ExitStack() as stack:
            opened = {name: stack.enter_context(reading(path)) for name, path in work.inputs.items()}
            masks, scores = opened[self.masks], opened[self.scores]
            keys: dict[str, int] = {}
            for sentence in masks.clip.sentences:
                values = scores.scores(sentence)
                if values is None and self.rule != "agreed":
                    raise InputError(
                        f"step {self.name}: {self.scores} has no scores for video {work.video.name}, so they cannot "
                        "choose a frame: name a step that has some, scores: NAME, or choose by: agreed"
                    )
                others = [partial(opened[name].mask, sentence) for name in self.others]
                look = Look(values, len(masks.clip.frames), partial(masks.mask, sentence), others)
                keys[sentence] = rule(look, **self.options)
                work.tools.may_stop(work.video.name)
        write_values(work.target, work.key, {"key_frames": keys})


def keys_in(product: Path) -> dict[str, int]:
    """The key frames that a step gives for the sentences of a video."""
    keys: dict[str, int] = read_values(product)["key_frames"]
    return keys
