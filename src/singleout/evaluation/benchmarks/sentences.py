"""A2D-Sentences and JHMDB-Sentences: a sentence and one annotated frame of a video make one sample.

Truth is read from the data sets as they are released, or from a file of COCO's form as ReferFormer and SOC make it
(`--truth`, or under its usual name in the folder of the data set).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import actions, images
from singleout.data.records import ActionSample, ImageAnnotation, ImageResult, ImageSet, ListedImage
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.listed import blaming, refuse_nothing, results_file
from singleout.evaluation.benchmarks.single import SingleFrames, best_result, result_look
from singleout.evaluation.metrics.sentences import SentenceMetrics
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.prompts import Phrase, Prompt
from singleout.tracks import codes as run_length


@dataclass(frozen=True)
class Sentences(SingleFrames):
    """See the module. converted: the usual name of the truth in COCO's form."""

    converted: str = ""
    unit: str = "samples"

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth, texts = self._truth(data)
        path = results_file(predictions)
        results = images.read_results(path, truth)
        refuse_nothing(path, results)
        found: Mapping[int | str, list[ImageResult]] = defaultdict(list)
        for result in results:
            found[result.image_id].append(result)
        listed = {image.id: image for image in truth.images}
        missing = [each.image_id for each in truth.annotations if not found[each.image_id]]
        if missing:
            raise InputError(
                f"{path} has no result for sample {missing[0]!r} ({len(missing)} of {len(truth.annotations)} have "
                "none): each sample needs a mask, even if it is empty"
            )
        metric = SentenceMetrics()
        for done, each in enumerate(truth.annotations, 1):
            with blaming(path, truth.path, [each.segmentation]):
                metric.add(each, found[each.image_id])
            on_video(str(each.image_id), done, len(truth.annotations))
        scores = metric.result()
        objects = tuple(
            ObjectResult(
                str(each.image_id),
                texts.get(each.image_id, ""),
                {"IoU": scores.overlaps.ious[each.image_id]},
                scores.overlaps.ious[each.image_id],
                look=partial(result_look, listed[each.image_id], each, best_result(found[each.image_id])),
            )
            for each in truth.annotations
        )
        return Evaluation(
            self.name, self.title, str(data.split), scores.summary, objects=objects, about={"results": len(results)}
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job; each of its sentences is asked by itself, and the annotated frames are kept."""
        by_source: Mapping[Path, list[ActionSample]] = defaultdict(list)
        for sample in self._samples(data):
            by_source[sample.source.parent if self.jhmdb else sample.source].append(sample)
        return [self._job(source, samples) for source, samples in by_source.items()]

    def submission(self, folder: Path, archive: Path) -> None:
        """There is no server."""

    @property
    def jhmdb(self) -> bool:
        """Whether frames are pictures, and truth a MATLAB file for a video."""
        return self.name.startswith("jhmdb")

    def _samples(self, data: Source) -> tuple[ActionSample, ...]:
        if self.jhmdb:
            return actions.read_jhmdb(data.root, samples=data.samples)
        return actions.read_a2d(data.root, split=str(data.split), samples=data.samples)

    def _truth(self, data: Source) -> tuple[ImageSet, dict[int | str, str]]:
        """The truth, and the sentence of each sample where it is known."""
        file = data.truth or data.root / self.converted
        if data.truth is not None or file.is_file():
            found = images.read(file)
            return found, {image.id: image.caption or "" for image in found.images}
        samples = self._samples(data)
        pairs = [self._annotated(place, sample) for place, sample in enumerate(samples, 1)]
        listed, annotations = zip(*pairs, strict=True) if pairs else ((), ())
        return ImageSet(data.root, (), listed, annotations), {sample.id: sample.text for sample in samples}

    def _annotated(self, place: int, sample: ActionSample) -> tuple[ListedImage, ImageAnnotation]:
        mask = actions.read_jhmdb_mask(sample) if self.jhmdb else actions.read_a2d_mask(sample)
        height, width = mask.shape
        code = run_length.encode(mask)
        left, top, right, bottom = np.nan_to_num(run_length.boxes([code], height, width)[0]).tolist()
        box = (left, top, right - left, bottom - top)
        rle = {"size": [height, width], "counts": code}
        # The picture of an mp4 is not a file of its own; the report shows the masks alone.
        image = ListedImage(sample.id, sample.source, height, width, caption=sample.text)
        return image, ImageAnnotation(place, sample.id, 1, rle, box, float(np.count_nonzero(mask)))

    def _job(self, source: Path, samples: Sequence[ActionSample]) -> Job:
        def name_of(sample: ActionSample) -> str:
            # Frames are numbered from 1; those of an mp4 are named from 00000.
            return sample.source.stem if self.jhmdb else f"{sample.frame - 1:05d}"

        keep = tuple(sorted({name_of(sample) for sample in samples}))
        wanted: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for sample in samples:
            # The published code of these sets (ReferFormer, SOC, MTTR) asks in small letters.
            wanted[" ".join(sample.text.lower().split())].append((keep.index(name_of(sample)), sample.id))
        asked: list[tuple[Prompt, ...]] = [(Phrase(text),) for text in wanted]
        about = {"samples": list(wanted.values())}
        return Job(samples[0].video, source, lambda: asked, keep=keep, num_frames=len(asked), about=about)


_RESULT = "results.json, a list of {image_id, category_id: 1, score, segmentation}, all masks of every sample"
BENCHMARKS = (
    Sentences(
        "a2d-sentences",
        "A2D-Sentences",
        "referring",
        ("test", "train"),
        _RESULT,
        "none: there is no server",
        ("truth", "samples"),
        converted="a2d_sentences_test_annotations_in_coco_format.json",
    ),
    Sentences(
        "jhmdb-sentences",
        "JHMDB-Sentences",
        "referring",
        ("test",),
        _RESULT,
        "none: there is no server",
        ("truth", "samples"),
        converted="jhmdb_sentences_gt_annotations_in_coco_format.json",
    ),
)
