"""A small honest system for the tests of the command line: it follows things by their colour.

It has what matters to a run: words that it knows and words that it does not, marks, a state that changes with every
frame (the colour is updated, so that a run that goes on without its state gives other masks), and a speed that can be
set. It is loaded with ``--model colour_segmenter:ColourSegmenter``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.tracks import Answer, FrameMasks, ObjectInfo

COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220), "green": (30, 200, 30)}
REACH = 110.0


class ColourSegmenter(Segmenter):
    name = "colour"
    abilities = Abilities(frozenset({Phrase, Categories, Mask, Box, Points}), frozenset({"objects"}), 0)

    def __init__(self) -> None:
        # A trace of each loading, for the tests that ask whether a finished run loads the model again.
        if trace := os.environ.get("COLOUR_TRACE"):
            with Path(trace).open("a") as file:
                file.write("loaded\n")

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        return ColourStream(video, prompts, state, options)


class ColourStream(Stream):
    def __init__(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> None:
        super().__init__(frames=self._run())
        self.video, self.guess = video, bool(options.pop("guess", False))
        if options:
            raise InputError(f"colour has no option {sorted(options)[0]!r}")
        self.next = 0
        self.colours: dict[int, list[float]] = {}
        for prompt in prompts:
            self.add(prompt)
        if state is not None:
            saved = json.loads(state)
            self.next = saved["next"]
            self.colours = {int(key): value for key, value in saved["colours"].items()}

    def state(self) -> bytes:
        return json.dumps({"next": self.next, "colours": self.colours}).encode()

    def add(self, prompt: Prompt) -> None:
        if isinstance(prompt, (Phrase, Categories)):
            for text in (prompt.text,) if isinstance(prompt, Phrase) else prompt.names:
                self.add_word(text)
        elif isinstance(prompt, Mask):
            for object_id in prompt.object_ids:
                self.keep(object_id, self.video[prompt.frame][prompt.ids == object_id].mean(axis=0), "mask")
        else:
            if isinstance(prompt, Box):
                x, y = (prompt.xyxy[0] + prompt.xyxy[2]) / 2, (prompt.xyxy[1] + prompt.xyxy[3]) / 2
            else:
                x, y = prompt.xy[prompt.positive.index(True)]
            colour = self.video[prompt.frame][round(y), round(x)]
            self.keep(prompt.object_id, colour, "box" if isinstance(prompt, Box) else "points")

    def add_word(self, text: str) -> None:
        colour = next((value for name, value in COLOURS.items() if name in text), None)
        if colour is None and self.guess:
            colour = COLOURS["red"]
        if colour is None:
            message = f"colour does not know '{text}'; it knows: {', '.join(COLOURS)}"
            self.answers.append(Answer(text, (), 0.0, 0.5, message))
        elif not self.near(self.video[0], np.array(colour)).any():
            self.answers.append(Answer(text, (), 0.1, 0.5, ""))
        else:
            self.keep(None, np.array(colour), text, label=text)

    def keep(self, object_id: int | None, colour: Any, prompt: str, label: str = "") -> None:
        number = object_id or max(self.objects, default=0) + 1
        self.colours[number] = [float(value) for value in colour]
        self.objects[number] = ObjectInfo(number, label, prompt, 0.9)
        self.answers.append(Answer(prompt, (number,), 0.9))

    @staticmethod
    def near(frame: Any, colour: Any) -> Any:
        return np.linalg.norm(frame.astype(float) - colour, axis=-1) < REACH

    def _run(self) -> Iterator[FrameMasks]:
        for index, frame in enumerate(self.video.frames(self.next), self.next):
            time.sleep(float(os.environ.get("COLOUR_DELAY", "0")))
            ids = np.array(sorted(self.colours), np.int32)
            masks = np.stack([self.near(frame, np.array(self.colours[int(one)])) for one in ids]) if len(ids) else None
            for number, mask in zip(ids.tolist(), masks if masks is not None else (), strict=True):
                if mask.any():
                    self.colours[number] = list(0.9 * np.array(self.colours[number]) + 0.1 * frame[mask].mean(axis=0))
            self.next = index + 1
            yield FrameMasks(
                index,
                ids,
                # The score shows the state: it differs where the colour was not carried on.
                np.array([1 / (1 + abs(sum(self.colours[int(one)]) % 1)) for one in ids], np.float32),
                np.zeros((0, 1, 1), np.bool_) if masks is None else masks,
                self.video.height,
                self.video.width,
                exclusive=False,
            )
