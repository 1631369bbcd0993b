"""The loss path as a whole: a small network learns two clips from nothing."""

from __future__ import annotations

import numpy as np
import torch
from tests.drawn_clips import HEIGHT
from tests.referformer.tiny import tiny_network
from tests.sentence_systems import CLIPS, SENTENCES, TARGETS, step

from singleout.prompts import Phrase
from singleout.systems.referformer.inference import ReferFormer
from singleout.systems.referformer.losses import losses_of, total

STEPS = 200


def test_a_tiny_network_learns_two_clips():
    network = tiny_network().train()
    num_seen = sum(len(clip.masks) for clip in CLIPS)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=STEPS)
    for _ in range(STEPS):
        losses, _ = losses_of(step(network), TARGETS, num_seen)
        optimiser.zero_grad()
        total(losses).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()

    system = ReferFormer(network.eval(), name="tiny", tokenizer=None)
    for clip, token_ids in zip(CLIPS, SENTENCES, strict=True):
        tracks = system.segment(clip.frames, Phrase("the thing"), token_ids=[token_ids], size=HEIGHT, mode="whole")
        found = np.stack([tracks.id_map(index) == 1 for index in range(len(clip.frames))])
        overlap = (found & clip.masks).sum((1, 2)) / (found | clip.masks).sum((1, 2))
        assert overlap.mean() > 0.9
