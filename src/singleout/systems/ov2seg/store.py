"""Masks of all tracks in all frames, until it is known which of them are wanted.

What is wanted is known after the last frame. The latest masks wait as the network gave them; where they would take more
than a stated amount of memory, older ones become run-length codes at the size of the video, which wait on disk.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from singleout.nn.mask2former.geometry import Enlarger, Geometry
from singleout.nn.threads import side_by_side
from singleout.systems.ov2seg.tracking import Sharpness
from singleout.tracks import codes as run_length

_CODES_IN_MEMORY = 1 << 24  # bytes of codes, before they go to disk


class MaskStore:
    """See the module; frames are added in the order of the video.

    budget: bytes of masks as they are. fine: masks are judged at the size of the video, for which all must be brought
    to it, so none waits as it is.
    """

    def __init__(self, geometry: Geometry, device: torch.device, budget: int, *, fine: bool = False) -> None:
        self._enlarger, self._device = Enlarger(geometry, device), device
        self._budget, self._fine = budget, fine
        self._soft: deque[Tensor] = deque()
        self._bytes = 0
        self._file = tempfile.SpooledTemporaryFile(_CODES_IN_MEMORY)  # noqa: SIM115 - it lives as long as the store
        # Of each frame on disk where each of its codes ends.
        self._ends: list[npt.NDArray[np.int64]] = []

    def add(self, masks: Tensor) -> Sharpness:
        """The masks of the next frame, (num_tracks, h, w) logits at stride 4; returns how sharp each of them is."""
        if self._fine:
            judged = list(side_by_side(self._judge, masks.unbind(), self._device))
            self._write([code for code, _ in judged])
            inside, count = (
                torch.stack(sums) for sums in zip(*((one.inside, one.count) for _, one in judged), strict=True)
            )
            return Sharpness(inside, count)
        self._soft.append(masks)
        self._bytes += masks.nbytes
        while self._soft and self._bytes > self._budget:
            oldest = self._soft.popleft()
            self._bytes -= oldest.nbytes
            self._write(list(side_by_side(self._code, oldest.unbind(), self._device)))
        return Sharpness.of(masks)

    def read(self, frame: int, tracks: Sequence[int]) -> Iterator[bytes]:
        """The codes of some tracks in a frame, at the size of the video."""
        if frame >= len(self._ends):
            soft = self._soft[frame - len(self._ends)]
            yield from side_by_side(self._code, [soft[track] for track in tracks], self._device)
            return
        ends = self._ends[frame]
        for track in tracks:
            self._file.seek(int(ends[track]))
            yield self._file.read(int(ends[track + 1] - ends[track]))

    def close(self) -> None:
        """Let go of everything."""
        self._soft.clear()
        self._file.close()

    def _code(self, mask: Tensor) -> bytes:
        return self._coded(*self._enlarger(mask))

    def _judge(self, mask: Tensor) -> tuple[bytes, Sharpness]:
        crop, values = self._enlarger(mask)
        return self._coded(crop, values), Sharpness.of(values)

    def _coded(self, crop: tuple[slice, slice], values: Tensor) -> bytes:
        pixels = (values > 0).cpu().numpy()
        rows, columns = crop
        return run_length.encode(pixels, top=rows.start, left=columns.start, size=self._enlarger.size)

    def _write(self, codes: Sequence[bytes]) -> None:
        start = int(self._ends[-1][-1]) if self._ends else 0
        self._file.seek(start)
        self._file.write(b"".join(codes))
        self._ends.append(start + np.cumsum([0, *map(len, codes)], dtype=np.int64))
