"""The loss path as a whole: a small network learns two clips from nothing."""

from __future__ import annotations

import numpy as np
import torch
from tests.referformer.tiny import HEIGHT, SENTENCES, WIDTH, draw_clip, tiny_network

from singleout.nn.text.tokens import pad_tokens
from singleout.prompts import Phrase
from singleout.referring.pictures import prepare
from singleout.systems.referformer.inference import ReferFormer
from singleout.systems.referformer.losses import Target, losses_of, total

STEPS = 200


def test_a_tiny_network_learns_two_clips():
    clips = [draw_clip(2), draw_clip(3)]
    network = tiny_network().train()
    frames = torch.stack([prepare(clip.frames, (HEIGHT, WIDTH)) for clip in clips])
    targets = [
        Target(
            torch.from_numpy(clip.masks),
            torch.from_numpy(clip.boxes),
            torch.ones(len(clip.masks), dtype=torch.bool),
            torch.zeros(len(clip.masks), dtype=torch.int64),
        )
        for clip in clips
    ]
    sizes, num_seen = [(HEIGHT, WIDTH)] * len(clips), sum(len(clip.masks) for clip in clips)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=STEPS)
    for _ in range(STEPS):
        sight = network.look(frames)
        sentences = network.read(*pad_tokens(SENTENCES, network.config.text.pad_id))
        losses, _ = losses_of(network(sight, sentences, sizes, every_layer=True), targets, num_seen)
        optimiser.zero_grad()
        total(losses).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()

    system = ReferFormer(network.eval(), name="tiny", tokenizer=None)
    for clip, token_ids in zip(clips, SENTENCES, strict=True):
        tracks = system.segment(clip.frames, Phrase("the thing"), token_ids=[token_ids], size=HEIGHT, mode="whole")
        found = np.stack([tracks.id_map(index) == 1 for index in range(len(clip.frames))])
        overlap = (found & clip.masks).sum((1, 2)) / (found | clip.masks).sum((1, 2))
        assert overlap.mean() > 0.9
