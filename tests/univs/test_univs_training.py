"""The loss path as a whole: a small network learns a clip from nothing, by prompts and by itself."""

from __future__ import annotations

import numpy as np
import torch
from tests.drawn_clips import HEIGHT, WIDTH, draw_scene
from tests.text_towers import tiny_words
from tests.univs.learning import learn, masks_by_prompts, masks_by_queries, objects_of, overlaps, tiny_network

NAMES = ["ball", "box", "tree"]
STEPS = 48


def test_a_tiny_network_learns_a_clip(tmp_path):
    frames, ids = draw_scene(0, num_frames=3)
    assert frames.shape[1:3] == (HEIGHT, WIDTH)
    objects = objects_of(ids, [0, 1])
    names = tiny_words(tmp_path / "tokenizer").embed_names(NAMES)
    network = tiny_network()
    before = overlaps(masks_by_prompts(network, frames, objects), objects)
    learn(network, frames, objects, names, steps=STEPS)
    # The masks of the first frame are given, and their objects found in all frames.
    assert overlaps(masks_by_prompts(network, frames, objects), objects).mean() > 0.9 > before.mean()
    found, labels = masks_by_queries(network, frames, names, count=2)
    order = np.argsort(labels)
    assert [NAMES[label] for label in np.sort(labels)] == ["ball", "box"]
    assert overlaps(found[torch.from_numpy(order.copy())], objects).mean() > 0.9
