"""Ref-YouTube-VOS and MeViS: a sentence a result, pictures of 0 and 255.

The server of Ref-YouTube-VOS is gone and its code was never public; MeViS's evaluator (henghuiding/MeViS 7c0620b) is
the closest there is, and what both are scored with here: no frame is left out, J and F are averaged over the frames of
a sentence, then over sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.data import referring
from singleout.data.records import ReferringVideo, Sentence
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Benchmark, Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.looks import look_at
from singleout.evaluation.benchmarks.pairs import another_number, same_size, side_by_side
from singleout.evaluation.benchmarks.predictions import check_others, top_folder
from singleout.evaluation.metrics.vos import Referring as Gathered
from singleout.evaluation.metrics.vos import sentence_scores
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports import FORMATS
from singleout.exports.layout import pack
from singleout.exports.pictures import read_numbers
from singleout.prompts import Phrase, Prompt
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length

Bool = npt.NDArray[np.bool_]
_TOP = "Annotations"


@dataclass(frozen=True)
class Referring(Benchmark):
    """See the module. mevis: its layout of data, and its zip with the videos directly at the top."""

    mevis: bool = False

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = self._videos(data)
        for video in videos:
            check_truth(video)
        top = "" if self.mevis and not (predictions / _TOP).is_dir() else _TOP
        folder = top_folder(predictions, [video.name for video in videos], top)
        for video in videos:
            _check_predictions(video, folder)
        notes = check_others(folder, [video.name for video in videos], part=data.is_part)
        gathered = Gathered()
        objects: list[ObjectResult] = []
        for done, video in enumerate(videos, 1):
            images = dict(zip(video.frame_names, video.images, strict=True))
            for sentence in video.sentences:
                answers = folder / video.name / sentence.id
                truth, found = partial(true_mask, video, sentence), partial(_predicted, answers)
                pairs = _pairs(video, truth, answers)
                j, f = sentence_scores(pairs, where=f"{video.name}, sentence {sentence.id}")
                mean_j, mean_f = gathered.add(j, f)
                values = {"J&F": (mean_j + mean_f) / 2, "J": mean_j, "F": mean_f}
                look = look_at(video.frame_names, images, truth, found)
                name = f"{sentence.id}: {sentence.text}"
                series = {"J": j, "F": f}
                objects.append(ObjectResult(video.name, name, values, values["J&F"], series, video.frame_names, look))
            on_video(video.name, done, len(videos))
        result = gathered.result()
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            {"J&F": result.jf, "J": result.j, "F": result.f},
            decimals=4,
            objects=tuple(objects),
            notes=notes,
            about={"sentences": result.num_sentences},
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job; each of its sentences is asked by itself, because several may mean the same object."""
        return [
            Job.of_video(
                video,
                partial(_asked, video),
                num_frames=len(video.frame_names) * len(video.sentences),
                about={"sentences": tuple(sentence.id for sentence in video.sentences)},
            )
            for video in self._videos(data, masks=False)
        ]

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """A folder for each sentence, with a picture of 0 and 255 for each frame."""
        together, meant = _joined(answers)
        names = list(together.frame_names or ())
        sentences: Mapping[str, Sequence[int]] = dict(zip(job.about["sentences"], meant, strict=True))
        return FORMATS["ref-ytvos"].write(
            together,
            folder,
            video_name=job.name,
            frame_names=names,
            sentences=sentences,
            archive=False,
            overwrite=True,
        )

    def submission(self, folder: Path, archive: Path) -> Path:
        """Ref-YouTube-VOS: the folder Annotations at the top of the zip; MeViS: the videos."""
        return pack(folder / _TOP, archive, top="" if self.mevis else _TOP)

    def _videos(self, data: Source, *, masks: bool = True) -> tuple[ReferringVideo, ...]:
        if self.mevis:
            return referring.read_mevis(data.root, split=str(data.split), masks=masks)
        return referring.read_ref_ytvos(data.root, split=str(data.split), truth=data.truth)


def _asked(video: ReferringVideo) -> list[tuple[Prompt, ...]]:
    return [(Phrase(sentence.text),) for sentence in video.sentences]


