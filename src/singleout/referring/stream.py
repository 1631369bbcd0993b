"""One pass of a system for sentences over a video, window by window."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.prompts import Phrase, Prompt
from singleout.referring.options import Options, windows
from singleout.referring.pictures import label_maps, probabilities
from singleout.segmenter import Stream, VideoLike
from singleout.tracks import Answer, FrameMasks, ObjectInfo

if TYPE_CHECKING:
    from singleout.referring.segmenter import SentenceSegmenter


class SentenceStream(Stream):
    """One pass over a video, window by window; frames come in order. See `Stream`."""

    def __init__(
        self,
        system: SentenceSegmenter,
        video: VideoLike,
        prompts: tuple[Prompt, ...],
        options: Options,
        state: bytes | None,
    ) -> None:
        super().__init__(frames=self._run())
        phrases = [prompt for prompt in prompts if isinstance(prompt, Phrase)]
        self._system, self._video, self._options = system, video, options
        self._token_ids = system.tokens([phrase.text for phrase in phrases], options.token_ids)
        self._phrases, self._ids = phrases, _object_ids(phrases)
        self._windows = list(windows(video, options))
        system.place(options.device)
        self._best = [0.0] * len(phrases)
        self._next = 0
        self._fingerprint = self._identity()
        if state is not None:
            self._restore(state)

    def state(self) -> bytes:
        """Bytes with which `Segmenter.stream(..., state=…)` goes on after the last frame handed out."""
        return json.dumps({"fingerprint": self._fingerprint, "next": self._next, "best": self._best}).encode()

    def _restore(self, state: bytes) -> None:
        try:
            saved = json.loads(state)
            fingerprint, following = saved["fingerprint"], int(saved["next"])
            best = [float(score) for score in saved["best"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"the saved state is not one of {self._system.name}; start without it") from error
        if fingerprint != self._fingerprint or len(best) != len(self._best):
            raise InputError("the saved state belongs to another video, other prompts or options; start without it")
        self._next, self._best = following, best
        self._describe()

    def _identity(self) -> str:
        video, digest = self._video, hashlib.sha256()
        digest.update(repr((video.height, video.width, video.num_frames, self._options, self._token_ids)).encode())
        digest.update(repr((self._ids, self._windows)).encode())
        for name, tensor in self._system.network.state_dict().items():
            # A few numbers of each tensor tell weights apart without reading a gigabyte.
            digest.update(f"{name} {tensor.flatten()[:16].tolist()}".encode())
        return digest.hexdigest()

    def _run(self) -> Iterator[FrameMasks]:
        for start, stop in self._windows:
            if stop > self._next:
                for masks in self._window(start, stop):
                    if masks.frame >= self._next:
                        self._next = masks.frame + 1
                        yield masks
        least = self._options.least_score
        for phrase, number, best in zip(self._phrases, self._ids, self._best, strict=True):
            found: tuple[int, ...] = (number,)
            message = ""
            if number not in self.objects:
                lower = math.floor(best * 20) / 20
                found = ()
                message = (
                    f'"{phrase.text}" was not found: its best score is {best:.2f}, needed are {least:.2f}; lower '
                    f"least_score to {lower:.2f} to see the best guess"
                )
            self.answers.append(Answer(phrase.text, found, round(best, 4), least, message))

    def _describe(self) -> None:
        for phrase, number, best in zip(self._phrases, self._ids, self._best, strict=True):
            if best >= self._options.least_score:
                self.objects[number] = ObjectInfo(number, phrase.text, phrase.text, round(best, 4))

    def _window(self, start: int, stop: int) -> Iterator[FrameMasks]:
        options, size = self._options, (self._video.height, self._video.width)
        parts = list(self._system.answer_window(self._video.frames(start, stop), self._token_ids, options))
        mean = torch.cat([part.scores.amax(-1) for part in parts]).tolist()
        self._best = [max(best, score) for best, score in zip(self._best, mean, strict=True)]
        self._describe()
        found = [row for row, score in enumerate(mean) if score >= options.least_score]
        ids = np.array([self._ids[row] for row in found], dtype=np.int32)
        masks = torch.cat([part.masks for part in parts])[found]
        scores = torch.cat([part.frame_scores for part in parts])[found].cpu().numpy()
        for offset in range(stop - start):
            yield FrameMasks(
                frame=start + offset,
                ids=ids,
                scores=scores[:, offset],
                masks=self._hard(probabilities(masks[:, offset], size)) if found else np.zeros((0, *size), bool),
                height=size[0],
                width=size[1],
                exclusive=options.exclusive,
            )

    def _hard(self, shares: Tensor) -> Any:
        """Probabilities as they are where the usual threshold makes masks of them, else the masks themselves."""
        if self._options.exclusive:
            labels = label_maps(shares, self._options.threshold)
            numbers = torch.arange(1, len(shares) + 1, device=labels.device, dtype=labels.dtype)
            return (labels == numbers[:, None, None]).cpu().numpy()
        if self._options.threshold == 0.5:
            return shares.cpu().numpy()
        return (shares > self._options.threshold).cpu().numpy()


def _object_ids(phrases: Sequence[Phrase]) -> list[int]:
    """The ids asked for, else the next free ones."""
    taken = {phrase.object_id for phrase in phrases}
    free = (number for number in itertools.count(1) if number not in taken)
    return [next(free) if phrase.object_id is None else phrase.object_id for phrase in phrases]
