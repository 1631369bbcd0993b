"""ReferFormer as a `Segmenter`: each sentence is one object, found anew in every window of frames.

The published scripts feed whole videos (Ref-YouTube-VOS) or clips of 36 frames (Ref-DAVIS17) and choose one query for
each. `mode` takes either; "bounded" cuts at shots as well, and needs no more memory for a longer video.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.devices import resolve_device
from singleout.nn.text.tokens import FolderTokenizer, pad_tokens
from singleout.prompts import Phrase, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.systems.referformer.network import Answers, ReferFormerNetwork, Sentences
from singleout.systems.referformer.options import Options, windows
from singleout.systems.referformer.pictures import (
    Picture,
    Size,
    corners,
    label_maps,
    network_size,
    pad_batch,
    picture_masks,
    prepare,
    probabilities,
)
from singleout.tracks import Answer, FrameMasks, ObjectInfo

_ROWS_ON_GPU = 64
_PICTURE_SHORT, _PICTURE_LONGEST = 360, 640


@dataclass(frozen=True)
class Candidates:
    """All queries for one sentence on one picture, best first.

    scores: (num_queries,) 0 to 1. masks: (num_queries, height, width) bool. boxes: (num_queries, 4), left, top, right,
    bottom in pixels. order: (num_queries,), the places that they had in the network.
    """

    scores: Tensor
    masks: Tensor
    boxes: Tensor
    order: Tensor


def candidates_of(logits: Tensor, boxes: Tensor, masks: Tensor, seen: Size, size: Size) -> Candidates:
    """What the network says of one picture at the picture's size.

    logits: (num_queries, num_classes). boxes: (num_queries, 4). masks: (num_queries, h, w) logits. seen, size: height
    and width in the network without padding, and of the picture.
    """
    scores = logits.sigmoid().amax(-1)
    order = scores.argsort(descending=True)
    return Candidates(scores[order], picture_masks(masks[order], seen, size), corners(boxes[order], size), order)


class ReferFormer(Segmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    abilities = Abilities(
        prompts=frozenset({Phrase}), tasks=frozenset({"referring"}), look_ahead=None, independent=True
    )

    def __init__(self, network: ReferFormerNetwork, *, name: str, tokenizer: Path | None) -> None:
        self.name = name
        self.network = network
        self.tokenizer = tokenizer
        self._tokenizer: FolderTokenizer | None = None
        self._read: tuple[tuple[tuple[int, ...], ...], Sentences] | None = None

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        return ReferFormerStream(self, video, prompts, Options.read(self.name, options), state)

    def published(self, benchmark: str) -> dict[str, Any]:
        """Whole videos for the data sets of sentences; clips, whose objects compete, for Ref-DAVIS17."""
        if benchmark == "ref-davis":
            return {"mode": "clips", "exclusive": True}
        return {"mode": "whole"} if benchmark in {"ref-youtube-vos", "mevis"} else {}

    def tokens(self, sentences: Sequence[str], given: Sequence[Sequence[int]] | None = None) -> list[list[int]]:
        """Token ids of sentences, as they stand; given: take these instead.

        Raises InputError where they do not fit the sentences or the vocabulary, or there is no tokenizer.
        """
        if given is not None:
            return self._checked(sentences, given)
        if self._tokenizer is None and self.tokenizer is not None:
            self._tokenizer = FolderTokenizer.find(self.tokenizer)
        if self._tokenizer is None:
            raise InputError(
                f"{self.name} has no tokenizer, so it cannot read sentences: fetch it by singleout get {self.name} "
                f"--tokenizer-only, or put the files of roberta-base into {self.tokenizer or 'tokenizer/ beside it'}; "
                "or give the numbers themselves as token_ids"
            )
        return self._checked(sentences, self._tokenizer(sentences))

    def _checked(self, sentences: Sequence[str], ids: Sequence[Sequence[int]]) -> list[list[int]]:
        text = self.network.config.text
        if len(ids) != len(sentences):
            raise InputError(f"token_ids: {len(ids)} lists for {len(sentences)} sentences, expected one for each")
        for sentence, row in zip(sentences, ids, strict=True):
            if len(row) > text.positions - 2:
                raise InputError(
                    f'"{sentence[:40]}…" has {len(row)} tokens, {text.positions - 2} is the most: shorten it'
                )
            if not row or min(row) < 0 or max(row) >= text.vocabulary:
                raise InputError(f'token_ids of "{sentence}": expected numbers from 0 to {text.vocabulary - 1}')
        return [list(row) for row in ids]

    def place(self, device: str) -> torch.device:
        """Move the network to a device and let as many frames through at a time as suit it."""
        chosen = resolve_device(device)
        if next(self.network.parameters()).device != chosen:
            self.network.to(chosen)
            self._read = None
            self.network.rows_at_once = ReferFormerNetwork.rows_at_once if chosen.type == "cpu" else _ROWS_ON_GPU
        return chosen

    @torch.no_grad()
    def read(self, token_ids: Sequence[Sequence[int]]) -> Sentences:
        """Encode sentences, once for the same ones; not padded where there is one."""
        key = tuple(tuple(ids) for ids in token_ids)
        if self._read is None or self._read[0] != key:
            device = next(self.network.parameters()).device
            ids, padding = pad_tokens(token_ids, self.network.config.text.pad_id)
            self._read = key, self.network.read(ids.to(device), padding.to(device))
        return self._read[1]

    @torch.no_grad()
    def answer(
        self, frames: Iterable[Picture], token_ids: Sequence[Sequence[int]], *, short: int = 360, group: int = 4
    ) -> Iterator[Answers]:
        """The best query of each sentence over frames that belong together, the sentences in order.

        The frames are seen once. frames: (height, width, 3) uint8 RGB of one size. short: the side that the network
        sees. group: sentences that go through together.
        """
        device = next(self.network.parameters()).device
        # Frames may be large, so that only one at a time is held at its own size.
        coming = iter(frames)
        first = next(coming)
        size = network_size(first.shape[:2], short)
        sight = self.network.look(prepare(itertools.chain([first], coming), size)[None].to(device))
        sentences = self.read(token_ids)
        for start in range(0, len(token_ids), group):
            yield self.network.answer(sight, sentences.part(start, start + group), [size])

    @torch.no_grad()
    def candidates(
        self, clips: Sequence[Sequence[Picture]], token_ids: Sequence[Sequence[int]], keep: Sequence[int] | None = None
    ) -> list[Candidates]:
        """All queries of each clip's sentence in one frame, as A2D, JHMDB and RefCOCO are evaluated.

        clips: of equal length, one for each sentence; together they are one batch, padded to the largest, as in the
        published evaluation (in twos). keep: the frame of each clip that is meant; the only one by default.
        """
        device = next(self.network.parameters()).device
        originals = [clip[0].shape[:2] for clip in clips]
        sizes = [network_size(size, _PICTURE_SHORT, _PICTURE_LONGEST) for size in originals]
        frames, padding = pad_batch([prepare(clip, size) for clip, size in zip(clips, sizes, strict=True)])
        sight = self.network.look(frames.to(device), padding.to(device), keep or [0] * len(clips))
        found = self.network(sight, self.read(token_ids), sizes)
        results = []
        for row, (seen, size) in enumerate(zip(sizes, originals, strict=True)):
            parts = found.logits[row, 0], found.boxes[row, 0], found.masks[row, 0]
            results.append(candidates_of(*parts, seen, size))
        return results


class ReferFormerStream(Stream):
    """One pass over a video, window by window; frames come in order. See `Stream`."""

    def __init__(
        self,
        system: ReferFormer,
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
        frames, group = self._video.frames(start, stop), options.sentences_at_once
        parts = list(self._system.answer(frames, self._token_ids, short=options.size, group=group))
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
