"""What a system for sentences hands on to a fusion of several systems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class SoftAnswer:
    """One sentence's answer before any threshold.

    mask_logits: (time, height, width) float32 at the size of the video. class_info: (time,) float64, the score of the
    chosen query in each frame. The names are those of the files of the ICCV 2023 challenge on Ref-YouTube-VOS.
    """

    mask_logits: npt.NDArray[np.float32]
    class_info: npt.NDArray[np.float64]

    @property
    def key_frame(self) -> int:
        """The frame of the highest score, the first of several."""
        return int(self.class_info.argmax())
