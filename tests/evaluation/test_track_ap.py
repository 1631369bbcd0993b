"""AP of tracks: the official numbers, pycocotools as an oracle, and what a track may be."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scored_scenes import SIZE, box_mask, rle_of, videos

from singleout.data import cocovid
from singleout.data.records import TrackAnnotation, TrackResult
from singleout.errors import InputError
from singleout.evaluation.metrics.track_ap import LVVIS, YTVIS, TrackAP, lvvis_groups, mean_area
from singleout.evaluation.metrics.track_iou import ious, stacks

CATEGORIES = (1, 2, 3)


def score(truths, results, rules=YTVIS, categories=CATEGORIES, groups=None):
    metric = TrackAP(categories, rules, groups)
    for video_id in truths:
        metric.add(video_id, truths[video_id], results.get(video_id, []))
    return metric.result()


def a_truth(*masks, category=1, crowd=False, areas=None):
    segmentations = tuple(None if mask is None else rle_of(mask) for mask in masks)
    stated = tuple(None if mask is None else float(mask.sum()) for mask in masks)
    return TrackAnnotation(1, 1, category, segmentations, (None,) * len(masks), areas or stated, crowd)


def a_result(*masks, category=1, score=0.5):
    return TrackResult(1, category, score, tuple(None if mask is None else rle_of(mask) for mask in masks))


MASK = box_mask(5, 5, 20, 20)


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["ytvis", "lvvis"])
class TestOfficialNumbers:
    @pytest.fixture
    def golden(self, shared, name):
        folder = shared / "reference" / "metrics" / "ytvis"
        content = json.loads((folder / f"{name}-gt.json").read_text())
        truth = cocovid.read(folder / f"{name}-gt.json")
        results = cocovid.read_results(folder / f"{name}-results.json", truth)
        by_video = {
            video.id: (
                [each for each in truth.annotations if each.video_id == video.id],
                [each for each in results if each.video_id == video.id],
            )
            for video in truth.videos
        }
        partitions = {entry["id"]: entry["partition"] for entry in content["categories"] if "partition" in entry}
        expected = json.loads((folder / f"{name}-expected.json").read_text())
        return truth, by_video, partitions, expected, np.load(folder / f"{name}-eval.npz")

    def test_all_numbers_and_arrays(self, golden, name):
        truth, by_video, partitions, expected, arrays = golden
        metric = TrackAP(
            [category.id for category in truth.categories],
            LVVIS if partitions else YTVIS,
            lvvis_groups(partitions) if partitions else None,
        )
        for video_id, (truths, results) in by_video.items():
            metric.add(video_id, truths, results)
        scores = metric.result()
        assert dict(scores.summary) == pytest.approx(expected["stats"], abs=1e-10)
        assert {str(category) for category in scores.per_category} == set(expected["per_category"])
        for category, numbers in scores.per_category.items():
            assert numbers == pytest.approx(expected["per_category"][str(category)], abs=1e-10)
        for part in ("precision", "recall", "scores"):
            np.testing.assert_allclose(getattr(scores.curves, part), arrays[part], rtol=0, atol=1e-12)
        known = {f"iou/{video}/{category}": values for (video, category), values in scores.ious.items()}
        assert set(known) == {key for key in arrays.files if key.startswith("iou/")}
        for key, values in known.items():
            np.testing.assert_allclose(values, arrays[key], rtol=0, atol=1e-12)
        if "stats_ytvis_evaluator" in expected:
            other = TrackAP([category.id for category in truth.categories], YTVIS)
            for video_id, (truths, results) in by_video.items():
                other.add(video_id, truths, results)
            assert dict(other.result().summary) == pytest.approx(expected["stats_ytvis_evaluator"], abs=1e-10)


def side_by_side(masks):
    decoded = [np.zeros(SIZE, bool) if code is None else coco.decode(code).astype(bool) for code in masks]
    return np.concatenate(decoded, axis=1)


def official_on_images(truths, results):
    """COCO's evaluator, shown every video as one wide image: without crowds it counts tracks in the same way."""
    images, annotations, found = [], [], []
    for video_id in truths:
        images.append({"id": video_id, "height": SIZE[0], "width": 1000})
        for truth in truths[video_id]:
            wide = side_by_side(truth.segmentations)
            annotations.append(
                {
                    "id": truth.id,
                    "image_id": video_id,
                    "category_id": truth.category_id,
                    "iscrowd": 0,
                    "area": mean_area(truth.areas),
                    "segmentation": rle_of(wide),
                    "bbox": [0, 0, 1, 1],
                }
            )
        for result in results[video_id]:
            wide = side_by_side(result.segmentations)
            found.append(
                {
                    "image_id": video_id,
                    "category_id": result.category_id,
                    "score": result.score,
                    "segmentation": rle_of(wide),
                }
            )
    with redirect_stdout(io.StringIO()):
        truth_set = COCO()
        truth_set.dataset = {
            "info": {},
            "images": images,
            "categories": [{"id": category} for category in CATEGORIES],
            "annotations": annotations,
        }
        truth_set.createIndex()
        result_set = truth_set.loadRes(found)
        listed = [each for video_id in truths for each in results[video_id]]
        for entry, result in zip(result_set.dataset["annotations"], listed, strict=True):
            areas = [0 if code is None else int(coco.area(code)) for code in result.segmentations]
            entry["area"] = np.mean([area for area in areas if area]) if any(areas) else 0
        evaluator = COCOeval(truth_set, result_set, "segm")
        evaluator.params.areaRng = [[0, 1e10], [0, 128**2], [128**2, 256**2], [256**2, 1e10]]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


