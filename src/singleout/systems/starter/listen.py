"""Objects that words mean, frame by frame, when nothing is known of the frames to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from singleout.systems.starter.carry import Rows
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.judge import Evidence, Sight
from singleout.systems.starter.marks import Ids
from singleout.systems.starter.options import Options
from singleout.systems.starter.spot import NEAR, Spotter
from singleout.systems.starter.sweep import Found, Sweep
from singleout.systems.starter.verdict import Verdicts

SIGHTS = 8  # looks that an object is judged by; older ones are forgotten
PATIENCE = 3  # looks in a row after which an object that is no result is no longer followed


class Listener:
    """All words of one session. Call `step` for each frame."""

    def __init__(self, spotter: Spotter, options: Options, ids: Ids) -> None:
        self.spotter, self.options = spotter, options
        self.engine, self.view = spotter.engine, spotter.view
        self.verdicts = Verdicts(spotter.requests, ids, pursued=False)
        self.restart()

    def restart(self) -> None:
        """Begin a new shot: nothing is followed."""
        self._follower = Follower(self.engine.network)
        self._seen: dict[int, Evidence] = {}
        self._misses: dict[int, int] = {}
        self._pairs: list[tuple[int, int]] = []
        self._steps = 0
        self._next_id = 1
        self._before: Tensor | None = None
        self.verdicts.new_shot()

    @torch.inference_mode()
    def step(self, frame: int, picture: Tensor) -> Rows:
        """Ids and masks, at the resolution of the network, in the next frame."""
        looking = self._steps % self.options.interval == 0
        before = self._before
        if (self._steps + NEAR) % self.options.interval == 0 or self.options.interval <= NEAR:
            self._before = picture
        self._steps += 1
        if not looking and not self._follower.groups:
            return [], torch.zeros(0, *self.view.mask_shape)
        look = self.spotter.look(frame, picture, [] if before is None else [before]) if looking else None
        features = look.features if look is not None else self.engine.encode(picture)
        masks = self._follower.advance(features)
        marked: dict[int, Tensor] = {}
        if look is not None:
            found = Found(next_id=self._next_id, num_objects=len(self._follower.ids))
            sweep = Sweep(self.engine, [look], found, self.options.max_objects)
            marked = sweep.new_objects(look, self._follower.ids, masks)
            self._next_id = found.next_id
        masks = self._follower.settle(features, masks, marked)
        ids = self._follower.ids
        if look is not None:
            self.verdicts.note(look.scores)
            self.spotter.judge(look, ids, masks, self._seen)
            self._vote()
        shown = [(ids.index(number), result) for number, result in self._pairs]
        if not shown:
            return [], torch.zeros(0, *self.view.mask_shape)
        return [result for _, result in shown], masks[[row for row, _ in shown]]

    def _vote(self) -> None:
        """Choose again, and stop following what was not chosen several times."""
        for evidence in self._seen.values():
            for old in sorted(evidence.sights)[:-SIGHTS]:
                del evidence.sights[old]
        self._pairs = self.verdicts.judge(self._seen, 1)
        chosen = {number for number, _ in self._pairs}
        for number in self._follower.ids:
            self._misses[number] = 0 if number in chosen else self._misses.get(number, 0) + 1
        gone = {number for number, misses in self._misses.items() if misses >= PATIENCE}
        self._follower.drop(gone)
        for number in gone:
            self._misses.pop(number)
            self._seen.pop(number, None)

    def num_bytes(self) -> int:
        """Bytes of the tensors remembered at present."""
        return self._follower.num_bytes() + (0 if self._before is None else self._before.numel())

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values from which `load` goes on with equal results."""
        tensors, follower = self._follower.save()
        if self._before is not None:
            tensors["before"] = self._before
        seen = {
            str(number): [[frame, _plain(sight)] for frame, sight in evidence.sights.items()]
            for number, evidence in self._seen.items()
        }
        return tensors, {
            "follower": follower,
            "seen": seen,
            "misses": sorted(self._misses.items()),
            "pairs": self._pairs,
            "steps": self._steps,
            "next_id": self._next_id,
            "verdicts": self.verdicts.save(),
        }

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Go on from what `save` gave."""
        self._before = tensors.get("before")
        self._follower = Follower.load(self.engine.network, tensors, header["follower"])
        self._seen = {
            int(number): Evidence({int(frame): _sight(plain) for frame, plain in sights})
            for number, sights in header["seen"].items()
        }
        self._misses = {int(number): int(misses) for number, misses in header["misses"]}
        self._pairs = [(int(number), int(result)) for number, result in header["pairs"]]
        self._steps, self._next_id = int(header["steps"]), int(header["next_id"])
        self.verdicts.load(header["verdicts"])


def _plain(sight: Sight) -> dict[str, Any]:
    values = {name: getattr(sight, name) for name in ("area", "x", "y", "bottom", "motion")}
    return {**values, "words": [float(value) for value in sight.words], "colors": dict(sight.colors)}


def _sight(plain: Mapping[str, Any]) -> Sight:
    return Sight(**{**plain, "words": np.array(plain["words"], dtype=np.float32)})