def _joined(answers: Sequence[Tracks]) -> tuple[Tracks, list[tuple[int, ...]]]:
    """The objects of all answers in one id space, and those of each answer."""
    together, meant, largest = answers[0], [], 0
    for index, answer in enumerate(answers):
        names = {old: largest + place for place, old in enumerate(answer.ids, 1)}
        renamed = answer.rename(names)
        together = renamed if index == 0 else together.merge(renamed)
        meant.append(tuple(names.values()))
        largest += len(names)
    return together, meant


def check_truth(video: ReferringVideo) -> None:
    """Raise InputError where the truth of a video is not there, or does not say what each sentence means."""
    if not (video.truth or video.sentence_truth or video.masks):
        raise InputError(
            f"the truth of {video.name} is not part of the data set: give --truth with a folder of <video>/<frame>.png "
            "or <video>/<sentence>/<frame>.png, or choose a split that has it"
        )
    files = [*video.truth.values(), *(path for each in video.sentence_truth.values() for path in each.values())]
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]} is missing: the truth of {video.name} is not whole")
    silent = [each.id for each in video.sentences if video.truth and not each.object_ids]
    if silent:
        raise InputError(
            f"{video.name}: the data set does not say which object sentence {silent[0]} means, so --truth must have a "
            "folder for each sentence"
        )


def _check_predictions(video: ReferringVideo, folder: Path) -> None:
    for sentence in video.sentences:
        place = folder / video.name / sentence.id
        there = {path.name for path in place.glob("*.png")}
        missing = [name for name in video.frame_names if f"{name}.png" not in there]
        if missing:
            raise InputError(
                f"{place / missing[0]}.png is missing ({len(missing)} of the {len(video.frame_names)} frames of "
                f"sentence {sentence.id} have no prediction)"
            )
    check_others(folder / video.name, [sentence.id for sentence in video.sentences], part=False, what="sentence")


def _pairs(video: ReferringVideo, truth: partial[Bool], answers: Path) -> Iterator[tuple[Bool, Bool]]:
    both = side_by_side(video.frame_names, partial(_predicted, answers), truth)
    for name, (predicted, true) in zip(video.frame_names, both, strict=True):
        same_size(predicted, true, answers / f"{name}.png")
        yield predicted, true


def true_mask(video: ReferringVideo, sentence: Sentence, frame: str) -> Bool:
    """What a sentence means in a frame, by its name: (height, width) bool."""
    if video.sentence_truth:
        return read_numbers(video.sentence_truth[sentence.id][frame]) > 0
    if video.truth:
        return np.isin(read_numbers(video.truth[frame]), sentence.object_ids)
    place = video.frame_names.index(frame)
    codes = [code for key in sentence.mask_ids if (code := video.masks[key][place]) is not None]
    if not codes:
        height, width = _size(video)
        return np.zeros((height, width), np.bool_)
    height, width = codes[0]["size"]
    return run_length.decode(run_length.union([code["counts"] for code in codes], height, width), height, width)


def _size(video: ReferringVideo) -> tuple[int, int]:
    """The size of a video, which its other masks tell, or its first picture where no frame shows anything."""
    from PIL import Image

    for masks in video.masks.values():
        for code in masks:
            if code is not None:
                return code["size"][0], code["size"][1]
    try:
        with Image.open(video.images[0]) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{video.images[0]} cannot be read, and no mask tells the size of {video.name}") from error


def _predicted(answers: Path, frame: str) -> Bool:
    path = answers / f"{frame}.png"
    values = read_numbers(path)
    strange = another_number(values, (0, 1, 255))
    if strange is not None:
        raise InputError(f"{path} holds the value {strange}: the mask of a sentence is a picture of 0 and 255")
    return values > 0


BENCHMARKS = (
    Referring(
        "ref-youtube-vos",
        "Ref-YouTube-VOS",
        "referring",
        ("valid", "train", "test"),
        "Annotations/<video>/<sentence>/<frame>.png, pictures of 0 and 255",
        "a zip with the folder Annotations at its top",
        ("truth",),
    ),
    Referring(
        "mevis",
        "MeViS",
        "referring",
        ("valid_u", "valid", "train", "test"),
        "<video>/<sentence>/<frame>.png, pictures of 0 and 255",
        "a zip with the folders of the videos directly at its top",
        mevis=True,
    ),
)
