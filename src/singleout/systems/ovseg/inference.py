"""OVSeg as a `Segmenter`: a class of the names that are asked for at each pixel, picture by picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.exports.flat import coded
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.devices import resolve_device
from singleout.nn.text.tokens import ClipTokenizer
from singleout.nn.text.words import OVSEG, ClipWords, Kept
from singleout.prompts import Categories, Prompt
from singleout.segmenter import Abilities, Frame, OnNames, Segmenter, Stream, VideoLike
from singleout.systems.ovseg.ensemble import ClassMap
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.systems.ovseg.options import PUBLISHED_WEIGHTS, Options
from singleout.systems.ovseg.pictures import ask_clip, judge, look, paint, with_others
from singleout.tracks import Answer, FrameCodes, ObjectInfo

_MOST_ANSWERS = 20  # names that are answered one by one


class OVSeg(Segmenter):
    """The system with its weights, whose own text tower reads names.

    tokenizer: the folder of its tokenizer's files, or where they belong. kept: where vectors of names are kept for
    other runs. Frames of a video are looked at one by one, so classes may flicker; see docs/ovseg.md for what helps.
    """

    abilities = Abilities(prompts=frozenset({Categories}), tasks=frozenset({"semantic"}), look_ahead=0)

    def __init__(
        self, network: OVSegNetwork, *, name: str, tokenizer: Path | None = None, kept: Kept | None = None
    ) -> None:
        self.network, self.name = network, name
        keep_folded(network)
        self._folder, self._kept = tokenizer, kept
        self._words: ClipWords | None = None
        self._vectors: dict[str, Tensor] = {}

    @property
    def words(self) -> ClipWords:
        """What reads names. Raises InputError where there is no tokenizer."""
        if self._words is None:
            tokenizer = None if self._folder is None else ClipTokenizer.find(self._folder)
            if tokenizer is None:
                raise InputError(
                    f"{self.name} cannot read names without CLIP's tokenizer: singleout get {self.name} "
                    f"--tokenizer-only, or put its files into {self._folder}"
                )
            self._words = ClipWords(self.network.clip.text, tokenizer, OVSEG, self._kept)
        return self._words

    def rows(self, names: list[str], on_names: OnNames | None = None) -> Tensor:
        """Vectors of names and of no object, (num_names + 1, space); names that were asked before cost nothing."""
        new = [name for name in dict.fromkeys(names) if name not in self._vectors]
        if new:
            self._vectors |= zip(new, self.words.embed_names(new, on_names=on_names), strict=True)
        vectors = torch.stack([self._vectors[name] for name in names])
        return self.network.rows(vectors.to(self.network.no_object.device))

    @torch.inference_mode()
    def name_masks(
        self, picture: Frame, masks: npt.NDArray[np.bool_], names: Sequence[str], **options: Any
    ) -> npt.NDArray[np.float32]:
        """What the adapted CLIP says of given masks: (num_masks, num_names), 0 to 1, rows sum to 1.

        So tracks of other systems can be named. picture: (height, width, 3) uint8 RGB. masks: (num_masks, height,
        width); the row of one without a pixel is all zeros. options: those of `NAMING`, see `Options`. Raises
        InputError for others.
        """
        chosen = Options.for_naming(self.name, options)
        device = self._moved(chosen.device)
        rows = self.rows([" ".join(name.split()) for name in names])
        rules = replace(chosen, mask_threshold=0.5).rules(self.network.config)
        values = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).to(device).float()
        shares = torch.from_numpy(masks.astype(np.float32)).to(device)
        regions, logits = ask_clip(self.network.clip.images, values, shares, rows, rules)
        found = np.zeros((len(masks), len(names)), np.float32)
        found[[region.query for region in regions]] = logits[:, :-1].softmax(-1).cpu().numpy()
        return found

    def published(self, benchmark: str) -> dict[str, Any]:
        """All proposals vote, and CLIP has the weight that was found for the data set."""
        weight = PUBLISHED_WEIGHTS.get(benchmark)
        return {} if weight is None else {"rule": "ensemble", "weight": weight}

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        if state is not None:
            raise InputError(f"{self.name} cannot go on from a saved state; start without it")
        chosen = Options.read(self.name, options)
        self._moved(chosen.device)
        names = Categories([name for prompt in prompts if isinstance(prompt, Categories) for name in prompt.names])
        return OVSegStream(self, video, list(names.names), chosen)

    def _moved(self, device: str) -> torch.device:
        """The network goes where it is to compute."""
        wanted = resolve_device(device)
        if self.network.no_object.device != wanted:
            self.network.to(wanted)
        return wanted


class OVSegStream(Stream):
    """See `Stream`; frames come in order."""

    def __init__(self, system: OVSeg, video: VideoLike, names: list[str], options: Options) -> None:
        self._system, self._video, self._names, self._options = system, video, names, options
        self._rules = options.rules(system.network.config)
        super().__init__(frames=self._classes())

    @torch.inference_mode()
    def _classes(self) -> Iterator[FrameCodes]:
        network, options, demo = self._system.network, self._options, self._rules.demo
        asked, compared = with_others(self._names) if demo else (self._names, None)
        rows = self._system.rows(asked, self.on_names)
        config = network.config
        size = (self._video.height, self._video.width)
        blank = 0
        for number, frame in enumerate(self._video.frames()):
            seen = look(network, frame, options.short or config.size, options.longest or config.longest)
            opinions = judge(network, seen, rows, self._rules)
            blank += not opinions.regions and self._rules.weight is not None
            canvas = paint(seen.shares, opinions, self._rules, size, compared=compared)
            del seen
            yield self._coded(number, canvas.labels())
        self._answer(blank)

    def _coded(self, number: int, found: ClassMap) -> FrameCodes:
        labels = found.labels + 1
        # As in the demo, nothing is drawn where no chosen region lies; "others" is nothing that was asked for.
        if self._rules.demo:
            labels = labels.masked_fill(found.blank | (labels > len(self._names)), 0)
        ids, codes = coded(labels.cpu().numpy().astype(np.int32))
        flat = labels.flatten()
        total = torch.bincount(flat, found.shares.flatten(), minlength=len(self._names) + 1)
        mean = total / torch.bincount(flat, minlength=len(total)).clamp(min=1)
        scores = [min(float(mean[one]), 1.0) for one in ids]
        for one, score in zip(ids, scores, strict=True):
            known = self.objects.get(one)
            if known is None or known.score < score:
                name = self._names[one - 1]
                self.objects[one] = ObjectInfo(one, name, name, score, thing=False)
        height, width = self._video.height, self._video.width
        return FrameCodes.pack(number, np.array(ids, np.int32), scores, codes, height=height, width=width)

    def _answer(self, blank: int) -> None:
        """What became of each name, or of all where they are many. blank: frames without a region."""
        why = ""
        if blank:
            least = self._rules.cutting.threshold
            why = (
                f"no proposal covers a pixel in {blank} of {self._video.num_frames} frames at mask_threshold {least:g}"
            )
        if len(self._names) > _MOST_ANSWERS:
            best = max((info.score for info in self.objects.values()), default=0.0)
            message = f"{why}: lower it (--option mask_threshold=…)" if why else ""
            self.answers.append(Answer(f"{len(self._names)} names", tuple(sorted(self.objects)), best, 0.0, message))
            return
        for number, name in enumerate(self._names, 1):
            info, message = self.objects.get(number), ""
            if info is None:
                other = why and f"{why}: lower it (--option mask_threshold=…)"
                message = f"{name}: {other or 'no pixel is more like it than like the other names'}"
            found = (number,) if info is not None else ()
            self.answers.append(Answer(name, found, info.score if info is not None else 0.0, 0.0, message))
