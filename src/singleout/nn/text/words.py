"""Names and sentences to vectors in the space of pictures, through a text tower of CLIP's kind and its templates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.errors import InputError
from singleout.nn.text.clip import ClipTextTower
from singleout.nn.text.tokens import Tokenizer
from singleout.vocabularies import REGIONCLIP, VILD, bare_words, packaged_names

OnNames = Callable[[int, int], None]
"""Called with the names that are done and all there are."""

# Tokens that go through the tower at a time: hidden values of them take 42 MB in the tower of RN50x4.
_TOKENS = 4096
# Before the names whose vectors come from the first template alone, where those are kept; no name begins with it.
_ONCE = "\0once\0"
# Texts that are put together from several templates where there are few names.
_TEXTS = 32
# Sentences whose vectors are kept: those of one take 200 KB.
_KEPT_SENTENCES = 64


@dataclass(frozen=True)
class SentenceFeatures:
    """words: (num_sentences, context, width), of every token of the first template, what fills up included.

    sentences: (num_sentences, width).
    """

    words: Tensor
    sentences: Tensor


@dataclass(frozen=True)
class Asking:
    """How a system puts names and sentences to its text tower.

    templates: each with {} for the name. unit: whether the vector of each template, and then their mean, is brought to
    length 1. clean: what becomes of a name or sentence before; one that it leaves nothing of is refused. cut: whether
    what is longer than the tower reads is cut off, else it is refused.
    """

    templates: tuple[str, ...]
    unit: bool
    clean: Callable[[str], str] | None
    cut: bool

    @property
    def digest(self) -> str:
        """Says in a few letters what makes vectors of two ways different."""
        clean = "" if self.clean is None else self.clean.__name__
        content = json.dumps([self.templates, self.unit, clean, self.cut])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


# RegionCLIP's way, which UniVS keeps: a plain mean over 81 templates (section 3 of UniVS's facts).
UNIVS = Asking(REGIONCLIP, unit=False, clean=bare_words, cut=True)
# OVSeg's way: 14 templates, unit vectors; names as they are typed.
OVSEG = Asking(VILD, unit=True, clean=None, cut=False)


class Words(Protocol):
    """What a system that reads words is given; opening the tower may wait until it is asked."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""

    def embed_names(self, names: Sequence[str], *, once: bool = False, on_names: OnNames | None = None) -> Tensor:
        """The vectors of names, (num_names, width) float32 on the CPU, in their order; see `Asking`.

        once: only the first template is asked, not all of them, which takes that much less time. Raises InputError for
        no names, a name without a word, and where there is no tower.
        """

    def embed_sentences(self, sentences: Sequence[str], *, clean: bool = True, once: bool = False) -> SentenceFeatures:
        """The vectors of sentences and of their tokens.

        clean: False takes the sentences as they are typed. once: only the first template is asked, not all of them.
        Raises InputError as `embed_names`.
        """

    def embed_vocabulary(self, key: str) -> Tensor:
        """The vectors of a published list, (num_names, width), by its key in `vocabularies.combined`.

        Raises InputError for an unknown list, and where there is neither a table of them nor a tower.
        """


class Kept(Protocol):
    """Where vectors of names outlive the program."""

    def get(self, name: str) -> Tensor | None:
        """The vector of a name, (width,), None where it is not kept."""

    def put(self, name: str, vector: Tensor) -> None:
        """Keep the vector of a name."""