@pytest.mark.parametrize("seed", range(6))
def test_tracks_are_scored_as_wide_images_are(seed):
    truths, results = videos(seed, crowds=False)
    official = official_on_images(truths, results)
    scores = score(truths, results)
    assert list(scores.summary.values()) == pytest.approx(list(official.stats), abs=1e-12)
    np.testing.assert_allclose(scores.curves.precision, official.eval["precision"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(scores.curves.recall, official.eval["recall"], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(scores.curves.scores, official.eval["scores"])


class TestOverlap:
    @pytest.mark.parametrize("seed", range(4))
    def test_pixels_are_counted_over_all_frames(self, seed):
        truths, results = videos(seed, num_videos=1)
        tracks = [track.segmentations for track in (*truths[1], *results[1])]
        stacked = stacks(tracks)
        found = ious(stacked, stacked)
        wide = [side_by_side(masks) for masks in tracks]
        for row, one in enumerate(wide):
            for column, other in enumerate(wide):
                union = np.count_nonzero(one | other)
                assert found[row, column] == (np.count_nonzero(one & other) / union if union else 0)

    def test_areas_are_those_of_the_frames(self):
        stack = stacks([[rle_of(MASK), None, rle_of(np.zeros(SIZE)), rle_of(np.ones(SIZE))]])[0]
        assert stack.areas.tolist() == [400, 0, 0, 2400]
        assert stack.mean_area == 1400
        assert stacks([[None, None]])[0].mean_area == 0

    def test_masks_that_touch_the_next_frame(self):
        # Full frames run into each other, and the last pixel of one frame into the first of the next.
        corner, start = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
        corner[-1, -1], start[0, 0] = True, True
        full = rle_of(np.ones(SIZE))
        tracks = [[full, full], [rle_of(corner), rle_of(start)], [rle_of(start), rle_of(corner)], [full, None]]
        found = ious(stacks(tracks), stacks(tracks))
        pixels = SIZE[0] * SIZE[1]
        assert found[0].tolist() == [1, 2 / (2 * pixels), 2 / (2 * pixels), 0.5]
        assert found[1].tolist() == [2 / (2 * pixels), 1, 0, 1 / (pixels + 1)]

    def test_further_frames_of_the_longer_track_are_left_out(self):
        short, long = stacks([[rle_of(MASK)], [rle_of(MASK), rle_of(MASK), None]])
        assert ious([short], [long]).tolist() == [[1]]
        assert ious([long], [long]).tolist() == [[1]]

    def test_more_pixels_than_thirty_two_bits_count(self):
        size = (2160, 3840)
        full = coco.frPyObjects({"counts": [0, size[0] * size[1]], "size": size}, *size)
        half = coco.frPyObjects({"counts": [1, size[0] * size[1] - 1], "size": size}, *size)
        one, other = stacks([[full] * 600, [half] * 599 + [None]])
        total = size[0] * size[1] * 600
        assert ious([one], [other]).item() == (total - 599 - size[0] * size[1]) / total

    def test_counts_may_be_text(self):
        code = rle_of(MASK)
        assert ious(stacks([[code]]), stacks([[{**code, "counts": code["counts"].decode()}]])).item() == 1


class TestTracks:
    def test_a_perfect_and_an_empty_prediction(self):
        truths = {1: [a_truth(MASK, MASK), a_truth(np.roll(MASK, 25, 1), None, category=2)]}
        perfect = [TrackResult(1, each.category_id, 0.5, each.segmentations) for each in truths[1]]
        scores = score(truths, {1: perfect}).summary
        assert [scores[name] for name in ("AP", "AP75", "AR1")] == pytest.approx([1, 1, 1])
        scores = score(truths, {}).summary
        assert scores["AP"] == scores["AR100"] == 0
        assert score({1: []}, {1: perfect}).summary["AP"] == -1

    def test_null_and_an_empty_mask_are_the_same(self):
        truths = {1: [a_truth(MASK, None, np.roll(MASK, 3, 0))]}
        nothing = np.zeros(SIZE, bool)
        found = [score(truths, {1: [a_result(MASK, second, MASK)]}) for second in (None, nothing)]
        np.testing.assert_array_equal(found[0].curves.precision, found[1].curves.precision)
        np.testing.assert_array_equal(found[0].ious[1, 1], found[1].ious[1, 1])

    def test_a_crowd_takes_any_number_and_is_set_aside_except_in_lvvis(self):
        truths = {1: [a_truth(MASK, crowd=True), a_truth(np.roll(MASK, 25, 1))]}
        results = {1: [a_result(MASK, score=0.9), a_result(MASK, score=0.8), a_result(np.roll(MASK, 25, 1), score=0.1)]}
        assert score(truths, results).summary["AP"] == pytest.approx(1)
        assert score(truths, {1: results[1][2:]}).summary["AP"] == pytest.approx(1)
        # Both hits of the crowd count, so that recall goes beyond 1.
        lvvis = score(truths, results, LVVIS)
        assert lvvis.curves.recall[0, 0, 0, 2] == 1.5
        assert score(truths, {1: results[1][2:]}, LVVIS).summary["AR100"] == 0.5

    def test_the_size_of_a_truth_is_the_one_that_is_stated(self):
        assert mean_area((None, 0, 4.0, 8.0)) == 6
        assert mean_area((None, 0)) == 0
        truths = {1: [a_truth(MASK, areas=(float(200**2),))]}
        scores = score(truths, {1: [a_result(MASK)]}).summary
        assert (scores["APs"], scores["APm"], scores["APl"]) == (-1, pytest.approx(1), -1)

    def test_no_more_than_a_hundred_of_a_category(self):
        truths = {1: [a_truth(MASK)]}
        results = [a_result(np.roll(MASK, 30, 1), score=0.9)] * 100 + [a_result(MASK, score=0.1)]
        assert score(truths, {1: results}).summary["AR100"] == 0
        assert score(truths, {1: results[1:]}).summary["AR100"] == 1
        assert score(truths, {1: results}).ious[1, 1].shape == (100, 1)

    def test_categories_that_are_not_listed_are_left_out(self):
        truths = {1: [a_truth(MASK)]}
        assert score(truths, {1: [a_result(MASK, category=77, score=0.9), a_result(MASK)]}).summary[
            "AP"
        ] == pytest.approx(1)

    @pytest.mark.parametrize("seed", range(3))
    def test_the_order_of_videos_and_of_truths_makes_no_difference(self, seed):
        truths, results = videos(seed)
        turned = {video_id: truths[video_id][::-1] for video_id in reversed(truths)}
        first, second = score(truths, results), score(turned, results)
        # Of truths with equal overlap the later one is taken; none are equal here.
        np.testing.assert_array_equal(first.curves.recall, second.curves.recall)
        assert dict(first.summary) == dict(second.summary)

    def test_a_video_without_anything_changes_nothing(self):
        truths, results = videos(3)
        first = score(truths, results)
        second = score({**truths, 99: []}, results)
        assert dict(first.summary) == dict(second.summary)


class TestGroups:
    def test_base_and_novel(self):
        groups = lvvis_groups({1: 0, 2: 3, 3: 1, 4: 2})
        assert groups == {"b": (1, 3), "n": (2, 4)}
        truths = {1: [a_truth(MASK, category=1), a_truth(MASK, category=2)]}
        scores = score(truths, {1: [a_result(MASK, category=1)]}, LVVIS, (1, 2, 3, 4), groups).summary
        assert (scores["APb"], scores["APn"], scores["AP"]) == (pytest.approx(1), 0, pytest.approx(0.5))
        assert scores["AR10b"] == 1

    def test_numbers_with_gaps(self):
        with pytest.raises(InputError, match="numbered 1, 2, 3"):
            lvvis_groups({1: 0, 3: 1})

    def test_an_unknown_partition(self):
        with pytest.raises(InputError, match='category 2 has the "partition" 7'):
            lvvis_groups({1: 0, 2: 7})


class TestBadInput:
    def test_a_score_that_is_no_number(self):
        with pytest.raises(InputError, match="video 1: the score of detection 0 is nan: expected a finite number"):
            score({1: [a_truth(MASK)]}, {1: [a_result(MASK, score=float("nan"))]})

    def test_a_track_of_another_video(self):
        with pytest.raises(InputError, match="video 2: a track of video 1 was given for it"):
            TrackAP(CATEGORIES).add(2, [], [a_result(MASK)])

    def test_a_video_twice(self):
        metric = TrackAP(CATEGORIES)
        metric.add(1, [], [])
        with pytest.raises(InputError, match="video 1: it was scored before"):
            metric.add(1, [], [])

    def test_masks_of_different_sizes(self):
        with pytest.raises(InputError, match=r"video 1: .* different sizes, 60x40 and 61x40"):
            score({1: [a_truth(MASK)]}, {1: [a_result(np.zeros((40, 61)))]})

    @pytest.mark.parametrize("counts", [b"5d0", b"", b"zz!", b"0"])
    def test_a_damaged_code(self, counts):
        damaged = replace(a_result(MASK), segmentations=({"size": list(SIZE), "counts": counts},))
        with pytest.raises(InputError, match="video 1: a run-length code"):
            score({1: [a_truth(MASK)]}, {1: [damaged]})
