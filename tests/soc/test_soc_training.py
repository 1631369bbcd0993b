"""The loss path of SOC: what it trains, what it counts, and batches mixed as published."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.sentence_systems import TARGETS, step, videos_of_a_batch_are_apart
from tests.soc.tiny import TINY, tiny_network

from singleout.nn.referring.values import Contrast, Predictions
from singleout.systems.soc.losses import WEIGHTS, Target, losses_of, total


def test_the_losses_fall_and_train_every_part():
    network = tiny_network().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-4)
    seen = []
    for _ in range(8):
        found = step(network)
        assert len(found.earlier) == TINY.decoder_layers - 1
        losses, queries = losses_of(found, TARGETS, num_masks=6)
        assert losses.keys() == {f"{name}{layer}" for name in WEIGHTS for layer in ("", "_0")}
        assert queries.shape == (TINY.decoder_layers, 2)
        loss = total(losses)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
    assert seen[-1] < 0.8 * seen[0]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if name.startswith(("interaction.", "word_fusion.", "fusion.", "pixel_decoder.")) and not name.endswith("bias"):
            assert parameter.grad.abs().sum() > 0, name


def test_videos_of_a_batch_are_mixed_as_published_unless_asked_otherwise():
    both = videos_of_a_batch_are_apart(tiny_network(replace(TINY, mixes_videos=False)))
    with torch.no_grad():
        assert (step(tiny_network()).logits - both.logits).abs().max() > 1e-3


def drawn(seed: int, time: int = 3) -> tuple[Predictions, Target]:
    """Outputs of one video and its object, which is not seen in the last frame."""
    dice = torch.Generator().manual_seed(seed)
    boxes = torch.rand(1, time, 5, 4, generator=dice)
    shapes = ((1, time, 5, 1), (1, time, 5, 6, 8), (1, 5, 16), (1, 16))
    logits, masks, queries, sentences = (torch.randn(*shape, generator=dice) for shape in shapes)
    visible = torch.arange(time) < max(time - 1, 1)
    truth = (torch.rand(time, 22, 30, generator=dice) > 0.5) & visible[:, None, None]
    target = Target(truth, boxes[0, :, 2] * visible[:, None], visible, torch.zeros(time, dtype=torch.int64))
    return Predictions(logits, boxes, masks, boxes[..., :2], Contrast(queries, sentences)), target


def test_a_query_that_is_like_the_object_is_matched_and_the_sentence_draws_it():
    found, target = drawn(0)
    large = torch.nn.functional.interpolate(target.masks[None].float(), (6, 8), mode="bilinear")[0] * 20 - 10
    found.masks[0, :, 2] = large
    found.logits[0, :2, 2] = 5.0
    losses, queries = losses_of(found, [target], num_masks=3)
    assert queries.tolist() == [[2]]
    assert found.contrast is not None
    nearer = found.contrast.queries.clone()
    nearer[0, 2] += found.contrast.sentences[0]
    drawn_near = replace(found, contrast=replace(found.contrast, queries=nearer))
    assert losses_of(drawn_near, [target], num_masks=3)[0]["loss_con"] < losses["loss_con"]


def test_losses_are_divided_by_frames_and_frames_without_the_object_count_in_boxes():
    found, target = drawn(1)
    losses, queries = losses_of(found, [target], num_masks=3)
    halved, _ = losses_of(found, [target], num_masks=6)
    for name in losses.keys() - {"loss_con"}:
        assert halved[name].item() == pytest.approx(losses[name].item() / 2, rel=1e-5)
    assert halved["loss_con"] == losses["loss_con"]
    moved = found.boxes.clone()
    moved[0, -1, queries[0, 0]] *= 0.5
    smaller, same = losses_of(replace(found, boxes=moved), [target], num_masks=3)
    assert same.tolist() == queries.tolist()
    assert smaller["loss_bbox"] < losses["loss_bbox"]


def test_masks_of_videos_of_unequal_size_are_padded():
    (first, target), (second, _) = drawn(2), drawn(3)
    small = replace(target, masks=target.masks[:, :18, :24])
    names = ("logits", "boxes", "masks", "points")
    both = {name: torch.cat([getattr(first, name), getattr(second, name)]) for name in names}
    assert first.contrast is not None
    assert second.contrast is not None
    contrast = Contrast(
        torch.cat([first.contrast.queries, second.contrast.queries]),
        torch.cat([first.contrast.sentences, second.contrast.sentences]),
    )
    losses, queries = losses_of(Predictions(**both, contrast=contrast), [target, small], num_masks=6)
    assert queries.shape == (1, 2)
    assert all(torch.isfinite(value) for value in losses.values())
    alone, _ = losses_of(first, [target], num_masks=6)
    assert losses["loss_dice"] > alone["loss_dice"]
