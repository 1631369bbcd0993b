"""Pieces of UniVS's losses that its goldens do not reach: masks that are read at points, and clips that are empty."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tests.univs.learning import TINY, tiny_network

from singleout.nn.losses.points import point_costs, point_losses, sample, uncertain_points
from singleout.systems.univs.contrast import Draws, Tokens, contrast, contrast_clips
from singleout.systems.univs.losses import (
    Layer,
    ReadMasks,
    Settings,
    Target,
    clip_losses,
    losses_of,
    match,
    total,
    weights,
)
from singleout.systems.univs.training import boxes_of, teacher_of

QUERIES, TIME, WIDTH, NAMES = 6, 2, 16, 3
SETTINGS = Settings(num_points=64)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def a_layer(num_prompts=2, *, names=True):
    finest = tuple(torch.randn(12, 16, WIDTH) for _ in range(TIME))
    embeds = torch.randn(QUERIES + num_prompts, TIME, WIDTH, requires_grad=True)
    logits = torch.randn(QUERIES + num_prompts, NAMES, requires_grad=True) if names else None
    return Layer(logits, embeds, ReadMasks(embeds, finest), QUERIES)


def a_target(num_objects=2, prompted=(0, -1)):
    masks = torch.zeros(num_objects, TIME, 48, 64, dtype=torch.bool)
    for number in range(num_objects):
        masks[number, :, 10 * number : 10 * number + 20, 8:40] = True
    ids = torch.arange(num_objects)[:, None].expand(-1, TIME).clone()
    return Target(masks, ids, torch.arange(num_objects) % NAMES, torch.tensor(prompted, dtype=torch.int64))


def test_maps_sampled_first_and_multiplied_then_are_masks_sampled():
    layer, points = a_layer(), torch.rand(50, 2)
    whole = sample(layer.masks.of(torch.arange(QUERIES)), points[None])
    torch.testing.assert_close(layer.masks.at(points, QUERIES), whole, rtol=1e-4, atol=1e-4)


def test_costs_of_pairs_are_the_losses_of_each():
    logits, truth, points = torch.randn(4, 12, 16), (torch.rand(3, 48, 64) > 0.5).float(), torch.rand(1, 40, 2)
    entropy, dice = point_costs(sample(logits[None], points)[0], sample(truth[None], points)[0])
    for query in range(4):
        for number in range(3):
            one = point_losses(logits[query : query + 1], truth[number : number + 1], points)
            torch.testing.assert_close((entropy[query, number], dice[query, number]), (one[0][0], one[1][0]))


def test_most_points_are_where_a_mask_cannot_tell():
    logits = torch.linspace(-8, 8, 64).expand(1, 32, 64)
    points = uncertain_points(logits, 100, oversample=3, uncertain=0.5)
    assert points.shape == (1, 100, 2)
    unsure = sample(logits[:, None], points)[0, 0].abs()
    assert unsure[:50].max() < 2 < unsure[50:].max()


def test_matching_takes_the_masks_that_fit():
    target = a_target()
    embeds = torch.randn(QUERIES, TIME, 2)
    # The maps hold the true masks, so that two queries can be right.
    shapes = torch.nn.functional.interpolate(target.masks.float(), (12, 16)) * 20 - 10
    finest = tuple(shapes[:, frame].permute(1, 2, 0) for frame in range(TIME))
    embeds[4], embeds[1] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    layer = Layer(None, embeds, ReadMasks(embeds, finest), QUERIES)
    assert match(layer, target, SETTINGS, Draws()).tolist() == [4, 1]


@pytest.mark.parametrize("num_objects", [0, 2])
@pytest.mark.parametrize("prompted", [(), (0, -1), (-1, -1)])
@pytest.mark.parametrize("names", [True, False])
def test_every_clip_has_losses_that_can_be_learned(num_objects, prompted, names):
    if num_objects == 0:
        prompted = (-1,) * len(prompted)
    layers = [a_layer(len(prompted), names=names) for _ in range(3)]
    found = losses_of([layers], [a_target(num_objects, prompted)], settings=SETTINGS)
    assert {"loss_ce", "loss_mask_0", "loss_dice_1", "loss_reid_aux"} <= found.losses.keys()
    assert ("loss_reid_l2p" in found.losses) == bool(prompted)
    loss = total(found.losses, weights())
    assert math.isfinite(float(loss.detach()))
    loss.backward()
    assert layers[0].embeds.grad is not None
    assert layers[0].embeds.grad.isfinite().all()
    if num_objects == 0:
        assert found.losses["loss_mask"] == 0
    between = clip_losses([found, found])
    assert len(between) == 2 * (len(layers) - 1)
    assert all(value.isfinite() for value in between.values())


def test_category_prompts_compete_for_pixels():
    target = replace(a_target(2, (1, 0, -1)), prompt_labels=torch.tensor([1, 0, 2]))
    shapes = torch.nn.functional.interpolate(target.masks.float(), (12, 16)) * 20 - 10
    finest = tuple(shapes[:, frame].permute(1, 2, 0) for frame in range(TIME))
    right = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]])
    losses = []
    for prompts in (right, right[[1, 0, 2]]):
        masks = torch.cat([torch.randn(QUERIES, 2), prompts])[:, None].expand(-1, TIME, -1)
        layer = replace(a_layer(3), masks=ReadMasks(masks, finest))
        losses.append(losses_of([[layer]], [target], settings=SETTINGS).losses["loss_mask"])
        plain = losses_of([[layer]], [replace(target, prompt_labels=None)], settings=SETTINGS).losses["loss_mask"]
        assert losses[-1] != plain
    assert losses[0] < losses[1]


def test_objects_of_other_videos_are_never_companions():
    embeds = torch.nn.functional.normalize(torch.randn(4, WIDTH), dim=-1)
    tokens = Tokens(embeds, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    _, cosines = contrast(tokens, tokens, Draws())
    wanted = torch.eye(4)
    found = (embeds @ embeds.t()).clamp(min=0)
    expected = torch.nn.functional.smooth_l1_loss(found, wanted, reduction="sum") / 4
    torch.testing.assert_close(cosines, expected)


def test_embeddings_nearer_to_their_own_lose_less():
    centres = 3 * torch.randn(2, WIDTH)
    owners = torch.tensor([0, 1, 0, 1, -1])
    near = torch.cat([centres, centres + 0.1, 3 * torch.randn(1, WIDTH)])
    far = 3 * torch.randn(5, WIDTH)
    for measure in (
        lambda embeds: contrast(*[Tokens(embeds, owners, torch.zeros(5).long())] * 2, Draws()),
        lambda embeds: contrast_clips(embeds, owners, Draws()),
    ):
        (one, other), (one_far, other_far) = measure(near), measure(far)
        assert one < one_far
        assert other < other_far


def test_long_videos_weigh_embeddings_half():
    assert weights(0.25, long=True)["loss_reid"] == 0.125
    assert weights(0.25)["loss_ce"] == 5


def test_boxes_are_those_of_the_masks():
    masks = torch.zeros(2, 10, 20, dtype=torch.bool)
    masks[0, 2:5, 4:11] = True
    torch.testing.assert_close(boxes_of(masks), torch.tensor([[0.2, 0.2, 0.5, 0.4], [0.0, 0.0, 0.0, 0.0]]))


def test_the_teacher_follows_slowly():
    network = tiny_network(replace(TINY, num_queries=2))
    teacher = teacher_of(network, decay=0.9)
    teacher.update_parameters(network)
    before = network.visual_mark.detach().clone()
    with torch.no_grad():
        network.visual_mark += 1
    teacher.update_parameters(network)
    torch.testing.assert_close(teacher.module.visual_mark, before + 0.1)
