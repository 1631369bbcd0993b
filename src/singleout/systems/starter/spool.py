"""Soft masks that wait for their turn, outside of memory."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Spool:
    """Masks by frame in an unnamed temporary file, in steps of 1/255: constant memory whatever the length."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the spool
        self._places: dict[int, tuple[int, int, str]] = {}

    def put(self, frame: int, ids: Sequence[int], masks: Tensor) -> None:
        """Keep the masks of a frame. masks: (num_objects, height, width) probabilities, in the order of ids."""
        steps = (masks.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        packed = zlib.compress(steps.tobytes(), 1)
        self._file.seek(0, 2)
        self._places[frame] = (self._file.tell(), len(packed), json.dumps([list(ids), steps.shape]))
        self._file.write(packed)

    def get(self, frame: int) -> tuple[list[int], Tensor] | None:
        """Ids and masks of a frame, float32; None where nothing was kept."""
        if frame not in self._places:
            return None
        start, length, described = self._places[frame]
        ids, shape = json.loads(described)
        self._file.seek(start)
        steps = np.frombuffer(zlib.decompress(self._file.read(length)), dtype=np.uint8).reshape(shape)
        return ids, torch.from_numpy(steps.astype(np.float32) / 255)

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()
        self._places.clear()