@dataclass
class ClipWords:
    """`Words` by a tower and its tokenizer.

    kept: vectors of names, where they are to be kept. Memory beside the result does not grow with the number of names.
    """

    tower: ClipTextTower
    tokenizer: Tokenizer
    asking: Asking = UNIVS
    kept: Kept | None = None
    _sentences: dict[tuple[str, bool], tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    @property
    def width(self) -> int:
        """See `Words`."""
        return self.tower.size.out_width

    def embed_names(self, names: Sequence[str], *, once: bool = False, on_names: OnNames | None = None) -> Tensor:
        """See `Words`. A name that is there twice, or was asked before, is computed once."""
        plain = [self._plain(name, "category name") for name in names]
        if not plain:
            raise InputError("no category names: give at least one")
        found: dict[str, Tensor] = {}
        for name in dict.fromkeys(plain):
            kept = None if self.kept is None else self.kept.get(_ONCE + name if once else name)
            if kept is not None and kept.shape == (self.width,):
                found[name] = kept
        unknown = [name for name in dict.fromkeys(plain) if name not in found]
        total = len(found) + len(unknown)
        for some in self._batches(unknown):
            for name, vector in zip(some, self._means(some, once=once), strict=True):
                found[name] = vector
                if self.kept is not None:
                    self.kept.put(_ONCE + name if once else name, vector)
            if on_names is not None:
                on_names(len(found), total)
        return torch.stack([found[name] for name in plain])

    def embed_sentences(self, sentences: Sequence[str], *, clean: bool = True, once: bool = False) -> SentenceFeatures:
        """See `Words`. Vectors of the last sentences are kept."""
        if not sentences:
            raise InputError("no sentences: give at least one")
        features = [self._sentence(self._plain(text, "sentence", clean=clean), once) for text in sentences]
        words, means = zip(*features, strict=True)
        return SentenceFeatures(torch.stack(words), torch.stack(means))

    def embed_vocabulary(self, key: str) -> Tensor:
        """See `Words`. The names are those of the packaged list."""
        return self.embed_names(packaged_names(key))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts, each cut as `Asking` says. Raises InputError for a text that is too long."""
        ids = self.tokenizer(texts)
        longest = self.tower.size.context
        for text, found in zip(texts, ids, strict=True):
            if len(found) > longest and not self.asking.cut:
                raise InputError(
                    f"{text!r:.60} is too long: {len(found)} tokens where the text tower reads {longest}; shorten it"
                )
        # As published, the mark of the end is cut off too; the highest number then ends the text.
        return [found[:longest] for found in ids]

    def _plain(self, text: str, what: str, *, clean: bool = True) -> str:
        plain = self.asking.clean(text) if clean and self.asking.clean is not None else text
        if not any(letter.isalnum() for letter in plain):
            left = " once digits and marks are taken out, as published" if text.strip() else ""
            raise InputError(f"{what} {text!r} has no word in it{left}: give it another name")
        return plain

    def _batches(self, names: Sequence[str]) -> Iterator[list[str]]:
        """Names of similar length together, so that little is filled up, and as many as memory is meant for."""
        lengths = {name: len(ids) for name, ids in zip(names, self.tokens(names), strict=True)} if names else {}
        batch: list[str] = []
        for name in sorted(names, key=lengths.__getitem__):
            if batch and (len(batch) + 1) * lengths[name] > _TOKENS:
                yield batch
                batch = []
            batch.append(name)
        if batch:
            yield batch

    @torch.no_grad()
    def _means(self, names: Sequence[str], *, once: bool) -> Tensor:
        """The mean over templates for each name, (num_names, width) on the CPU."""
        total = torch.zeros(len(names), self.width, device=self.tower.projection.device)
        asked = self.asking.templates[:1] if once else self.asking.templates
        lengths = dict(zip(asked, map(len, self.tokens([each.format(names[0]) for each in asked])), strict=True))
        asked = tuple(sorted(asked, key=lengths.__getitem__))
        # Many names share what stands before them in a template, which is computed once; few go through together.
        together = max(_TEXTS // len(names), 1)
        for start in range(0, len(asked), together):
            some = asked[start : start + together]
            texts = [template.format(name) for template in some for name in names]
            vectors = self.tower.texts(self.tokens(texts)).unflatten(0, (len(some), len(names)))
            total += (F.normalize(vectors, dim=-1) if self.asking.unit else vectors).sum(0)
        mean = total / len(asked)
        return (F.normalize(mean, dim=-1) if self.asking.unit else mean).cpu()

    @torch.no_grad()
    def _sentence(self, text: str, once: bool) -> tuple[Tensor, Tensor]:
        if (text, once) not in self._sentences:
            first = self.asking.templates[0]
            (ids,) = self.tokens([first.format(text)])
            padded = torch.zeros(1, self.tower.size.context, dtype=torch.int64)
            padded[0, : len(ids)] = torch.as_tensor(ids)
            words = self.tower(padded.to(self.tower.projection.device))[0].cpu()
            mean = self._means([text], once=once)[0]
            while len(self._sentences) >= _KEPT_SENTENCES:
                del self._sentences[next(iter(self._sentences))]
            self._sentences[text, once] = words, mean
        return self._sentences[text, once]
