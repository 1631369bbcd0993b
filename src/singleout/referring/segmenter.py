"""Systems to which each sentence is one object, found anew in every window of frames, as a `Segmenter`.

The published scripts feed whole videos (Ref-YouTube-VOS) or clips (Ref-DAVIS17) and choose one query for each. `mode`
takes either; "bounded" cuts at shots as well, and needs no more memory for a longer video.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from singleout.errors import InputError
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.devices import resolve_device
from singleout.nn.referring.network import ReferringNetwork
from singleout.nn.referring.values import Answers, Sentences
from singleout.nn.text.tokens import FolderTokenizer, pad_tokens
from singleout.prompts import Phrase, Prompt
from singleout.referring.options import FirstLayerOptions, Options
from singleout.referring.pictures import Picture, Size, at_size, network_size, prepare
from singleout.referring.soft import SoftAnswer
from singleout.referring.stream import SentenceStream
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike

_ROWS_ON_GPU = 64


class SentenceSegmenter(Segmenter):
    """A network of `nn.referring` with its weights.

    tokenizer: folder of its files, None where sentences come as token ids. options: what its calls may set.
    """

    options: ClassVar[type[Options]] = Options

    abilities = Abilities(
        prompts=frozenset({Phrase}), tasks=frozenset({"referring"}), look_ahead=None, independent=True
    )

    def __init__(self, network: ReferringNetwork, *, name: str, tokenizer: Path | None) -> None:
        self.name = name
        self.network = network
        # Frames go through one by one, so that folding anew would be paid for with each of them.
        keep_folded(network)
        self.tokenizer = tokenizer
        self._tokenizer: FolderTokenizer | None = None
        self._read: tuple[tuple[tuple[int, ...], ...], Sentences] | None = None

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        return SentenceStream(self, video, prompts, self.options.read(self.name, options), state)

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
            self.network.rows_at_once = ReferringNetwork.rows_at_once if chosen.type == "cpu" else _ROWS_ON_GPU
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
        self,
        frames: Iterable[Picture],
        token_ids: Sequence[Sequence[int]],
        *,
        short: int | None = None,
        longest: int | None = None,
        group: int = 4,
        corrected: bool = False,
    ) -> Iterator[Answers]:
        """The best query of each sentence over frames that belong together, the sentences in order.

        The frames are seen once. frames: (height, width, 3) uint8 RGB of one size. short, longest: the side that the
        network sees and the limit of the other, the published ones by default. group: sentences that go through
        together. corrected: see the network.
        """
        device = next(self.network.parameters()).device
        first, coming = _with_first(frames)
        size = self._seen_size(first, short, longest)
        sight = self.network.look(prepare(coming, size)[None].to(device))
        sentences = self.read(token_ids)
        for start in range(0, len(token_ids), group):
            part = sentences.part(start, start + group)
            yield self.network.answer(sight, part, [size], corrected=corrected)

    def answer_window(
        self, frames: Iterable[Picture], token_ids: Sequence[Sequence[int]], options: Options
    ) -> Iterator[Answers]:
        """`answer` as the options of a run say."""
        return self.answer(
            frames,
            token_ids,
            short=options.size,
            longest=options.longest,
            group=options.sentences_at_once,
            corrected=isinstance(options, FirstLayerOptions) and options.corrected,
        )

    def soft_answers(
        self,
        frames: Iterable[Picture],
        token_ids: Sequence[Sequence[int]],
        *,
        short: int | None = None,
        longest: int | None = None,
    ) -> Iterator[SoftAnswer]:
        """What is kept of each sentence for the fusion of several systems, the sentences in order.

        frames: all of a video. short, longest: as in `answer`.
        """
        first, coming = _with_first(frames)
        for found in self.answer(coming, token_ids, short=short, longest=longest):
            for masks, scores in zip(found.masks, found.frame_scores, strict=True):
                logits = at_size(masks, first.shape[:2])
                yield SoftAnswer(logits.cpu().numpy(), scores.double().cpu().numpy())

    def _seen_size(self, picture: Picture, short: int | None, longest: int | None) -> Size:
        """The size at which a picture is looked at; None stands for what is published."""
        short = self.options.size if short is None else short
        longest = self.options.longest if longest is None else longest
        return network_size((picture.shape[0], picture.shape[1]), short, longest)


def _with_first(frames: Iterable[Picture]) -> tuple[Picture, Iterator[Picture]]:
    """The first frame, and all of them; frames may be large, so that only one at a time is held at its own size."""
    coming = iter(frames)
    first = next(coming)
    return first, itertools.chain([first], coming)
