"""One pass of UniVS over a video in one of three ways: entities are found, pixels classified, or objects followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from singleout.exports.flat import coded
from singleout.nn.mask2former.geometry import Enlarger
from singleout.prompts import Phrase, Prompt
from singleout.segmenter import Stream, VideoLike
from singleout.systems.univs.asked import Sentences
from singleout.systems.univs.asking import Marked, Named, are_things, marked, named, task_of
from singleout.systems.univs.candidates import Rules
from singleout.systems.univs.clips import Clip, read_clips
from singleout.systems.univs.entities import EntityTracker, Left
from singleout.systems.univs.following import Following
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.instances import Result, WindowScores, results_of
from singleout.systems.univs.objects import LeftObjects, ObjectTracker
from singleout.systems.univs.options import Options
from singleout.systems.univs.panoptic import PanopticWindows
from singleout.systems.univs.semantic import ClassVotes
from singleout.tracks import Answer, FrameCodes, ObjectInfo
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.systems.univs.inference import UniVS

WINDOW = 10  # frames that are written together
_MOST_ANSWERS = 20  # names that are answered one by one


class UniVSStream(Stream):
    """See `Stream`; frames come in order."""

    def __init__(self, system: UniVS, video: VideoLike, prompts: tuple[Prompt, ...], options: Options) -> None:
        self._system, self._video, self._options = system, video, options
        self.task = task_of(system.name, prompts, options.task)
        self.settings = options.settings(self.task, options.way(self.task, video.num_frames))
        length = min(self.settings.frames, video.num_frames)
        self.length, self.stride = length, min(self.settings.stride or length, length)
        size = (video.height, video.width)
        self.geometry = Geometry.of(size, self.settings.short, options.longest, options.square)
        self._device = system.place(options.device)
        self._tracker: EntityTracker | None = None
        self._object_tracker: ObjectTracker | None = None
        ways = {"semantic": self._semantic, "instances": self._instances, "panoptic": self._panoptic}
        if self.task in ways:
            self._named = named(prompts, options.vocabulary)
            self.things = are_things(self._named.names, options.stuff, options.vocabulary)
            super().__init__(frames=ways[self.task]())
        else:
            self._marked = marked(system.name, prompts, self.geometry, self._stuff)
            self._phrases = [prompt.text for prompt in prompts if isinstance(prompt, Phrase)]
            super().__init__(frames=self._objects())

    def _clips(self, start: int = 0) -> Iterator[Clip]:
        network = self._system.network
        return read_clips(network, self._video, self.geometry, self.length, self.stride, start=start)

    def _embeddings(self, asked: Named) -> Tensor:
        words = self._system.words
        if asked.rows is None:
            return words.embed_names(asked.names, on_names=self.on_names).to(self._device)
        assert self._options.vocabulary is not None
        return words.embed_vocabulary(self._options.vocabulary)[list(asked.rows)].to(self._device)

    # Entities

    def tracker(self) -> EntityTracker:
        """What finds and follows the entities of this pass."""
        if self._tracker is None:
            things = torch.tensor(self.things, device=self._device) if self.task == "panoptic" else None
            self._tracker = self._new_tracker(self._embeddings(self._named), things)
        return self._tracker

    def _new_tracker(self, names: Tensor, things: Tensor | None) -> EntityTracker:
        chosen = self.settings
        rules = Rules(
            chosen.score,
            chosen.match,
            chosen.consistency,
            chosen.box_overlap,
            stability=chosen.stability if things is None else None,
            overlap=chosen.overlap if things is None else None,
            detections=chosen.detections,
            things=things,
        )
        return EntityTracker(
            self._system.network,
            self.geometry,
            names,
            rules,
            self._following(),
        )

    def _following(self) -> Following:
        chosen, options = self.settings, self._options
        return Following(
            self.length,
            self.stride,
            chosen.memory,
            chosen.points,
            self._system.dice(options.seed),
            corrected=options.mends,
        )

    def _left(self, tracker: EntityTracker) -> Iterator[tuple[int | None, list[Left]]]:
        """The number of each clip, None in the end, and the frames that have left by then."""
        for clip in self._clips():
            left = tracker.step(clip)
            yield clip.start, left
        yield None, tracker.finish()

    def _closes(self, start: int | None, closed: int) -> bool:
        """Whether the next window of frames is complete, some frames after its last one."""
        return start is not None and start >= self.settings.memory + WINDOW * (closed + 1)

    def _instances(self) -> Iterator[FrameCodes]:
        tracker = self.tracker()
        enlarger = Enlarger(self.geometry, self._device)
        windows, seen, closed = WindowScores(), list[set[int]](), 0
        kept: list[FrameCodes] = []
        for start, left in self._left(tracker):
            for one in left:
                frame = self._entities_in(one, tracker, enlarger)
                seen.append({int(number) - 1 for number in frame.ids})
                if self._options.spreads:
                    kept.append(frame)
                else:
                    yield frame
            while self._closes(start, closed) or (start is None and seen):
                count = len(seen) if start is None else WINDOW
                places = sorted(set().union(*seen[:count]))
                del seen[:count]
                shown = torch.zeros(tracker.num_objects, dtype=torch.bool, device=self._device)
                shown[places] = True
                windows.add(tracker.mean_scores, shown)
                closed += 1
        scores, sharpness = windows.result(), tracker.sharpness
        if self._options.spreads:
            yield from self._spread(results_of(scores, sharpness, self.settings.detections), kept)
        else:
            self._describe(scores * sharpness[:, None])
        self._answer()

    def _entities_in(self, left: Left, tracker: EntityTracker, enlarger: Enlarger) -> FrameCodes:
        best = tracker.mean_scores.amax(1) * tracker.sharpness if tracker.num_objects else tracker.quality
        ids, scores, codes = [], [], []
        for place, mask in enumerate(left.logits):
            (rows, columns), values = enlarger(mask)
            pixels = (values > 0).cpu().numpy()
            if pixels.any():
                ids.append(place + 1)
                scores.append(float(best[place]))
                codes.append(run_length.encode(pixels, top=rows.start, left=columns.start, size=self.geometry.original))
        return self._coded(left.number, ids, scores, codes, exclusive=False)

    def _describe(self, scores: Tensor) -> None:
        for place, row in enumerate(scores):
            label = self._named.names[int(row.argmax())]
            self.objects[place + 1] = ObjectInfo(place + 1, label, label, min(float(row.max()), 1.0))

    def _spread(self, results: list[Result], frames: list[FrameCodes]) -> Iterator[FrameCodes]:
        """Each object once for every class that it may be."""
        for number, one in enumerate(results, 1):
            label = self._named.names[one.label]
            self.objects[number] = ObjectInfo(number, label, label, one.score)
        for frame in frames:
            places = {int(number) - 1: place for place, number in enumerate(frame.ids)}
            here = [(number, one) for number, one in enumerate(results, 1) if one.place in places]
            codes = [frame.code_at(places[one.place]) for _, one in here]
            yield self._coded(frame.frame, [number for number, _ in here], [one.score for _, one in here], codes, False)

    def _panoptic(self) -> Iterator[FrameCodes]:
        things = torch.tensor(self.things, device=self._device)
        tracker = self.tracker()
        overlap = self.settings.overlap or 0.0
        windows = PanopticWindows(self.geometry, things, overlap, self._device, corrected=self._options.mends)
        waiting: list[int] = []
        closed = 0
        for start, left in self._left(tracker):
            for one in left:
                windows.add(one)
                waiting.append(one.number)
            while self._closes(start, closed) or (start is None and waiting):
                count = len(waiting) if start is None else WINDOW
                yield from windows.close(waiting[:count], tracker.mean_scores)
                del waiting[:count]
                closed += 1
        scores = tracker.mean_scores
        for place, number in windows.segments.things.items():
            label = int(scores[place].argmax())
            self._segment(number, label, float(scores[place, label]))
        for label, number in windows.segments.stuff.items():
            self._segment(number, label, float(scores[:, label].max()))
        self._answer()

    def _segment(self, number: int, label: int, score: float) -> None:
        name = self._named.names[label]
        self.objects[number] = ObjectInfo(number, name, name, min(score, 1.0), self.things[label])

    # Classes of pixels

    @torch.inference_mode()
    def _semantic(self) -> Iterator[FrameCodes]:
        names, votes = self._embeddings(self._named), ClassVotes(self.geometry, self._device)
        for clip in self._clips():
            # What the category prompts say is not read, and learnable queries do not look at them.
            decoded = self._system.network.decode(clip.features, None, names)
            masks, logits = decoded.masks(), decoded.logits
            assert logits is not None
            weights = logits.sigmoid() * votes.sharpness(masks)[:, None]
            for place, number in enumerate(clip.frames):
                found = votes(masks[:, place], weights)
                labels = found.labels + 1
                if self._options.background > 0:
                    labels = labels.where(found.votes >= self._options.background, 0)
                yield self._class_codes(number, labels.cpu().numpy().astype(np.int32), found.votes)
        self._answer()

    def _class_codes(self, number: int, labels: np.ndarray, votes: Tensor) -> FrameCodes:
        ids, codes = coded(labels)
        flat = torch.from_numpy(labels).to(votes.device).long().flatten()
        total = torch.bincount(flat, votes.flatten().clamp(max=1), minlength=len(self._named.names) + 1)
        mean = total / torch.bincount(flat, minlength=len(total)).clamp(min=1)
        scores = [float(mean[one]) for one in ids]
        for one, score in zip(ids, scores, strict=True):
            known = self.objects.get(one)
            if known is None or known.score < score:
                self._segment(one, one - 1, score)
        return self._coded(number, ids, scores, codes, exclusive=True)

    # Objects asked for

    def _stuff(self, label: str) -> int | None:
        """The class of a label that is stuff, among the names of the vocabulary."""
        if self._options.vocabulary is None:
            return None
        from singleout.vocabularies import bare_words, packaged_names

        names = [bare_words(name) for name in packaged_names(self._options.vocabulary)]
        plain = bare_words(label)
        if plain not in names or are_things([label], None, self._options.vocabulary)[0]:
            return None
        return names.index(plain)

    def object_tracker(self) -> ObjectTracker:
        """What follows the objects of this pass that are asked for."""
        if self._object_tracker is None:
            self._object_tracker = self._new_object_tracker()
        return self._object_tracker

    def _new_object_tracker(self) -> ObjectTracker:
        options, words = self._options, None
        if self._phrases:
            features = self._system.words.embed_sentences(
                self._phrases, clean=options.clean_sentences, once=options.once
            )
            words = Sentences(features.sentences.to(self._device), features.words.to(self._device))
        names = None
        if any(one.asked.stuff is not None for one in self._marked):
            assert options.vocabulary is not None
            names = self._system.words.embed_vocabulary(options.vocabulary).to(self._device)
        return ObjectTracker(
            self._system.network,
            self.geometry,
            [one.asked for one in self._marked],
            self._following(),
            names=names,
            sentences=words,
            queries=options.queries,
            # As published, panoptic objects are compared in another way; they come with a list of names.
            softly=options.vocabulary is not None,
        )

    def _objects(self) -> Iterator[FrameCodes]:
        tracker = self.object_tracker()
        best = [0.0] * len(self._marked)
        for number in range(tracker.first_clip):
            yield self._coded(number, [], [], [], exclusive=True)
        for clip in self._clips(tracker.first_clip):
            yield from self._decided(tracker.step(clip), best)
        yield from self._decided(tracker.finish(), best)
        for one, score in zip(self._marked, best, strict=True):
            self._conclude(one, score)

    def _conclude(self, one: Marked, score: float) -> None:
        self.objects[one.id] = ObjectInfo(one.id, one.label, one.prompt, round(score, 4))
        message = "" if score > 0 else f"{one.prompt}: it is seen in no frame"
        self.answers.append(Answer(one.prompt, (one.id,), round(score, 4), 0.0, message))

    def _decided(self, frames: Iterable[LeftObjects], best: list[float]) -> Iterator[FrameCodes]:
        """Masks at the size of the video. Where objects compete, a pixel belongs to the first that has it."""
        exclusive = not self._phrases if self._options.exclusive is None else self._options.exclusive
        for left in frames:
            ids, scores, codes = [], [], []
            taken: Tensor | None = None
            for row, place in enumerate(left.places):
                mask = self.geometry.restore(left.logits[row][None])[0] > 0
                if exclusive:
                    mask = mask if taken is None else mask & ~taken
                    taken = mask if taken is None else taken | mask
                if mask.any():
                    score = float(left.scores[row])
                    best[place] = max(best[place], score)
                    ids.append(self._marked[place].id)
                    scores.append(score)
                    codes.append(run_length.encode(mask.cpu().numpy()))
            yield self._coded(left.number, ids, scores, codes, exclusive=exclusive)

    # Both

    def _coded(
        self, number: int, ids: list[int], scores: list[float], codes: list[bytes], exclusive: bool
    ) -> FrameCodes:
        height, width = self.geometry.original
        return FrameCodes.pack(
            number, np.array(ids, np.int32), scores, codes, height=height, width=width, exclusive=exclusive
        )

    def _answer(self) -> None:
        """What became of each name, or of all where they are many."""
        names = self._named.names
        if len(names) > _MOST_ANSWERS:
            found = tuple(sorted(self.objects))
            best = max((info.score for info in self.objects.values()), default=0.0)
            self.answers.append(Answer(f"{len(names)} names", found, best, self.settings.score))
            return
        for name in names:
            mine = [info for info in self.objects.values() if info.label == name]
            best = max((info.score for info in mine), default=0.0)
            self.answers.append(Answer(name, tuple(sorted(info.id for info in mine)), best, self.settings.score))
