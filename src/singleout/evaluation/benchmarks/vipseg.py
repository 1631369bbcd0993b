"""VIPSeg: every pixel of a video belongs to a thing or to stuff; VPQ over windows of frames, and STQ.

Frames of prediction and truth are paired by name; the evaluator of the data set pairs them by their order in the files
(zhang-tao-whu/DVIS#7).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.data import panoptic, records
from singleout.errors import InputError
from singleout.evaluation.benchmarks.archive import below, pack_files
from singleout.evaluation.benchmarks.base import Benchmark, Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.benchmarks.pairs import side_by_side
from singleout.evaluation.metrics.panoptic import FramePairs, PanopticFrame, Segment, pair_segments
from singleout.evaluation.metrics.stq import SegmentationTrackingQuality
from singleout.evaluation.metrics.vpq import VideoPanopticQuality
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult
from singleout.exports import FORMATS
from singleout.exports.layout import dump, read_json, text_file, write_json_list
from singleout.exports.panoptic import read_segment_ids
from singleout.media.atomic import atomic_folder
from singleout.prompts import Categories, Prompt
from singleout.tracks import FrameCodes, FrameMasks, Tracks
from singleout.vocabularies.categories import categories

_LISTING, _PICTURES, _PARTS = "pred.json", "pan_pred", "parts"


@dataclass(frozen=True)
class Vipseg(Benchmark):
    """See the module."""

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth = panoptic.read_vipseg(data.root, split=str(data.split))
        found = panoptic.read_videos(_listing(predictions), predictions / _PICTURES)
        videos = _paired(truth, found, part=data.is_part)
        things = {category.id: bool(category.thing) for category in truth.categories}
        vpq = VideoPanopticQuality(things, corrected=corrected)
        stq = SegmentationTrackingQuality(things, corrected=corrected)
        right: list[list[float]] = []
        # One stream for all videos, so that the first pictures of a video are read while the one before is scored.
        stream = paired_segments([pair for _, frames in videos for pair in frames])
        for done, (video, frames) in enumerate(videos, 1):
            pairs = list(islice(stream, len(frames)))
            vpq.add(pairs, where=f"{found.path}, video {video.name}")
            stq.add(pairs, name=video.name)
            right.append([_right(each) for each in pairs])
            on_video(video.name, done, len(videos))
        quality, tracking = vpq.result(), stq.result()
        table = {"VPQ": 100 * quality.vpq, "VPQ-th": 100 * quality.things, "VPQ-st": 100 * quality.stuff}
        table |= {f"VPQ{window}": 100 * each.all.pq for window, each in quality.windows.items()}
        table |= {"STQ": tracking.stq, "AQ": tracking.aq, "IoU": tracking.iou}
        objects = tuple(
            ObjectResult(
                video.name,
                "",
                {"STQ": each.stq, "AQ": each.aq, "IoU": each.iou, "accuracy": float(np.nanmean(shares))},
                each.stq,
                {"accuracy": np.array(shares)},
                tuple(true.name for true, _ in frames),
                partial(_look, frames),
            )
            for (video, frames), each, shares in zip(videos, tracking.videos, right, strict=True)
        )
        names = {category.id: category.name for category in truth.categories}
        by_category = {
            names[number]: {"PQ": 100 * each.pq, "SQ": 100 * each.sq, "RQ": 100 * each.rq}
            for number, each in quality.windows[1].categories.items()
        }
        files = {"vpq-final.txt": "".join(f"{name}: {table[name]:.4f}\n" for name in ("VPQ", "VPQ-th", "VPQ-st"))}
        files["stq-final.txt"] = "".join(f"{name}: {table[name]}\n" for name in ("STQ", "AQ", "IoU"))
        for window, each in quality.windows.items():
            rows = {"All": each.all, "Things": each.things, "Stuff": each.stuff}
            files[f"vpq-{(window - 1) * 5}.txt"] = "".join(
                f"{name}: PQ {100 * row.pq:.4f} SQ {100 * row.sq:.4f} RQ {100 * row.rq:.4f} N {row.num_categories}\n"
                for name, row in rows.items()
            )
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            table,
            decimals=4,
            objects=objects,
            parts={"By category, single frames (percent)": by_category},
            files=files,
            notes=("VPQ is in percent, STQ, AQ and IoU are fractions, as the official tools print them",),
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job, which is asked for all categories."""
        asked: list[tuple[Prompt, ...]] = [(Categories([each.name for each in categories("vipseg")]),)]
        jobs = []
        for video in panoptic.read_vipseg(data.root, split=str(data.split)).videos:
            names = tuple(frame.name for frame in video.frames)
            first = video.frames[0].image
            if first is None:
                raise InputError(f"{data.root} has no pictures of {video.name}")
            jobs.append(Job(video.name, first.parent, lambda: asked, names, num_frames=len(names)))
        return jobs

    def adapt(self, masks: FrameMasks | FrameCodes) -> FrameMasks | FrameCodes:
        """Segments do not overlap."""
        return masks if isinstance(masks, FrameCodes) else replace(masks, exclusive=True)

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """The pictures in ``pan_pred/<video>/``, and the segments of the video as a part of pred.json."""
        (tracks,) = answers
        pictures, part = folder / _PICTURES / job.name, folder / _PARTS / f"{job.name}.json"
        names = list(tracks.frame_names or ())
        numbers = {" ".join(each.name.split()): each.id for each in categories("vipseg")}
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as scratch:
            FORMATS["panoptic"].write(tracks, scratch, video_name=job.name, frame_names=names, categories=numbers)
            with atomic_folder(pictures, overwrite=True) as temporary:
                for path in (Path(scratch) / _PICTURES / job.name).iterdir():
                    path.rename(temporary / path.name)
            (listed,) = read_json(Path(scratch) / _LISTING)["annotations"]
        with text_file(part) as file:
            file.write(dump(listed))
        return [pictures, part]

    def finish(self, data: Source, jobs: Sequence[Job], folder: Path) -> None:
        """``pred.json`` of all videos, in the order of the truth."""
        with text_file(folder / _LISTING) as file:
            file.write('{"annotations":')
            write_json_list(file, (read_json(folder / _PARTS / f"{job.name}.json") for job in jobs))
            file.write("}\n")

    def submission(self, folder: Path, archive: Path) -> Path:
        """pred.json and the folder pan_pred at the top of the zip."""
        pictures = {f"{_PICTURES}/{name}": path for name, path in below(folder / _PICTURES, "*.png").items()}
        return pack_files({_LISTING: folder / _LISTING, **pictures}, archive)


