"""Single frames and pictures, where all queries of a sentence count: A2D-Sentences, JHMDB-Sentences, RefCOCO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from singleout.errors import InputError
from singleout.nn.referring.values import MASK_STRIDE
from singleout.prompts import Phrase, Prompt, as_prompts
from singleout.referring.candidates import Candidates, candidates_of
from singleout.referring.pictures import Picture, pad_batch, prepare
from singleout.referring.segmenter import SentenceSegmenter
from singleout.segmenter import Guess, VideoLike, open_video

_LONGEST = 640  # of the longer side of single pictures, where nothing else is said
PICTURES = frozenset({"refcoco", "refcoco+", "refcocog"})
CLIPS = frozenset({"a2d-sentences", "jhmdb-sentences"})


class PictureSegmenter(SentenceSegmenter):
    """A system that is also evaluated on single frames, each looked at in a clip around it.

    pad_to: sides of clips are filled up to multiples of this. Where it is no multiple of 4, masks of a clip are brought
    to its size, and those of a single picture enlarged by 4, as SOC's code does. first_of_equal: see `clip_around`.
    """

    pad_to: ClassVar[int]
    first_of_equal: ClassVar[bool]

    def guesses(
        self, video: Any, prompts: Prompt | str | Sequence[Any], frames: Sequence[int], **options: Any
    ) -> Iterator[list[list[Guess]]]:
        """See `Segmenter.guesses`; the option `window` says how many frames around each one are looked at with it.

        Of the options of `stream`, also `size`, `longest`, `sentences_at_once`, `token_ids` and `device` count.
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
            clip, kept = clip_around(opened, frame, chosen.window, first_of_equal=self.first_of_equal)
            found = self.candidates(
                clip,
                token_ids,
                kept,
                short=chosen.size,
                longest=chosen.longest or _LONGEST,
                group=chosen.sentences_at_once,
            )
            yield [_guesses(each) for each in found]

    @torch.no_grad()
    def candidates(
        self,
        clip: Sequence[Picture],
        token_ids: Sequence[Sequence[int]],
        keep: int = 0,
        *,
        short: int | None = None,
        longest: int = _LONGEST,
        group: int = 4,
    ) -> list[Candidates]:
        """All queries of each sentence in one frame of a clip, as A2D, JHMDB and RefCOCO are evaluated.

        keep: the place of that frame. short, longest: the side that the network sees and the limit of the other. group:
        sentences that go through together. The clip is padded to multiples of `pad_to`, as in the published evaluation.
        That one takes several samples at a time and pads them to the largest, so that its numbers depend on their
        order; ours do not.
        """
        device = next(self.network.parameters()).device
        original = clip[0].shape[:2]
        size = self._seen_size(clip[0], short, longest)
        frames, padding = pad_batch([prepare(clip, size)], self.pad_to)
        hidden = padding.to(device) if bool(padding.any()) else None
        sight = self.network.look(frames.to(device), hidden, [keep])
        by_stride = self.pad_to % MASK_STRIDE == 0 or len(clip) == 1
        padded = None if by_stride else (frames.shape[3], frames.shape[4])
        sentences, results = self.read(token_ids), []
        for start in range(0, len(token_ids), group):
            found = self.network(sight, sentences.part(start, start + group), [size])
            for logits, boxes, masks in zip(found.logits, found.boxes, found.masks, strict=True):
                results.append(candidates_of(logits[0], boxes[0], masks[0], size, original, padded=padded))
        return results


def clip_around(video: VideoLike, frame: int, length: int, *, first_of_equal: bool = True) -> tuple[list[Picture], int]:
    """`length` frames around one, and its place among them.

    At the ends of the video its first or last frame is repeated. first_of_equal: its place is then that of the first,
    else it is always the one in the middle.
    """
    places = [
        min(max(place, 0), video.num_frames - 1) for place in range(frame - length // 2, frame + (length + 1) // 2)
    ]
    read = list(video.frames(places[0], places[-1] + 1))
    kept = places.index(frame) if first_of_equal else length // 2
    return [read[place - places[0]] for place in places], kept


def _guesses(found: Candidates) -> list[Guess]:
    masks = found.masks.cpu().numpy()
    return [
        Guess(score, mask, (left, top, right, bottom))
        for score, mask, (left, top, right, bottom) in zip(
            found.scores.tolist(), masks, found.boxes.tolist(), strict=True
        )
    ]
