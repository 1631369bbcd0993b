"""What OV2Seg is trained on: losses of every head, names by chance but never rare ones, and a step that helps."""

from __future__ import annotations

import pytest
import torch
from tests.ov2seg.tiny import TINY

from singleout.systems.ov2seg.losses import Draws, Settings, Target, layers_of, losses_of, match, name_weights, total
from singleout.systems.ov2seg.network import OV2SegNetwork

NUM_NAMES = 8
SETTINGS = Settings(num_points=64, num_names=6)


@pytest.fixture(scope="module")
def classifier():
    return torch.randn(NUM_NAMES, TINY.text_width, generator=torch.Generator().manual_seed(0))


def two_pictures():
    """A bright square in a picture, and a picture of nothing."""
    frames = torch.zeros(2, 3, 64, 64)
    frames[0, :, 16:48, 16:48] = 2.0
    mask = frames[0, 0] > 0
    nothing = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 64, 64, dtype=torch.bool))
    return frames, [Target(torch.tensor([3]), mask[None]), nothing]


def losses(network, classifier, draws):
    frames, targets = two_pictures()
    pictures = [layers_of(seen, classifier, TINY.sharpness) for seen in network(frames, every_head=True)]
    return losses_of(pictures, targets, draws, settings=SETTINGS)


def test_every_head_has_its_losses_and_steps_make_them_smaller(classifier):
    torch.manual_seed(0)
    network, draws = OV2SegNetwork(TINY).train(), Draws(torch.ones(NUM_NAMES))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    values = []
    for _ in range(8):
        found, matched = losses(network, classifier, draws)
        loss = total(found)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
    assert len(found) == 4 * (TINY.decoder_layers + 1) and "loss_dice_2" in found
    assert len(matched) == TINY.decoder_layers + 1
    assert [len(queries) for queries in matched[0]] == [1, 0]
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert sum(values[-2:]) < 0.8 * sum(values[:2])


def test_a_batch_of_nothing_has_losses_that_can_be_learnt_from(classifier):
    network, draws = OV2SegNetwork(TINY).train(), Draws(torch.ones(NUM_NAMES))
    frames, targets = two_pictures()
    pictures = [layers_of(seen, classifier, TINY.sharpness) for seen in network(frames[1:], every_head=True)]
    found, _ = losses_of(pictures, targets[1:], draws, settings=SETTINGS)
    total(found).backward()
    assert float(found["loss_mask"].detach()) == 0
    assert float(found["loss_object_ce"].detach()) > 0


def test_true_names_are_always_learnt_from_and_rare_ones_never_by_chance():
    weights = name_weights([100, 25, 4, 9, 16], [False, False, True, False, False])
    torch.testing.assert_close(weights, torch.tensor([10.0, 5.0, 0.0, 3.0, 4.0]))
    draws = Draws(weights)
    for _ in range(20):
        assert 2 not in draws.names(torch.tensor([1, 1]), 3)
        assert set(draws.names(torch.tensor([2, 0]), 3).tolist()) > {0, 2}
    assert draws.names(torch.tensor([3]), 100).tolist() == [0, 1, 3, 4]
    assert draws.names(torch.tensor([0, 1, 3]), 2).tolist() == [0, 1, 3]


@torch.no_grad()
def test_the_query_that_shows_the_object_is_matched(classifier):
    network = OV2SegNetwork(TINY).eval()
    frames, targets = two_pictures()
    (layer, *_) = layers_of(network(frames[:1])[0], classifier, TINY.sharpness)
    masks = torch.full_like(layer.masks, -8.0)
    masks[4, 4:12, 4:12] = 8.0
    same = type(layer)(torch.zeros_like(layer.logits), torch.zeros_like(layer.objects), masks)
    assert match(same, targets[0], SETTINGS, Draws(torch.ones(NUM_NAMES))).tolist() == [4]
