"""What tests of ReferFormer, MUTR and SOC have in common: two sentences, two clips to learn, and what holds of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tests.drawn_clips import HEIGHT, WIDTH, draw_clip

from singleout.nn.mlp import MLP
from singleout.nn.referring.criterion import Target
from singleout.nn.referring.network import ReferringNetwork
from singleout.nn.referring.values import Answers, Predictions, Sentences, Sight
from singleout.nn.text.tokens import pad_tokens
from singleout.prompts import Phrase
from singleout.referring.pictures import prepare
from singleout.referring.segmenter import SentenceSegmenter
from singleout.segmenter import Segmenter

SENTENCES = ((0, 5, 6, 7, 2), (0, 8, 9, 2))
PHRASES = [Phrase("the round thing"), Phrase("the square")]
#: Options of a run about both.
SMALL: dict[str, Any] = {"token_ids": SENTENCES, "size": HEIGHT}
SIZE = (HEIGHT, WIDTH)

#: A video for each sentence.
CLIPS = [draw_clip(2), draw_clip(3)]
TARGETS = [
    Target(
        torch.from_numpy(clip.masks),
        torch.from_numpy(clip.boxes),
        torch.ones(len(clip.masks), dtype=torch.bool),
        torch.zeros(len(clip.masks), dtype=torch.int64),
    )
    for clip in CLIPS
]


def soft(system: Segmenter, video: np.ndarray, phrases: list[Phrase], **options: Any) -> np.ndarray:
    """(num_frames, num_phrases, height, width) probabilities."""
    return np.stack([np.asarray(masks.masks) for masks in system.stream(video, phrases, **options)])


def move_boxes(network: ReferringNetwork) -> None:
    """Let boxes move from layer to layer, which at the start of training they do not."""
    for head in network.box_heads:
        assert isinstance(head, MLP)
        torch.nn.init.normal_(head.layers[-1].weight, std=0.1)  # type: ignore[arg-type]


def read(network: ReferringNetwork, sentences: Sequence[Sequence[int]] = SENTENCES) -> Sentences:
    """Sentences as the network knows them."""
    return network.read(*pad_tokens(sentences, network.config.text.pad_id))


def seen(system: SentenceSegmenter, video: np.ndarray) -> tuple[Sight, Sentences, list[tuple[int, int]]]:
    """What the network takes of a video and both sentences."""
    return system.network.look(prepare(video, SIZE)[None]), read(system.network), [SIZE]


def step(network: ReferringNetwork, videos: Sequence[int] = (0, 1), *, every_layer: bool = True) -> Predictions:
    """What is said of clips in one batch, each with its sentence."""
    frames = torch.stack([prepare(CLIPS[video].frames, SIZE) for video in videos])
    sentences = read(network, [SENTENCES[video] for video in videos])
    found: Predictions = network(network.look(frames), sentences, [SIZE] * len(videos), every_layer=every_layer)
    return found


def sentences_answer_as_alone(system: SentenceSegmenter, video: np.ndarray) -> None:
    """Sentences that share the frames get what each gets alone."""
    together = soft(system, video, PHRASES, **SMALL)
    for place, phrase in enumerate(PHRASES):
        alone = soft(system, video, [phrase], token_ids=SENTENCES[place : place + 1], size=HEIGHT)
        np.testing.assert_allclose(together[:, place], alone[:, 0], atol=1e-4)


def parts_make_no_difference(system: SentenceSegmenter, video: np.ndarray) -> None:
    """However many frames go through at once, the masks are the same."""
    found = soft(system, video, PHRASES, mode="whole", **SMALL)
    try:
        for rows in (3, 100):
            system.network.rows_at_once = rows
            np.testing.assert_allclose(soft(system, video, PHRASES, mode="whole", **SMALL), found, atol=1e-4)
    finally:
        del system.network.rows_at_once


@torch.no_grad()
def short_way_is_the_long_way(system: SentenceSegmenter, video: np.ndarray) -> tuple[Answers, Predictions]:
    """The masks of the best query alone are those among all; returns both."""
    sight, sentences, sizes = seen(system, video)
    short = system.network.answer(sight, sentences, sizes)
    whole = system.network(sight, sentences, sizes * len(SENTENCES))
    rows = torch.arange(len(SENTENCES))
    torch.testing.assert_close(short.masks, whole.masks[rows, :, short.query], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(short.logits, whole.logits)
    torch.testing.assert_close(short.scores, whole.logits.sigmoid().mean(1).amax(-1))
    return short, whole


def all_frames_count(system: SentenceSegmenter, video: np.ndarray) -> None:
    """Another end of the video changes what is said of its beginning."""
    other = video.copy()
    other[-1] = 0
    first, second = (soft(system, frames, PHRASES, mode="whole", **SMALL)[0] for frames in (video, other))
    assert np.abs(first - second).max() > 1e-4


@torch.no_grad()
def correcting_changes_masks(system: SentenceSegmenter, video: np.ndarray) -> tuple[Answers, Answers, Predictions]:
    """`corrected` reaches a run; returns what is published, what is corrected, and all layers as in training."""
    found = soft(system, video, PHRASES, **SMALL), soft(system, video, PHRASES, corrected=True, **SMALL)
    assert np.abs(found[0] - found[1]).max() > 1e-4
    sight, sentences, sizes = seen(system, video[:3])
    published = system.network.answer(sight, sentences, sizes)
    corrected = system.network.answer(sight, sentences, sizes, corrected=True)
    layers = system.network(sight, sentences, sizes * len(SENTENCES), every_layer=True)
    torch.testing.assert_close(corrected.boxes, layers.boxes)
    return published, corrected, layers


@torch.no_grad()
def videos_of_a_batch_are_apart(network: ReferringNetwork) -> Predictions:
    """Each video of a batch is answered as alone; returns the batch's."""
    both = step(network)
    for video in range(len(CLIPS)):
        alone = step(network, [video])
        torch.testing.assert_close(both.logits[video], alone.logits[0], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(both.boxes[video], alone.boxes[0], rtol=1e-3, atol=1e-4)
    return both
