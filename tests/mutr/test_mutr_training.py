"""The loss path of MUTR: every layer is trained through both of its modules, and batches are mixed as published."""

from __future__ import annotations

from dataclasses import replace

import torch
from tests.mutr.tiny import TINY, tiny_network
from tests.sentence_systems import TARGETS, step, videos_of_a_batch_are_apart

from singleout.systems.mutr.losses import losses_of, total


def test_the_losses_fall_and_train_both_modules():
    network = tiny_network().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-4)
    seen = []
    for _ in range(8):
        found = step(network)
        assert len(found.earlier) == TINY.decoder_layers - 1
        losses, _ = losses_of(found, TARGETS, num_seen=6)
        loss = total(losses)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
    assert seen[-1] < 0.8 * seen[0]
    # The pooler of the text tower is not used, so that its gradient never comes; all else of MUTR's own is trained.
    for name, parameter in network.named_parameters():
        trained = parameter.grad is not None and bool(parameter.grad.abs().sum())
        assert trained or not name.startswith(("aggregation.", "interaction.")), name
        assert not (trained and ".pooler." in name), name


@torch.no_grad()
def test_videos_of_a_batch_are_mixed_as_published_unless_asked_otherwise():
    both = videos_of_a_batch_are_apart(tiny_network(replace(TINY, mixes_videos=False)))
    mixed = step(tiny_network())
    # Rows take the results of the two sequences in turn: frames of a video differ, and video 1 begins with the second.
    torch.testing.assert_close(mixed.logits[0, 0], mixed.logits[0, 2])
    torch.testing.assert_close(mixed.logits[0, 1], mixed.logits[1, 0])
    assert not torch.allclose(mixed.logits[0, 0], mixed.logits[0, 1])
    torch.testing.assert_close(mixed.boxes, both.boxes, rtol=1e-3, atol=1e-4)
