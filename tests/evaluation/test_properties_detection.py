"""Laws of the metrics of tracks and detections, and pycocotools and the plainest implementation beside them."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from benchmarks import plain_metrics as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from singleout.data.records import ImageAnnotation, ImageResult, TrackAnnotation, TrackResult
from singleout.evaluation.metrics.image_ap import ImageAP, LvisAP
from singleout.evaluation.metrics.sentences import SentenceMetrics
from singleout.evaluation.metrics.track_ap import TrackAP
from singleout.evaluation.metrics.tracking import TrackingMetrics, frame_of_masks

SIZE = (20, 26)
CATEGORIES = (2, 3, 7)
few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def code(mask: np.ndarray) -> dict:
    return coco.encode(np.asfortranarray(mask).astype(np.uint8))


def box(random: np.random.Generator, near: np.ndarray | None = None) -> np.ndarray:
    """A rectangle (height, width) bool; near: another one, moved by a few pixels."""
    if near is not None:
        return np.roll(near, random.integers(-2, 3, 2), axis=(0, 1))
    mask = np.zeros(SIZE, bool)
    top, left = random.integers(0, 12, 2)
    mask[top : top + random.integers(1, 9), left : left + random.integers(1, 14)] = True
    return mask


def video(seed: int, name: int = 1, num_frames: int = 3) -> tuple[list[TrackAnnotation], list[TrackResult]]:
    """Truths and results of one video; some frames hold nothing, most results are near a truth, no two scores equal."""
    random = np.random.default_rng(seed)
    truths, results = [], []
    scores = iter(random.permutation(100) / 100)
    for number in range(random.integers(1, 5)):
        category = int(random.choice(CATEGORIES))
        masks = [box(random) if random.random() < 0.8 else None for _ in range(num_frames)]
        codes = tuple(None if mask is None else code(mask) for mask in masks)
        areas = tuple(None if mask is None else float(mask.sum()) for mask in masks)
        truths.append(TrackAnnotation(number, name, category, codes, (None,) * num_frames, areas))
        for _ in range(random.integers(0, 4)):
            found = tuple(
                code(box(random, mask)) if random.random() < 0.9 and mask is not None else None for mask in masks
            )
            kind = category if random.random() < 0.8 else int(random.choice(CATEGORIES))
            results.append(TrackResult(name, kind, float(next(scores)), found))
    return truths, results


def scores_of(*videos: tuple[list[TrackAnnotation], list[TrackResult]]) -> dict[str, float]:
    metric = TrackAP(CATEGORIES)
    for name, (truths, results) in enumerate(videos, 1):
        metric.add(name, truths, results)
    return dict(metric.result().summary)


def shown_for(track, frames):
    """The track with its entries for these frames only, None for a frame that shows nothing."""
    picked = {
        key: tuple(None if frame is None else values[frame] for frame in frames)
        for key, values in (("segmentations", track.segmentations), *_rest(track))
    }
    return type(track)(**{**vars(track), **picked})


def _rest(track):
    return (("boxes", track.boxes), ("areas", track.areas)) if isinstance(track, TrackAnnotation) else ()


@few
@given(seeds, seeds)
def test_track_ap_is_that_of_the_plain_one(one, other):
    videos = [video(one, 1), video(other, 2)]
    truths = [
        plain.PlainTrack(each.video_id, each.category_id, each.segmentations) for part, _ in videos for each in part
    ]
    results = [
        plain.PlainTrack(each.video_id, each.category_id, each.segmentations, each.score)
        for _, part in videos
        for each in part
    ]
    assert scores_of(*videos)["AP"] == pytest.approx(plain.track_average_precision(truths, results), abs=1e-14)


@few
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_results_and_frames_without_masks_do_not_matter(seed, random):
    truths, results = video(seed)
    before = scores_of((truths, results))
    shuffled = random.sample(results, len(results))
    assert scores_of((truths, shuffled)) == before
    # Hidden frames anywhere, in truth and results alike, are no overlap and no union.
    frames = [None, 0, 1, None, None, 2]
    longer = [[shown_for(track, frames) for track in part] for part in (truths, results)]
    assert scores_of((longer[0], longer[1])) == before


@few
@given(seeds, seeds)
def test_videos_may_be_given_in_any_order(one, other):
    metrics = [TrackAP(CATEGORIES), TrackAP(CATEGORIES)]
    videos = [(1, *video(one, 1)), (2, *video(other, 2))]
    for metric, order in zip(metrics, (videos, videos[::-1]), strict=True):
        for name, truths, results in order:
            metric.add(name, truths, results)
    assert metrics[0].result().summary == metrics[1].result().summary


@few
@given(seeds)
def test_perfect_and_empty_tracks(seed):
    truths, _ = video(seed)
    # Nothing can be found of a track that is nowhere seen.
    seen = [truth for truth in truths if any(part is not None for part in truth.segmentations)]
    perfect = [
        TrackResult(1, truth.category_id, 0.1 + number / 100, truth.segmentations) for number, truth in enumerate(seen)
    ]
    if seen:
        assert scores_of((seen, perfect))["AP"] == pytest.approx(1, abs=1e-12)
        assert scores_of((seen, []))["AP"] == 0
    nothing = [TrackResult(1, CATEGORIES[0], 0.5, (None,) * 3)]
    assert scores_of(([], nothing))["AP"] == -1


def images(seed: int, num_images: int = 3) -> tuple[list[ImageAnnotation], list[ImageResult]]:
    """Truths, some of them crowds, and results of a few images."""
    random = np.random.default_rng(seed)
    truths, results = [], []
    for image in range(1, num_images + 1):
        for _ in range(random.integers(0, 4)):
            mask, category = box(random), int(random.choice(CATEGORIES))
            crowd = bool(random.random() < 0.2)
            frame = tuple(coco.toBbox(code(mask)).tolist())
            truths.append(
                ImageAnnotation(len(truths) + 1, image, category, code(mask), frame, float(mask.sum()), crowd)
            )
            for _ in range(random.integers(0, 3)):
                # Scores of two digits, so that there are ties.
                score = float(random.integers(1, 40) / 100)
                results.append(ImageResult(image, category, score, code(box(random, mask)), None))
    return truths, results


@few
@given(seeds, st.booleans())
def test_image_ap_is_that_of_pycocotools(seed, told_apart):
    truths, results = images(seed)
    if not truths or not results:
        return
    metric = ImageAP(CATEGORIES if told_apart else None)
    for image in (1, 2, 3):
        metric.add(
            image,
            [truth for truth in truths if truth.image_id == image],
            [result for result in results if result.image_id == image],
        )
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = {
            "images": [{"id": image, "height": SIZE[0], "width": SIZE[1]} for image in (1, 2, 3)],
            "categories": [{"id": category, "name": str(category)} for category in CATEGORIES],
            "annotations": [
                {
                    "id": truth.id,
                    "image_id": truth.image_id,
                    "category_id": truth.category_id,
                    "segmentation": truth.segmentation,
                    "bbox": list(truth.box),
                    "area": truth.area,
                    "iscrowd": int(truth.iscrowd),
                }
                for truth in truths
            ],
        }
        reference.createIndex()
        found = reference.loadRes(
            [
                {
                    "image_id": result.image_id,
                    "category_id": result.category_id,
                    "score": result.score,
                    "segmentation": result.segmentation,
                }
                for result in results
            ]
        )
        evaluation = COCOeval(reference, found, "segm")
        evaluation.params.useCats = int(told_apart)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    np.testing.assert_allclose(list(metric.result().summary.values()), evaluation.stats, rtol=0, atol=1e-14)


@few
@given(seeds)
def test_lvis_where_all_is_annotated_is_coco_without_crowds(seed):
    truths, results = images(seed)
    truths = [ImageAnnotation(**{**vars(truth), "iscrowd": False}) for truth in truths]
    lvis, plain_coco = LvisAP(dict.fromkeys(CATEGORIES, "f")), ImageAP(CATEGORIES)
    for image in (1, 2, 3):
        true = [truth for truth in truths if truth.image_id == image]
        found = [result for result in results if result.image_id == image]
        lvis.add(image, true, found, negative=CATEGORIES, not_exhaustive=())
        plain_coco.add(image, true, found)
    one, other = lvis.result().summary, plain_coco.result().summary
    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl"):
        assert one[name] == pytest.approx(other[name], abs=1e-14)
    assert one["APf"] == one["AP"]
    assert one["AR@300"] == pytest.approx(other["AR100"], abs=1e-14)


@few
@given(seeds)
def test_sentences_with_the_truth_as_best_result(seed):
    random = np.random.default_rng(seed)
    metric = SentenceMetrics()
    for number in range(4):
        mask = box(random)
        truth = ImageAnnotation(number, number, 1, code(mask), (0.0, 0.0, 1.0, 1.0), float(mask.sum()))
        other = ImageResult(number, 1, 0.2, code(~mask), None)
        metric.add(truth, [other, ImageResult(number, 1, 0.9, code(mask), None)])
    summary = metric.result().summary
    assert {name: summary[name] for name in ("P@0.9", "overall_iou", "mean_iou")} == {
        "P@0.9": 1,
        "overall_iou": 1,
        "mean_iou": 1,
    }
    assert summary["mAP 0.5:0.95"] == pytest.approx(1, abs=1e-12)


def walks(seed: int, num_ids: int = 3, num_frames: int = 6) -> tuple[list[dict], list[dict]]:
    """Masks by id of truth and tracker, frame by frame; the tracker loses some, exchanges some and invents some."""
    random = np.random.default_rng(seed)
    truth, tracker = [], []
    masks = {number: box(random) for number in range(1, num_ids + 1)}
    for frame in range(num_frames):
        masks = {number: box(random, mask) for number, mask in masks.items()}
        shown = {number: mask for number, mask in masks.items() if random.random() < 0.85}
        found = {number: box(random, mask) for number, mask in shown.items() if random.random() < 0.85}
        if frame == num_frames // 2 and len(found) > 1:
            found = dict(zip(found, list(found.values())[::-1], strict=True))
        if random.random() < 0.3:
            found[9] = box(random)
        truth.append({number: code(mask) for number, mask in shown.items()})
        tracker.append({number: code(mask) for number, mask in found.items()})
    return truth, tracker


def tracking(*videos: tuple[list[dict], list[dict]]) -> dict[str, float]:
    metric = TrackingMetrics()
    for number, (truth, tracker) in enumerate(videos):
        metric.add(str(number), [frame_of_masks(*pair) for pair in zip(truth, tracker, strict=True)])
    scores = metric.result()
    return {**scores.hota_means, **scores.clear, **scores.identity}


@few
@given(seeds, seeds, st.permutations([1, 2, 3, 9]))
def test_tracks_may_have_any_names_and_videos_any_order(one, other, names):
    renamed = dict(zip((1, 2, 3, 9), names, strict=True))
    videos = [walks(one), walks(other)]
    changed = [
        (truth, [{renamed[name]: mask for name, mask in frame.items()} for frame in tracker])
        for truth, tracker in videos
    ]
    before = tracking(*videos)
    assert tracking(*changed) == pytest.approx(before, abs=1e-12)
    assert tracking(*videos[::-1]) == pytest.approx(before, abs=1e-12)


@few
@given(seeds)
def test_empty_frames_change_no_tracking_score_but_the_number_of_frames(seed):
    truth, tracker = walks(seed)
    longer = [[*part[:3], {}, *part[3:]] for part in (truth, tracker)]
    before, after = tracking((truth, tracker)), tracking((longer[0], longer[1]))
    for name in set(before) - {"CLR_Frames", "FP_per_frame"}:
        assert after[name] == pytest.approx(before[name], abs=1e-12), name


@few
@given(seeds)
def test_perfect_and_empty_tracking(seed):
    truth, _ = walks(seed)
    if not any(truth):
        return
    perfect, nothing = tracking((truth, truth)), tracking((truth, [{} for _ in truth]))
    assert {name: perfect[name] for name in ("HOTA", "MOTA", "IDF1", "IDSW")} == pytest.approx(
        {"HOTA": 1, "MOTA": 1, "IDF1": 1, "IDSW": 0}, abs=1e-12
    )
    assert {name: nothing[name] for name in ("HOTA", "MOTA", "IDF1")} == {"HOTA": 0, "MOTA": 0, "IDF1": 0}
