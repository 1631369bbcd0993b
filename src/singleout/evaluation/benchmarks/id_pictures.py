"""What the benchmarks share whose predictions are palette PNGs of object ids, a folder a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from singleout.evaluation.benchmarks.base import Benchmark, Job
from singleout.exports import FORMATS
from singleout.exports.layout import pack
from singleout.tracks import FrameCodes, FrameMasks, Tracks


@dataclass(frozen=True)
class IdPictures(Benchmark):
    """Predictions are ``<top>/<video>/<frame>.png``. top: the folder above the videos, "" for none."""

    top: str = ""

    def adapt(self, masks: FrameMasks | FrameCodes) -> FrameMasks | FrameCodes:
        """Objects compete for each pixel, as a picture of ids holds one of them."""
        return masks if isinstance(masks, FrameCodes) else replace(masks, exclusive=True)

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """A palette PNG for each frame that is kept."""
        (tracks,) = answers
        names = list(tracks.frame_names or ())
        # The name of a job may say the folder of an annotator before that of the video.
        *above, video = job.name.split("/")
        target = folder.joinpath(self.top, *above)
        return FORMATS["davis"].write(tracks, target, video_name=video, frame_names=names, overwrite=True)

    def submission(self, folder: Path, archive: Path) -> Path | None:
        """The zip has the videos at its top, or in the folder `top`."""
        return pack(folder / self.top, archive, top=self.top)
