"""ReferFormer as a `Segmenter`: what it can do beyond `SentenceSegmenter`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from singleout.errors import InputError
from singleout.prompts import Phrase, Prompt, as_prompts
from singleout.referring.candidates import Candidates, candidates_of
from singleout.referring.pictures import Picture, network_size, pad_batch, prepare
from singleout.referring.segmenter import SentenceSegmenter
from singleout.segmenter import Guess, VideoLike, open_video

_LONGEST = 640  # of the longer side of single pictures; whole videos have no such limit
_CLIP = 5  # frames that the published models of A2D look at; the one trained from scratch takes 6
_PICTURES = frozenset({"refcoco", "refcoco+", "refcocog"})
_CLIPS = frozenset({"a2d-sentences", "jhmdb-sentences"})


class ReferFormer(SentenceSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    def published(self, benchmark: str) -> dict[str, Any]:
        """As `SentenceSegmenter.published`, and the length of the clips in which single frames are looked at."""
        if benchmark in _CLIPS | _PICTURES:
            return {"window": _CLIP if benchmark in _CLIPS else 1}
        return super().published(benchmark)

    def guesses(
        self, video: Any, prompts: Prompt | str | Sequence[Any], frames: Sequence[int], **options: Any
    ) -> Iterator[list[list[Guess]]]:
        """See `Segmenter.guesses`; the option `window` says how many frames around each one are looked at with it.

        Of the options of `stream`, also `size`, `sentences_at_once`, `token_ids` and `device` count.
        """
        opened, asked = open_video(video), as_prompts(prompts)
        self.check(asked)
        chosen = self.options.read(self.name, options)
        token_ids = self.tokens([prompt.text for prompt in asked if isinstance(prompt, Phrase)], chosen.token_ids)
        for frame in frames:
            if not 0 <= frame < opened.num_frames:
                raise InputError(f"frame {frame} is outside the video, which has {opened.num_frames} frames")
        self.place(chosen.device)
        for frame in frames:
            clip, kept = clip_around(opened, frame, chosen.window)
            found = self.candidates(clip, token_ids, kept, short=chosen.size, group=chosen.sentences_at_once)
            yield [_guesses(each) for each in found]

    @torch.no_grad()
    def candidates(
        self,
        clip: Sequence[Picture],
        token_ids: Sequence[Sequence[int]],
        keep: int = 0,
        *,
        short: int = 360,
        group: int = 4,
    ) -> list[Candidates]:
        """All queries of each sentence in one frame of a clip, as A2D, JHMDB and RefCOCO are evaluated.

        keep: the place of that frame. short: the side that the network sees. group: sentences that go through together.
        The clip is padded to multiples of 32, as in the published evaluation. That one takes two samples at a time and
        pads them to the larger, so that its numbers depend on their order; ours do not.
        """
        device = next(self.network.parameters()).device
        original = clip[0].shape[:2]
        size = network_size(original, short, _LONGEST)
        frames, padding = pad_batch([prepare(clip, size)])
        sight = self.network.look(frames.to(device), padding.to(device), [keep])
        sentences, results = self.read(token_ids), []
        for start in range(0, len(token_ids), group):
            found = self.network(sight, sentences.part(start, start + group), [size])
            for logits, boxes, masks in zip(found.logits, found.boxes, found.masks, strict=True):
                results.append(candidates_of(logits[0], boxes[0], masks[0], size, original))
        return results


def clip_around(video: VideoLike, frame: int, length: int) -> tuple[list[Picture], int]:
    """`length` frames around one, and its place among them.

    At the ends of the video its first or last frame is repeated; the place is the first of equal ones, as published.
    """
    places = [
        min(max(place, 0), video.num_frames - 1) for place in range(frame - length // 2, frame + (length + 1) // 2)
    ]
    read = list(video.frames(places[0], places[-1] + 1))
    return [read[place - places[0]] for place in places], places.index(frame)


def _guesses(found: Candidates) -> list[Guess]:
    masks = found.masks.cpu().numpy()
    return [
        Guess(score, mask, (left, top, right, bottom))
        for score, mask, (left, top, right, bottom) in zip(
            found.scores.tolist(), masks, found.boxes.tolist(), strict=True
        )
    ]
