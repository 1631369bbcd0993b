"""Masks, boxes and points as prompts of UniVS: what is drawn of them, and what objects too small to be seen become."""

from __future__ import annotations

import pytest
import torch
from tests.univs.learning import TINY, tiny_network

from singleout.systems.univs.network import mean_of_points
from singleout.systems.univs.values import FrameFeatures
from singleout.systems.univs.visual_prompts import (
    Dice,
    middle_of_masks,
    points_of_boxes,
    points_of_clicks,
    points_of_masks,
    positions_of_cells,
)

ROWS, COLUMNS, WIDTH = 6, 8, TINY.width
POINTS = 10


@pytest.fixture(scope="module")
def frame():
    """Each cell of the map at stride 8 says its number."""
    level = torch.arange(1.0, ROWS * COLUMNS + 1).view(ROWS, COLUMNS, 1).repeat(1, 1, WIDTH)
    return FrameFeatures((level, level, level), level, (level, level, level))


def mask_of(*cells: tuple[int, int]) -> torch.Tensor:
    """A mask that covers cells, counted from 0: (8 * ROWS, 8 * COLUMNS)."""
    mask = torch.zeros(8 * ROWS, 8 * COLUMNS)
    for row, column in cells:
        mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1.0
    return mask


def cells_in(features: torch.Tensor) -> list[int]:
    return [int(number) for number in features[:, 0]]


def test_cells_of_a_mask_are_drawn_without_repetition_and_then_again(frame):
    inside = [(row, column) for row in (1, 2, 3) for column in (2, 3, 4, 5)]
    numbers = {row * COLUMNS + column + 1 for row, column in inside}
    few, many = (
        points_of_masks(frame, mask_of(*inside)[None], None, frame_index=0, num_points=n, dice=Dice(1)) for n in (5, 30)
    )
    drawn = cells_in(few.features[0])
    assert len(set(drawn)) == 5
    assert set(drawn) < numbers
    again = cells_in(many.features[0])
    assert again[:12] == again[12:24]
    assert set(again) == numbers


def test_draws_are_those_of_their_seed(frame):
    mask = mask_of(*[(row, column) for row in range(4) for column in range(6)])[None]
    first, same, other = (
        points_of_masks(frame, mask, None, frame_index=0, num_points=POINTS, dice=Dice(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first.features, same.features)
    assert not torch.equal(first.features, other.features)


def test_an_object_that_is_not_there_is_zero(frame):
    masks = torch.stack([mask_of((0, 0)), mask_of()])
    found = points_of_masks(frame, masks, None, frame_index=3, num_points=POINTS, dice=Dice())
    assert found.features[0].abs().min() > 0
    assert not found.features[1].any()
    assert not found.positions[1].any()


def test_an_object_smaller_than_a_cell_has_only_a_place(frame):
    small = torch.zeros(8 * ROWS, 8 * COLUMNS)
    small[18, 29] = 1.0
    found = points_of_masks(
        frame, torch.stack([mask_of((0, 0)), small]), None, frame_index=3, num_points=POINTS, dice=Dice()
    )
    assert not found.features[1].any()
    clicked = points_of_clicks(
        frame, torch.tensor([[29.5 / (8 * COLUMNS), 18.5 / (8 * ROWS)]]), frame_index=3, num_points=POINTS
    )
    assert torch.equal(found.positions[1], clicked.positions[0])
    moved = points_of_masks(
        frame, torch.stack([mask_of((0, 0)), small]), None, frame_index=3, num_points=POINTS, dice=Dice(), point_index=9
    )
    assert not torch.equal(moved.positions[1], found.positions[1])
    assert torch.equal(moved.positions[0], found.positions[0])


def test_where_no_object_covers_a_cell_every_cell_counts(frame):
    small = torch.zeros(1, 8 * ROWS, 8 * COLUMNS)
    small[0, 18, 29] = 1.0
    found = points_of_masks(frame, small, None, frame_index=0, num_points=ROWS * COLUMNS, dice=Dice())
    assert sorted(cells_in(found.features[0])) == list(range(1, ROWS * COLUMNS + 1))


def test_the_middle_of_a_mask_is_inside_of_it():
    mask = mask_of((1, 1), (1, 2), (2, 1), (2, 2))[None]
    box = torch.tensor([[8 / 64, 8 / 48, 23 / 64, 23 / 48]])
    for seed in range(20):
        x, y = middle_of_masks(mask, box, Dice(seed))[0]
        assert mask[0, int(y * 48), int(x * 64)] == 1
        assert abs(x - 15.5 / 64) < 0.25 * 15 / 64
        x, y = middle_of_masks(mask, torch.zeros(1, 4), Dice(seed))[0]
        assert mask[0, int(y * 48), int(x * 64)] == 1


def test_a_box_shows_its_cells_and_one_without_area_nothing(frame):
    boxes = torch.tensor([[0.3, 0.2, 0.8, 0.6], [0.5, 0.5, 0.5, 0.9]])
    found = points_of_boxes(frame, boxes, frame_index=0, num_points=POINTS, dice=Dice())
    rows, columns = zip(*(divmod(number - 1, COLUMNS) for number in cells_in(found.features[0])), strict=True)
    assert (min(rows), max(rows)) >= (2, 2)
    assert max(rows) <= 4
    assert min(columns) >= 3
    assert max(columns) <= 7
    assert not found.features[1].any()
    assert not found.positions[1].any()


def test_a_point_is_read_between_cells_and_outside_is_nothing(frame):
    between = torch.tensor([[2 / COLUMNS, 1.5 / ROWS], [1.2, 0.5], [-0.1, 0.5]])
    found = points_of_clicks(frame, between, frame_index=0, num_points=POINTS)
    # Half way between the second and the third cell of the second row.
    assert found.features[0, :, 0].tolist() == pytest.approx([COLUMNS + 2.5] * POINTS)
    assert not found.features[1:].any()
    assert not found.positions[1:].any()


def test_positions_tell_frames_apart():
    like = torch.zeros(1, WIDTH)
    first, second = (positions_of_cells((ROWS, COLUMNS), index, like) for index in (0, 1))
    assert not torch.allclose(first, second)
    # The same is added everywhere.
    torch.testing.assert_close(second - first, (second - first)[:1, :1].expand_as(first), rtol=0, atol=1e-6)


def test_points_that_are_zero_do_not_count():
    points = torch.zeros(2, 4, 3)
    points[0, 0], points[0, 1] = 2.0, 4.0
    assert mean_of_points(points).tolist() == [[3.0] * 3, [0.0] * 3]


def test_a_prompt_keeps_its_kind_and_its_place(frame):
    network = tiny_network().eval().requires_grad_(False)
    found = points_of_masks(frame, mask_of((1, 1))[None], None, frame_index=0, num_points=POINTS, dice=Dice())
    placed, alike = (network.visual_prompts([found] * 3, found, by_features=way) for way in (False, True))
    assert placed.queries.shape == placed.positions.shape == (1, 3, WIDTH)
    assert placed.features.shape == (1, 1, POINTS, WIDTH)
    assert torch.equal(placed.queries, alike.queries)
    torch.testing.assert_close(alike.positions, alike.queries - network.visual_mark)
    torch.testing.assert_close(placed.positions[0, 0], found.positions[0, 0])
