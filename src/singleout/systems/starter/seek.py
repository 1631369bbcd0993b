"""Objects that words mean, span by span: look at some frames, follow what may be meant, and let time vote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from singleout.segmenter import VideoLike
from singleout.systems.starter.carry import Rows
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.judge import Evidence
from singleout.systems.starter.marks import Ids
from singleout.systems.starter.options import Options
from singleout.systems.starter.pursue import Pursuer, Pursuit
from singleout.systems.starter.resume import prefixed, under
from singleout.systems.starter.spot import NEAR, Look, Spotter
from singleout.systems.starter.sweep import Found, Sweep
from singleout.systems.starter.verdict import Verdicts

GONE = 0.4  # share of the threshold that an object must score at a look to be shown around it


class WordPass:
    """All words of one run. Call `rows` for the frames of a video in order."""

    def __init__(self, spotter: Spotter, options: Options, ids: Ids) -> None:
        self.spotter, self.options = spotter, options
        self.engine, self.view = spotter.engine, spotter.view
        self.verdicts = Verdicts(spotter.requests, ids, pursued=True)
        self._span = (0, 0)
        self._shot = (0, 0)
        self._follower = Follower(self.engine.network)
        self._next_id = 1
        self._pairs: list[tuple[int, int]] = []
        self._found = Found()
        self._hidden: dict[int, set[int]] = {}  # looks by followed object
        # Requests for one object are pursued one by one; the others choose among everything that is followed.
        self._single = [index for index, request in enumerate(spotter.requests.each) if request.single]
        self._pursuers = {index: Follower(self.engine.network) for index in self._single}
        self._pursued: list[tuple[int, Pursuit]] = []
        self._begun = self._snapshot()

    def rows(self, frame: int, video: VideoLike, shot: tuple[int, int]) -> Rows:
        """Ids and masks, at the resolution of the network, of the objects that words mean in a frame."""
        if not self._span[0] <= frame < self._span[1]:
            self._search(frame, video, shot)
        ids, masks = self._found.get(frame)
        rows = {
            result: masks[ids.index(number)]
            for number, result in self._pairs
            if number in ids and self._nearest(frame) not in self._hidden.get(number, ())
        }
        rows |= {result: pursuit.masks[frame].cpu() for result, pursuit in self._pursued if frame in pursuit.masks}
        if not rows:
            return [], torch.zeros(0, *self.view.mask_shape)
        return list(rows), torch.stack(list(rows.values()))

    def save(self, following: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state before the span of frame `following`, from which the same frames lead to equal results."""
        return self._begun if self._span[0] <= following < self._span[1] else self._snapshot()

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Go back to what `save` gave; the span is searched again when its next frame is asked for."""
        self._follower = Follower.load(self.engine.network, tensors, header["follower"])
        self._shot = (int(header["shot"][0]), int(header["shot"][1]))
        for index in self._single:
            kept = under(f"single{index}", tensors)
            self._pursuers[index] = Follower.load(self.engine.network, kept, header["single"][str(index)])
        self._next_id = int(header["next_id"])
        self.verdicts.load(header["verdicts"])
        self._begun = self._snapshot()

    def _snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, follower = self._follower.save()
        single = {}
        for index, each in self._pursuers.items():
            kept, single[str(index)] = each.save()
            tensors |= prefixed(f"single{index}", kept)
        shot, verdicts = list(self._shot), self.verdicts.save()
        header = {"follower": follower, "single": single, "shot": shot, "next_id": self._next_id, "verdicts": verdicts}
        return tensors, header

    @torch.inference_mode()
    def _search(self, frame: int, video: VideoLike, shot: tuple[int, int]) -> None:
        """Find and judge everything in the span of `frame`."""
        begin = shot[0] + (frame - shot[0]) // self.options.span * self.options.span
        end = min(begin + self.options.span, shot[1])
        if shot != self._shot:
            self._follower = Follower(self.engine.network)
            self._pursuers = {index: Follower(self.engine.network) for index in self._single}
            self.verdicts.new_shot()
            self._shot = shot
        self._begun = self._snapshot()
        self._span = (begin, end)
        self._found = Found(next_id=self._next_id, num_objects=len(self._follower.ids))
        pictures = [self.view.shrink(picture) for picture in video.frames(begin, end)]
        looks = [
            self.spotter.look(
                begin + offset,
                pictures[offset],
                [pictures[near] for near in (offset - NEAR, offset + NEAR) if 0 <= near < len(pictures)],
            )
            for offset in range(0, len(pictures), self.options.interval)
        ]
        for look in looks:
            self.verdicts.note(look.scores)
        together = len(self._single) < len(self.spotter.requests.each)
        if together and (self._follower.groups or any(look.candidates for look in looks)):
            self._follow(pictures, begin, looks)
        seen: dict[int, Evidence] = {}
        for look in looks:
            self.spotter.judge(look, *self._found.get(look.frame), seen)
        self._pairs = self.verdicts.judge(seen, len(looks))
        self._hide(seen, looks)
        self._pursue(pictures, begin, looks)
        self._follower.drop(set(self._follower.ids) - {number for number, _ in self._pairs})
        self._next_id = self._found.next_id

    def _nearest(self, frame: int) -> int:
        """The look that is nearest to a frame of the span."""
        begin, interval = self._span[0], self.options.interval
        last = begin + (self._span[1] - 1 - begin) // interval * interval
        return min(begin + (frame - begin + interval // 2) // interval * interval, last)

    def _hide(self, seen: Mapping[int, Evidence], looks: list[Look]) -> None:
        """Around looks at which an object is nothing of the kind it is not shown: it has left, and its mask drifted."""
        requests = self.spotter.requests.each
        asked = {
            result: request
            for request, results in zip(requests, self.verdicts.results, strict=True)
            for result in results
        }
        self._hidden = {}
        for number, result in self._pairs:
            request = asked[result]
            sights = seen[number].sights
            self._hidden[number] = {
                look.frame
                for look in looks
                if look.frame not in sights or sights[look.frame].words[request.head] < GONE * request.threshold
            }

    def _pursue(self, pictures: list[Tensor], begin: int, looks: list[Look]) -> None:
        """Pursue the object of each request for one, and keep those that are what they are asked to be."""
        self._pursued = []
        if not self._single:
            return
        each = {index: Pursuit(self.spotter.requests.each[index], self._pursuers[index]) for index in self._single}
        numbered = [(begin + offset, picture) for offset, picture in enumerate(pictures)]
        Pursuer(self.engine, self.spotter, looks).run(list(each.values()), numbered)
        for index, pursuit in each.items():
            result = self.verdicts.accept(index, pursuit.score) if pursuit.masks else None
            if result is None:
                self._pursuers[index] = Follower(self.engine.network)
            else:
                self._pursued.append((result, pursuit))

    def _follow(self, pictures: list[Tensor], begin: int, looks: list[Look]) -> None:
        """Backwards and forwards from the best look; where objects are followed already, only forwards."""
        sweep = Sweep(self.engine, looks, self._found, self.options.max_objects)
        numbered = [(begin + offset, picture) for offset, picture in enumerate(pictures)]
        if self._follower.groups:
            sweep.run(self._follower, numbered)
            return
        best = max(looks, key=lambda look: sum(candidate.score for candidate in look.candidates[:3]))
        sweep.begin(self._follower, best)
        backwards = self._follower.copy()
        anchor = best.frame - begin
        sweep.run(backwards, reversed(numbered[:anchor]))
        sweep.run(self._follower, numbered[anchor + 1 :])
