"""Objects followed frame by frame: several looks at each frame, their decision, and what is given by the user.

What a frame was decided to be goes into the memory only when the next frame comes (`commit`), so that it can still be
corrected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.states import StateFormat, prefixed, under
from singleout.systems.aot.decisions import shares_of
from singleout.systems.aot.engine import Engine, group_sizes, num_groups
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.pictures import Picture, davis_size, network_size, prepare, resize_labels
from singleout.systems.aot.precision import computing
from singleout.systems.aot.values import Sight, Size
from singleout.tracks import FrameMasks

Ids = npt.NDArray[np.int32]
STATES = StateFormat("singleout.aot", 1)
_HEADER = 2**18  # bytes of plain values and names in a saved state


@dataclass(frozen=True)
class Look:
    """One way to look at each frame: its size in the network, and whether it is mirrored."""

    size: Size
    flipped: bool

    def picture(self, frame: Picture, device: torch.device) -> Tensor:
        """See `pictures.prepare`."""
        picture = prepare(frame, self.size, device)
        return picture.flip(-1) if self.flipped else picture

    def labels(self, labels: Tensor) -> Tensor:
        """labels (height, width) as the network sees them."""
        # Mirrored before it is made smaller, as published: nearest pixels are not symmetric.
        return resize_labels(labels.flip(-1) if self.flipped else labels, self.size)


def looks(size: Size, options: Options, *, align_corners: bool) -> list[Look]:
    """All looks at frames of a size: for each scale the plain one, then the mirrored one."""
    return [
        Look(
            network_size(
                size,
                align_corners=align_corners,
                scale=scale,
                shortest=options.shortest_side,
                longest=float(options.longest),
            ),
            flipped,
        )
        for scale in options.scales
        for flipped in ((False, True) if options.flip else (False,))
    ]


class Tracker:
    """See the module.

    size: of the frames. open_ids: every identity takes part in each decision, whether it has an object or not, as in
    the challenge code. ids: of the user, in the order in which objects came; their places from 1 are the labels.
    labels: of the last frame, (height, width) int64. shares: their probabilities, (1 + num, height, width), None where
    nothing was looked for.
    """

    def __init__(
        self, network: AOTNetwork, options: Options, size: Size, device: torch.device, *, open_ids: bool = False
    ) -> None:
        self.network, self.options, self.size, self.device = network, options, size, device
        self.open_ids = open_ids
        self.looks = looks(size, options, align_corners=network.config.align_corners)
        self.engines = [Engine(network, options.rule(network.config)) for _ in self.looks]
        self.ids: list[int] = []
        self.removed: set[int] = set()
        self.decision_size = davis_size(size) if options.davis else size
        self.labels = torch.zeros(self.decision_size, dtype=torch.int64, device=device)
        self.shares: Tensor | None = None
        self._frame: Picture | None = None  # what is not in the memory yet
        self._before: tuple[list[int], set[int]] = [], set()  # ids and removed ones when it came
        self._own: list[Tensor] = []
        self._sights: list[Sight] = []
        self._marked = False

    @property
    def present(self) -> list[int]:
        """Ids of the objects that are followed."""
        return [one for one in self.ids if one not in self.removed]

    @property
    def num_objects(self) -> int:
        """Identities that take part in a decision."""
        if self.open_ids:
            return self.network.config.num_ids * num_groups(len(self.ids), self.network.config.num_ids)
        return len(self.ids)

    @torch.inference_mode()
    def see(self, frame: Picture, *, look_for: bool = True) -> None:
        """Take the next frame and decide whose each pixel is. look_for: nothing is looked for where it is false, as the
        objects will be given."""
        self.commit()
        self._frame, self._before = frame, (list(self.ids), set(self.removed))
        with computing(self.options.precision, self.device):
            self._sights = [self.network.look(look.picture(frame, self.device)) for look in self.looks]
            if not self.present or not look_for:
                self.labels = torch.zeros(self.decision_size, dtype=torch.int64, device=self.device)
                self.shares, self._own = None, [self.labels for _ in self.looks]
                return
            own = [self._decide(*each) for each in zip(self.engines, self._sights, self.looks, strict=True)]
        self.shares = own[0] if len(own) == 1 else torch.stack(own).mean(0)
        self.labels = self._without_removed(_surest(self.shares))
        several = len(own) > 1 and not self.options.joint
        self._own = [self._without_removed(_surest(each)) for each in own] if several else [self.labels for _ in own]

    def mark(self, ids: Ids) -> list[int]:
        """Say whose pixels of the last frame are; returns the ids that this tells of.

        ids: (height, width) at the size of the frames, 0 where nothing is said. An object that is followed already is
        where it is marked and nowhere else. Raises InputError for more objects than may be.
        """
        told = [int(one) for one in np.unique(ids) if one]
        new = [one for one in told if one not in self.ids]
        if len(self.ids) + len(new) > self.options.max_objects:
            raise InputError(
                f"{len(self.ids) + len(new)} objects are asked for, and at most {self.options.max_objects} are "
                "followed at once: mark fewer, or raise max_objects"
            )
        nothing_before = not self.ids
        self.ids += new
        self.removed -= set(told)
        given = np.zeros(ids.shape, np.int64)
        for one in told:
            given[ids == one] = self.ids.index(one) + 1
        marks = torch.from_numpy(given).to(self.device)
        if nothing_before and not self._marked:
            # The picture as it was drawn, though the decisions may be of another size.
            self.labels, self._own = marks, [marks for _ in self.looks]
        else:
            numbers = torch.tensor([self.ids.index(one) + 1 for one in told], device=self.device)
            self.labels = _overridden(self.labels, marks, numbers)
            self._own = [_overridden(own, marks, numbers) for own in self._own]
        self._marked = True
        return told

    def remove(self, object_id: int) -> None:
        """Follow an object no longer, from the last frame on. Raises InputError for an id that is not followed."""
        if object_id not in self.present:
            known = ", ".join(map(str, self.present)) or "none"
            raise InputError(f"there is no object {object_id} to remove; the objects followed are: {known}")
        # Its identity goes on to compete for its pixels, or the others would take them, and they go to nobody.
        self.removed.add(object_id)
        self.labels = self._without_removed(self.labels)
        self._own = [self._without_removed(own) for own in self._own]

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values that `load` takes: the memory before the last frame, and that frame."""
        ids, removed = self._before
        header: dict[str, Any] = {
            "ids": self.ids,
            "removed": sorted(self.removed),
            "before": [ids, sorted(removed)],
            "marked": self._marked,
            "engines": [],
        }
        several = len(self.looks) > 1 and not self.options.joint
        labels = {"labels": self.labels} | {f"own.{look}": own for look, own in enumerate(self._own) if several}
        tensors = {name: part.to(torch.int16) for name, part in labels.items()}
        if self._frame is not None:
            tensors["frame"] = torch.from_numpy(np.array(self._frame))
        for look, engine in enumerate(self.engines):
            kept, plain = engine.save()
            header["engines"].append(plain)
            tensors |= prefixed(f"engine.{look}", kept)
        return tensors, header

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Take over what `save` gave; the last frame is looked at again."""
        for look, engine in enumerate(self.engines):
            engine.load(under(f"engine.{look}", tensors), header["engines"][look])
        self.ids, self.removed = list(header["before"][0]), set(header["before"][1])
        if "frame" in tensors:
            self.see(tensors["frame"].numpy())
        self.ids, self.removed = list(header["ids"]), set(header["removed"])
        self.labels = tensors["labels"].to(self.device, torch.int64)
        own = [tensors.get(f"own.{look}") for look in range(len(self.looks))]
        self._own = [self.labels if one is None else one.to(self.device, torch.int64) for one in own]
        self._marked = bool(header["marked"])

    def most_bytes(self, budget: int) -> int:
        """The most bytes of a saved state for the present objects."""
        pairs = zip(self.engines, self.looks, strict=True)
        kept = sum(engine.most_bytes(look.size, len(self.ids), budget) for engine, look in pairs)
        area = max(self.size[0] * self.size[1], self.decision_size[0] * self.decision_size[1])
        return kept + area * (3 + 2 * (len(self.looks) + 1)) + _HEADER

    @torch.inference_mode()
    def commit(self, *, restart_gap: bool = False) -> None:
        """Put the last frame into the memory as it is decided now. restart_gap: see `Engine.refer`."""
        sights, self._sights, self._frame = self._sights, [], None
        if not self.ids or not sights or not (self.present or self._marked):
            return
        with computing(self.options.precision, self.device):
            for engine, look, sight, own in zip(self.engines, self.looks, sights, self._own, strict=True):
                labels = look.labels(own)
                if self._marked:
                    engine.refer(sight, labels, self.num_objects, restart_gap=restart_gap)
                else:
                    engine.update(labels)
        self._marked = False

    def id_map(self) -> Ids:
        """Whose each pixel of the last frame is, (height, width), 0 for nobody's; at the size of the decisions."""
        of_label = np.array([0, *self.ids], np.int32)
        ids: Ids = of_label[self.labels.cpu().numpy()]
        return ids

    def frame_masks(self, frame: int) -> FrameMasks:
        """The last frame's result."""
        chosen = [(number, one) for number, one in enumerate(self.ids, 1) if one not in self.removed]
        numbers = torch.tensor([number for number, _ in chosen], dtype=torch.int64, device=self.device)
        masks = self.labels[None] == numbers[:, None, None]
        areas = masks.flatten(1).sum(1)
        scores = (areas > 0).float()
        soft: Tensor = masks
        if self.shares is not None and not self._marked:
            shares = self.shares[: len(self.ids) + 1][numbers]
            scores = (shares * masks).flatten(1).sum(1) / areas.clamp(min=1)
            soft = shares if self.options.soft else masks
        elif self.options.soft:
            soft = masks.float()
        seen = areas > 0 if not self.options.soft else torch.ones_like(areas, dtype=torch.bool)
        return FrameMasks(
            frame=frame,
            ids=np.array([one for _, one in chosen], np.int32)[seen.cpu().numpy()],
            scores=scores[seen].cpu().numpy(),
            masks=soft[seen].cpu().numpy(),
            height=self.size[0],
            width=self.size[1],
        )

    def _decide(self, engine: Engine, sight: Sight, look: Look) -> Tensor:
        scores = self.network.decode(sight, engine.follow(sight))
        counts = group_sizes(self.num_objects, self.network.config.num_ids)
        align = self.network.config.align_corners
        shares = shares_of(scores, counts, self.decision_size, align_corners=align)
        return shares.flip(-1) if look.flipped else shares

    def _without_removed(self, labels: Tensor) -> Tensor:
        if not self.removed:
            return labels
        gone = torch.tensor([self.ids.index(one) + 1 for one in self.removed], device=labels.device)
        return labels.masked_fill(torch.isin(labels, gone), 0)


def _overridden(labels: Tensor, marks: Tensor, numbers: Tensor) -> Tensor:
    """Labels with marks of some numbers in their place; what else these numbers had is nobody's."""
    marks = resize_labels(marks, (labels.shape[0], labels.shape[1]))
    return torch.where(marks > 0, marks, labels.masked_fill(torch.isin(labels, numbers), 0))


def _surest(shares: Tensor) -> Tensor:
    """The number of the largest share of each pixel; torch's argmax along a short first axis is slow."""
    return shares.max(0).indices