def _listing(predictions: Path) -> Path:
    path = predictions / _LISTING
    if path.is_file():
        return path
    deeper = sorted(predictions.glob(f"*/{_LISTING}"))
    if deeper:
        raise InputError(f"{deeper[0]} lies one folder deeper than expected: give {deeper[0].parent}")
    raise InputError(f"{path} is missing: it lists the segments of the pictures in {_PICTURES}")


Frames = Sequence[tuple[records.PanopticFrame, records.PanopticFrame]]
"""Frames, true and predicted."""


def _paired(
    truth: records.PanopticSet, found: records.PanopticSet, *, part: bool
) -> list[tuple[records.PanopticVideo, Frames]]:
    """Each video of the truth with its frames, true and predicted."""
    by_name = {video.name: video for video in found.videos}
    known = {video.name for video in truth.videos}
    strange = [name for name in by_name if name not in known]
    if strange and not part:
        raise InputError(f"{found.path} has the video {strange[0]!r}, which {truth.path.name} does not list")
    missing = [video.name for video in truth.videos if video.name not in by_name]
    if missing:
        raise InputError(
            f"{found.path} has no video {missing[0]} ({len(missing)} of the {len(truth.videos)} videos of the split "
            "are missing)"
        )
    paired: list[tuple[records.PanopticVideo, Frames]] = []
    for video in truth.videos:
        frames = {frame.name: frame for frame in by_name[video.name].frames}
        lost = [frame.name for frame in video.frames if frame.name not in frames]
        if lost:
            raise InputError(f"{found.path}: frame {lost[0]} of video {video.name} is missing ({len(lost)} are)")
        if len(frames) > len(video.frames):
            more = next(name for name in frames if name not in {frame.name for frame in video.frames})
            raise InputError(f"{found.path}: video {video.name} has no frame {more} in {truth.path.name}")
        paired.append((video, [(frame, frames[frame.name]) for frame in video.frames]))
    for _, frames_of in paired:
        for pair in frames_of:
            for frame in pair:
                if not frame.picture.is_file():
                    raise InputError(f"{frame.picture} is missing")
    return paired


def paired_segments(frames: Frames) -> Iterator[FramePairs]:
    """How the segments of each frame, true and predicted, overlap; every picture is read once."""
    both = side_by_side(frames, lambda pair: _frame(pair[1]), lambda pair: _frame(pair[0]))
    for (_, picture), (found, true) in zip(frames, both, strict=True):
        yield pair_segments(true, found, where=str(picture.picture))


def _frame(frame: records.PanopticFrame) -> PanopticFrame:
    segments = [
        Segment(each.id, each.category_id, each.iscrowd, None if each.area is None else int(each.area))
        for each in frame.segments
    ]
    return PanopticFrame(read_segment_ids(frame.picture), segments)


def _right(pairs: FramePairs) -> float:
    """The share of labelled pixels with the right category."""
    true = {each.id: each.category for each in pairs.truth}
    found = {each.id: each.category for each in pairs.prediction}
    labelled = right = 0
    for one, other, pixels in zip(
        pairs.truth_ids.tolist(), pairs.prediction_ids.tolist(), pairs.pixels.tolist(), strict=True
    ):
        if one in true:
            labelled += pixels
            right += pixels * (found.get(other) == true[one])
    return right / labelled if labelled else float("nan")


def _look(frames: Frames, index: int) -> Look:
    true, found = frames[index]
    wanted, given = (_categories_at(frame) for frame in (true, found))
    return Look(f"frame {true.name}", wanted >= 0, (wanted >= 0) & (wanted == given), read_picture(true.image))


def _categories_at(frame: records.PanopticFrame) -> npt.NDArray[np.int64]:
    ids = read_segment_ids(frame.picture)
    known = {each.id: each.category_id for each in frame.segments}
    values, places = np.unique(ids, return_inverse=True)
    return np.array([known.get(int(value), -1) for value in values])[places].reshape(ids.shape)


BENCHMARKS = (
    Vipseg(
        "vipseg",
        "VIPSeg",
        "panoptic",
        ("val", "train", "test"),
        "pred.json and pan_pred/<video>/<frame>.png, RGB PNGs with id = R + 256 G + 65536 B",
        "a zip with pred.json and the folder pan_pred at its top, as the evaluators read them",
        corrects="crowds forgiven only once, the void class in IoU, and the first thing that counts as crowd in AQ",
    ),
)
