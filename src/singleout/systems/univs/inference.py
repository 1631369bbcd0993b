"""UniVS as a `Segmenter`: categories, sentences and marks, with one network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from singleout.errors import InputError
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.devices import resolve_device
from singleout.nn.text.words import Words
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.systems.univs.asking import task_of
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.options import CATEGORY_TASKS, Options
from singleout.systems.univs.pictures import PictureStream
from singleout.systems.univs.plain_stream import PlainStream
from singleout.systems.univs.settings import BENCHMARKS, Way
from singleout.systems.univs.stream import UniVSStream
from singleout.systems.univs.visual_prompts import Dice

WAYS: dict[Way, type[UniVSStream]] = {"entities": UniVSStream, "plain": PlainStream, "pictures": PictureStream}
_TASKS = frozenset({*CATEGORY_TASKS, "referring", "objects"})


class UniVS(Segmenter):
    """The system with its weights.

    words: turns names and sentences into vectors; None where there is nothing to do so, and only marks can be asked.
    dice: gives the draws of points for a seed.
    """

    abilities = Abilities(
        prompts=frozenset({Phrase, Categories, Mask, Box, Points}), tasks=_TASKS, look_ahead=None, independent=True
    )

    def __init__(
        self, network: UniVSNetwork, *, name: str, words: Words | None, dice: Callable[[int], Dice] = Dice
    ) -> None:
        self.network, self.name, self._words, self.dice = network, name, words, dice
        # Frames go through one by one, so that folding anew would be paid for with each of them.
        keep_folded(network)

    @property
    def words(self) -> Words:
        """What reads names and sentences. Raises InputError where there is nothing."""
        if self._words is None:
            raise InputError(
                f"{self.name} was loaded without a text tower, so it takes masks, boxes and points only: load it by "
                "singleout.load"
            )
        return self._words

    def task_options(self, task: str) -> dict[str, Any]:
        """Names may be asked for in three ways; other prompts say by themselves what is wanted."""
        return {"task": task} if task in CATEGORY_TASKS else {}

    def published(self, benchmark: str) -> dict[str, Any]:
        """The settings of the task in the official scripts, and results as these write them."""
        protocol = BENCHMARKS.get(benchmark)
        if protocol is None:
            return {}
        chosen: dict[str, Any] = {"mode": "published", "benchmark": benchmark}
        if protocol.task in CATEGORY_TASKS:
            chosen |= {"task": protocol.task, "rules": "picture" if protocol.way == "pictures" else "video"}
        if protocol.vocabulary is not None:
            chosen["vocabulary"] = protocol.vocabulary
        if benchmark == "ref-davis":
            chosen["exclusive"] = True
        return chosen

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        if state is not None:
            raise InputError(f"{self.name} cannot go on from a saved state; start without it")
        chosen = Options.read(self.name, options)
        kind = WAYS[chosen.way(task_of(self.name, prompts, chosen.task), video.num_frames)]
        return kind(self, video, prompts, chosen)

    def place(self, device: str) -> torch.device:
        """Move the network to a device."""
        chosen = resolve_device(device)
        if next(self.network.parameters()).device != chosen:
            self.network.to(chosen)
        return chosen
