"""OV2Seg as a `Segmenter`: every object of the names that are asked for, followed through a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.devices import resolve_device
from singleout.nn.mask2former.geometry import Geometry
from singleout.nn.text.words import Words
from singleout.prompts import Categories, Prompt
from singleout.segmenter import Abilities, OnLook, Segmenter, Stream, VideoLike
from singleout.systems.ov2seg.classifier import make_classifier
from singleout.systems.ov2seg.network import OV2SegNetwork
from singleout.systems.ov2seg.options import Options, published
from singleout.systems.ov2seg.store import MaskStore
from singleout.systems.ov2seg.values import directions
from singleout.systems.ov2seg.watch import Verdict, Watch
from singleout.tracks import Answer, FrameCodes, ObjectInfo

_ANSWERED_APART = 20  # names, up to which each gets an answer of its own


class OV2Seg(Segmenter):
    """The system with its weights. words: reads names where no table of them is given."""

    abilities = Abilities(prompts=frozenset({Categories}), tasks=frozenset({"instances"}), look_ahead=None)

    def __init__(self, network: OV2SegNetwork, *, name: str, words: Words | None = None) -> None:
        self.network, self.name, self.words = network, name, words
        keep_folded(network)

    def published(self, benchmark: str) -> dict[str, Any]:
        """Every pair of track and name counts, whatever its score."""
        return published(benchmark)

    def classifier(self, names: Sequence[str], options: Options) -> Tensor:
        """The rows of names, (num_names, text width), of length 1. Raises InputError as `make_classifier`."""
        width = self.network.config.text_width
        files = {"file": options.classifier, "file_names": options.classifier_names}
        return directions(make_classifier(names, width, words=self.words, **files))

    def watch(self, video: VideoLike, options: Options, on_look: OnLook | None = None) -> Watch:
        """All frames of a video through the network, put on tracks; on_look: see `Stream`."""
        device = resolve_device(options.device)
        if next(self.network.parameters()).device != device:
            self.network.to(device)
        assert options.short is not None and options.fine is not None, "Options.read fills them in"
        geometry = Geometry.of((video.height, video.width), options.short, options.longest)
        store = MaskStore(geometry, device, options.soft_memory << 20, fine=options.fine)
        watch = Watch(store, self.network.config.sharpness)
        coming = video.frames()
        try:
            while some := list(islice(coming, options.batch)):
                with torch.inference_mode():
                    for seen in self.network(geometry.prepare(some).to(device)):
                        watch.add(seen)
                if on_look is not None:
                    on_look(watch.num_frames, video.num_frames)
        except BaseException:
            watch.close()
            raise
        return watch

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        if state is not None:
            raise InputError(f"{self.name} sees the whole video before its first result and saves no state")
        chosen = Options.read(self.name, options, picture=video.num_frames == 1)
        return OV2SegStream(self, video, prompts, chosen)


class OV2SegStream(Stream):
    """Results, once all frames have been seen; see `Stream`."""

    def __init__(self, system: OV2Seg, video: VideoLike, prompts: tuple[Prompt, ...], options: Options) -> None:
        super().__init__(frames=self._run())
        self._system, self._video, self._options = system, video, options
        self._asked = [prompt.names for prompt in prompts if isinstance(prompt, Categories)]
        # A name that is in several lists is looked for once.
        self._names = Categories([name for names in self._asked for name in names]).names
        # Before any frame is looked at, because this is where mistakes are.
        self._classifier = system.classifier(self._names, options)

    def _run(self) -> Iterator[FrameCodes]:
        options = self._options
        assert options.detections is not None, "Options.read fills it in"
        classifier = self._classifier.to(resolve_device(options.device))
        watch = self._system.watch(self._video, options, self.on_look)
        try:
            with torch.inference_mode():
                verdict = Verdict(
                    watch,
                    classifier,
                    count=options.detections,
                    one_name=options.one_name,
                    threshold=options.threshold,
                )
            self._describe(verdict)
            for frame in range(watch.num_frames):
                yield self._shown(watch.store, verdict, frame)
        finally:
            watch.close()

    def _shown(self, store: MaskStore, verdict: Verdict, frame: int) -> FrameCodes:
        places = torch.nonzero(~verdict.hidden[frame])[:, 0].tolist()
        tracks = verdict.pairs.tracks[places].tolist()
        # A track that has several names is brought to its size once.
        different = list(dict.fromkeys(tracks))
        with torch.inference_mode():
            codes = dict(zip(different, store.read(frame, different), strict=True))
        return FrameCodes.pack(
            frame,
            np.array(places, np.int32) + 1,
            verdict.frame_scores[frame, places].cpu().numpy(),
            [codes[track] for track in tracks],
            height=self._video.height,
            width=self._video.width,
            exclusive=False,
        )

    def _describe(self, verdict: Verdict) -> None:
        found: dict[str, list[int]] = {}
        rows = zip(verdict.pairs.names.tolist(), verdict.scores.tolist(), strict=True)
        for number, (row, score) in enumerate(rows, 1):
            name = self._names[row]
            self.objects[number] = ObjectInfo(number, label=name, prompt=name, score=score)
            found.setdefault(name.casefold(), []).append(number)
        best = {self._names[row].casefold(): score for row, score in verdict.best.items()}
        for names in self._asked:
            together = [[name] for name in names] if len(names) <= _ANSWERED_APART else [list(names)]
            for group in together:
                self.answers.append(self._answer(group, found, best))

    def _answer(self, names: Sequence[str], found: dict[str, list[int]], best: dict[str, float]) -> Answer:
        prompt, threshold = ",".join(names), self._options.threshold
        numbers = sorted(number for name in names for number in found.get(name.casefold(), ()))
        score = max((best.get(name.casefold(), 0.0) for name in names), default=0.0)
        message = ""
        if not numbers:
            shown = prompt if len(names) == 1 else f"any of {len(names)} names"
            message = (
                f'nothing found for "{shown}": the best score is {score:.2f}, lower threshold ({threshold:g}) to see it'
            )
        return Answer(prompt, tuple(numbers), round(score, 4), threshold, message)
