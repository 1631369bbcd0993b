"""The parts of UniVS's way along a video that are plain rules: sizes, memory, merging, results."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from singleout.nn.mask2former.geometry import Enlarger
from singleout.systems.univs.candidates import Rules
from singleout.systems.univs.clips import spans
from singleout.systems.univs.entities import Left
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.instances import WindowScores, results_of
from singleout.systems.univs.memory import PromptPool
from singleout.systems.univs.panoptic import PanopticWindows
from singleout.systems.univs.semantic import ClassVotes
from singleout.systems.univs.similarity import bi_softmax, boxes_of, consistency, mask_overlaps, quality, unsuppressed
from singleout.systems.univs.values import DensePrompts

CPU = torch.device("cpu")


@pytest.fixture
def dice():
    return torch.Generator().manual_seed(3)


def soft_masks(dice: torch.Generator, count: int, size: tuple[int, int]) -> torch.Tensor:
    """Blobs below and above 0, such as a network predicts."""
    coarse = torch.randn(count, 1, 5, 6, generator=dice)
    return 3 * F.interpolate(coarse, size, mode="bilinear")[:, 0] - 1


@pytest.mark.parametrize(
    ("original", "seen", "padded"),
    [
        ((480, 854), (128, 228), (128, 256)),
        ((854, 480), (228, 128), (256, 128)),
        ((4320, 7680), (128, 228), (128, 256)),
        ((10, 400), (33, 1333), (64, 1344)),
    ],
)
def test_frames_get_the_published_sizes(original, seen, padded):
    geometry = Geometry.of(original, 128, 1333)
    assert (geometry.seen, geometry.padded) == (seen, padded)


def test_a_square_limits_the_longer_side():
    geometry = Geometry.of((480, 854), 640, 1333, 1024)
    assert (geometry.seen, geometry.padded) == ((576, 1024), (1024, 1024))


def test_frames_are_filled_up_with_zeros_behind_the_normalised_picture():
    geometry = Geometry.of((20, 40), 32, 1333)
    frame = np.full((20, 40, 3), 255, np.uint8)
    (prepared,) = geometry.prepare([frame])
    assert prepared.shape == (3, 32, 64)
    assert (prepared[:, :32, :64] > 2).all()
    geometry = Geometry.of((20, 25), 32, 1333)
    (prepared,) = geometry.prepare([np.full((20, 25, 3), 255, np.uint8)])
    assert prepared.shape == (3, 32, 64)
    assert (prepared[:, :, 40:] == 0).all()
    assert geometry.given(np.ones((20, 25), bool)).sum() == 32 * 40


@pytest.mark.parametrize("original", [(97, 140), (40, 61), (160, 200)])
def test_enlarging_at_once_is_enlarging_in_steps(original, dice):
    geometry = Geometry.of(original, 64, 1333)
    for mask in soft_masks(dice, 4, geometry.coarse):
        whole = geometry.restore(geometry.enlarge(mask[None]))[0]
        (rows, columns), values = Enlarger(geometry, CPU)(mask)
        torch.testing.assert_close(values, whole[rows, columns], atol=1e-5, rtol=1e-5)
        outside = torch.ones_like(whole, dtype=torch.bool)
        outside[rows, columns] = False
        assert not (whole[outside] > 0).any()
        assert (values > 0).any()
    assert Enlarger(geometry, CPU)(torch.full(geometry.coarse, -1.0))[1].numel() == 0


@pytest.mark.parametrize("size", [(97, 140), (40, 61), (64, 64)])
def test_parts_of_masks_say_what_whole_ones_do(size, dice):
    geometry = Geometry.of(size, 64, 1333)
    dots = torch.full((5, *geometry.coarse), -4.0)
    # Single cells, at the edges too: some rise above 0 between the pixels only, some at an eighth pixel.
    places = [(0, 0), (-1, -1), (3, 5), (4, 8), (7, -2)]
    for mask, place, height in zip(dots, places, (0.01, 2.0, 0.5, 9.0, 40.0), strict=True):
        mask[place] = height
    empty = torch.full((2, *geometry.coarse), -1.5)
    for masks in (soft_masks(dice, 5, geometry.coarse), dots, empty, torch.zeros(0, *geometry.coarse)):
        whole = geometry.enlarge(masks) if len(masks) else masks.new_zeros(0, *geometry.padded)
        for level in (0.0, -1.0):
            crop, part = geometry.enlarge_part(masks, level)
            torch.testing.assert_close(part, whole[:, crop[0], crop[1]])
            outside = whole.clone()
            outside[:, crop[0], crop[1]] = level
            assert not (outside > level).any()
            inside = part[:, : geometry.seen[0] - crop[0].start, : geometry.seen[1] - crop[1].start]
            assert torch.equal(geometry.crop_part(crop, part), inside)
        torch.testing.assert_close(geometry.boxes_above(masks), boxes_of(whole > 0))
        cells, present = geometry.shown(masks)
        assert torch.equal(cells, (whole[:, ::8, ::8] > 0).flatten(1))
        assert torch.equal(present, (whole > 0).flatten(1).any(1))
        if len(masks):
            torch.testing.assert_close(geometry.sharpness(masks[:, None]), quality(geometry.crop(whole)[:, None]))


def test_votes_in_strips_are_votes_at_once(dice):
    geometry = Geometry.of((75, 110), 96, 1333)
    masks, weights = soft_masks(dice, 6, geometry.coarse), torch.rand(6, 4, generator=dice)
    votes = ClassVotes(geometry, CPU)
    large = geometry.crop(geometry.enlarge(masks))
    expected = torch.einsum("qk,qhw->khw", weights, large.sigmoid())
    torch.testing.assert_close(torch.cat([one for _, one in votes.votes(masks, weights)], 1), expected)
    original = F.interpolate(large[:, None], geometry.original, mode="nearest")[:, 0]
    torch.testing.assert_close(votes.sharpness(masks[:, None]), quality(original[:, None]))
    found = F.interpolate(expected[None], geometry.original, mode="nearest")[0]
    assert (votes(masks, weights).labels == found.argmax(0)).float().mean() > 0.999


def test_clips_go_to_the_end_and_no_further():
    found = [(one.start, one.stop, one.last) for one in spans(7, 5, 1)]
    assert found == [(0, 5, False), (1, 6, False), (2, 7, True)]
    assert [(one.start, one.stop) for one in spans(2, 5, 1)] == [(0, 2)]
    assert [(one.start, one.stop) for one in spans(7, 3, 3)] == [(0, 3), (3, 6), (6, 7)]


class EverySlot:
    """Memory as the published code has it: a slot for each frame since the beginning."""

    def __init__(self, points: int, width: int, kept: int) -> None:
        self.values, self.kept = torch.zeros(0, points, 0, width), kept
        self.appeared: list[int] = []

    def extend(self, count: int) -> None:
        objects, points, _, width = self.values.shape
        self.values = torch.cat([self.values, torch.zeros(objects, points, count, width)], 2)

    def add(self, frames: list[int]) -> None:
        self.appeared += frames
        self.values = torch.cat([self.values, torch.zeros(len(frames), *self.values.shape[1:])])

    def write(self, frame: int, values: torch.Tensor, which: torch.Tensor) -> None:
        self.values[which, :, frame:] = values[which][:, :, None]

    def read(self, frames: range) -> tuple[list[torch.Tensor], torch.Tensor]:
        slots = self.values.shape[2]
        first = torch.stack([self.values[row, :, min(at, slots - 1)] for row, at in enumerate(self.appeared)])
        latest = self.values[:, :, -self.kept :].transpose(1, 2).flatten(1, 2)
        return [self.values[:, :, frame] for frame in frames], torch.cat([first, latest], 1)


@pytest.mark.parametrize(("stride", "memory"), [(1, 5), (2, 3), (1, 8)])
def test_a_bounded_memory_gives_what_an_endless_one_gives(stride, memory, dice):
    length, points, width = 4, 3, 8
    kept = max(length, memory)
    pool, every = PromptPool(points, width, kept, CPU), EverySlot(points, width, kept)
    largest = 0
    for start in range(0, 300, stride):
        count = length if start == 0 else stride
        if start == 0 or torch.rand(1, generator=dice) < 0.1:
            for memory_of in (pool, every):
                memory_of.add([start, start + 1])
        pool.extend(count)
        every.extend(count)
        for frame in range(start, start + length - stride):
            values = torch.randn(pool.num_objects, points, width, generator=dice)
            which = torch.rand(pool.num_objects, generator=dice) < 0.7
            pool.write(frame, DensePrompts(values, -values), which)
            every.write(frame, values, which)
        recent, seen = pool.read(range(start, start + length))
        expected, whole = every.read(range(start, start + length))
        assert all(torch.equal(one.features, other) for one, other in zip(recent, expected, strict=True))
        assert torch.equal(seen.features, whole)
        assert torch.equal(seen.positions, -whole)
        largest = max(largest, len(pool._recent))
    assert largest == kept


def test_a_memory_of_many_frames_holds_as_much_as_one_of_few():
    pool = PromptPool(2, 4, 5, CPU)
    pool.add([0, 3])
    pool.extend(5)
    sizes = set()
    for frame in range(5_000):
        pool.extend(1)
        pool.write(frame + 1, DensePrompts(torch.full((2, 2, 4), frame + 1.0), torch.zeros(2, 2, 4)))
        tensors, header = pool.save()
        sizes.add(sum(one.numel() for one in tensors.values()))
    assert len(sizes) == 1
    assert header["slots"] == 5_005
    _, seen = pool.read(range(5_000, 5_005))
    # Object 0 came up before anything was written, object 1 in frame 3.
    assert seen.features[0, 0, 0] == 0
    assert seen.features[1, 0, 0] == 3
    pool.keep(torch.tensor([False, True]))
    assert pool.read(range(5_000, 5_005))[1].features[0, 0, 0] == 3


def test_consistency_counts_what_is_known_and_late_steps_more():
    stored = torch.zeros(2, 3, 2)
    stored[0, 1:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    found = consistency(stored, torch.tensor([1.0, 0.0]).expand(2, 4, 2))
    early, late = np.exp(5 * 2 / 3), np.exp(5.0)
    torch.testing.assert_close(found, torch.tensor([late / (early + late), 0.0], dtype=torch.float32))


def test_bi_softmax_pairs_what_belongs_together():
    stored = 10 * torch.eye(3)[:, None].expand(3, 2, 3)
    alike = bi_softmax(stored, torch.eye(3)[[2, 0]][:, None])
    assert alike.argmax(1).tolist()[0] == 1
    assert alike.argmax(1).tolist()[2] == 0
    assert alike[1].max() < 0.6


def test_boxes_and_overlaps_of_masks():
    masks = torch.zeros(2, 1, 4, 8, dtype=torch.bool)
    masks[0, 0, 1:3, 2:6] = True
    assert boxes_of(masks)[:, 0].tolist() == [[0.25, 0.25, 0.625, 0.5], [0, 0, 0, 0]]
    flat = masks.flatten(2)
    assert mask_overlaps(flat, flat)[..., 0].tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_a_candidate_goes_where_a_better_one_lies_even_if_that_goes_too():
    overlaps = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    assert unsuppressed(overlaps, 0.8).tolist() == [True, False, False]
    assert unsuppressed(torch.zeros(0, 0), 0.8).tolist() == []


def test_panoptic_candidates_are_things_and_then_stuff():
    things = torch.tensor([True, False])
    rules = Rules(0.1, 0.1, 0.1, 0.75, things=things)
    masks = torch.full((4, 1, 8, 8), -1.0)
    masks[0, 0, :, :4], masks[1, 0, :, :4], masks[2, 0, :, 4:], masks[3, 0, :4] = 1, 1, 1, 1
    scores = torch.tensor([[0.1, 0.9], [0.1, 0.8], [0.7, 0.2], [0.6, 0.1]])
    # Queries 0 and 1 are the same stuff.
    assert rules.select(scores, torch.ones(4), masks).tolist() == [2, 3, 0]
    assert (rules.first_score, rules.later_score, rules.sure_match) == (0.1, 0.2, 0.1)
    instances = Rules(0.05, 0.1, 0.1, 0.75, stability=0.5, detections=2)
    assert instances.select(scores, torch.tensor([0.4, 1, 1, 1]), masks).tolist() == [1, 2]
    assert (instances.first_score, instances.later_score, instances.sure_match) == (0.1, 0.05, 0.2)


def scene(geometry: Geometry) -> torch.Tensor:
    """A thing on the left, another thing inside of it, and stuff everywhere; logits of one frame."""
    masks = torch.full((3, *geometry.coarse), -2.0)
    masks[0, :, :8] = 4.0
    masks[1, :4, :4] = 2.0
    masks[2] = 2.0
    return masks


def test_segments_share_the_picture_and_keep_their_numbers():
    geometry = Geometry.of((64, 64), 64, 1333)
    things = torch.tensor([True, False])
    windows = PanopticWindows(geometry, things, 0.6, CPU, corrected=True)
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.1], [0.1, 0.9]])
    for number in range(2):
        windows.add(Left(number, scene(geometry), torch.ones(3)))
    first, second = windows.close([0, 1], scores)
    assert first.ids.tolist() == second.ids.tolist() == [1, 2]
    masks = first.masks()
    assert masks.sum(0).max() == 1
    assert masks[0, :, :28].all(), "the thing in front"
    assert masks[1, :, 36:].all(), "stuff"
    # The thing inside wins too little of itself, and its pixels are another's.
    assert windows.segments.things == {0: 1}
    assert windows.segments.stuff == {1: 2}
    windows.add(Left(2, scene(geometry), torch.ones(3)))
    (third,) = windows.close([2], scores)
    assert third.ids.tolist() == [1, 2]


def test_an_object_that_was_not_seen_takes_what_is_left_only_as_published():
    geometry = Geometry.of((32, 32), 32, 1333)
    masks = torch.full((2, *geometry.coarse), -2.0)
    masks[0, :, :4], masks[1] = 3.0, 0.0
    scores = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    found = {}
    for corrected in (False, True):
        windows = PanopticWindows(geometry, torch.tensor([True, False]), 0.5, CPU, corrected=corrected)
        windows.add(Left(0, masks, torch.ones(2)))
        (frame,) = windows.close([0], scores)
        found[corrected] = frame.ids.tolist()
    assert found == {False: [1, 2], True: [1]}


def test_scores_of_windows_are_averaged_where_an_object_is_seen():
    windows = WindowScores()
    windows.add(torch.tensor([[0.8, 0.2]]), torch.tensor([True]))
    windows.add(torch.tensor([[0.6, 0.2], [0.4, 0.4]]), torch.tensor([False, True]))
    found = windows.result()
    torch.testing.assert_close(found, torch.tensor([[0.8, 0.2], [0.2, 0.2]]))


def test_an_object_is_a_result_for_each_class_that_it_may_be():
    scores, sharp = torch.tensor([[0.9, 0.004, 0.3], [0.02, 0.5, 0.01]]), torch.tensor([1.0, 0.5])
    found = [(one.place, one.label) for one in results_of(scores, sharp, detections=2)]
    # Three are likely, so that four are kept.
    assert found == [(0, 0), (0, 2), (1, 0), (1, 1)]
    every = results_of(scores, sharp, detections=100)
    assert [round(one.score, 3) for one in every] == [0.9, 0.3, 0.01, 0.25, 0.005]
    assert results_of(torch.zeros(0, 3), torch.zeros(0), 10) == []
