"""What UniVS's network promises to those who go along a video with it, on a tiny one with random weights."""

from __future__ import annotations

import pytest
import torch
from tests.univs.learning import TINY, tiny_network
from torch.nn import functional as F

from singleout.nn.backbones.swin import SwinConfig
from singleout.nn.mask2former.layers import hide_outside
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.decoder import PromptLayer, hidden_from
from singleout.systems.univs.values import DensePrompts, Prompts, read_masks
from singleout.systems.univs.visual_prompts import Dice, points_of_masks

HEIGHT, WIDTH, TIME = 64, 96, 3
SWIN = UniVSConfig(
    SwinConfig(16, (1, 1, 2, 1), (1, 2, 2, 4), window=(1, 4, 4)),
    num_queries=8,
    width=64,
    num_heads=4,
    encoder_layers=1,
    encoder_hidden=64,
    decoder_layers=3,
    decoder_hidden=64,
    text_width=16,
)


@pytest.fixture(scope="module")
def network():
    return tiny_network().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def frames():
    return torch.randn(TIME, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def features(network, frames):
    with torch.inference_mode():
        return network.encode(frames)


@pytest.fixture(scope="module")
def names():
    return torch.randn(5, TINY.text_width, generator=torch.Generator().manual_seed(2))


def squares(count: int = 3) -> torch.Tensor:
    masks = torch.zeros(count, HEIGHT, WIDTH)
    for number, mask in enumerate(masks):
        mask[8 * number : 8 * number + 24, 16 * number : 16 * number + 32] = 1.0
    return masks


def visual(network, features, count: int = 3, at: int = 0) -> Prompts:
    points = points_of_masks(features[0], squares(count), None, frame_index=at, num_points=6, dice=Dice(3))
    return network.visual_prompts([points] * len(features), DensePrompts.join([points] * 2))


@pytest.mark.parametrize("config", [TINY, SWIN], ids=["resnet", "swin"])
def test_the_fast_way_and_the_one_of_training_agree(config, frames, names):
    network = tiny_network(config).eval().requires_grad_(False)
    found = []
    for way in (torch.inference_mode, torch.enable_grad):
        with way():
            features = network.encode(frames)
            decoded = network.decode(features, visual(network, features), names)
            found.append((decoded.masks(), decoded.embeds, decoded.logits))
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast.clone(), slow, rtol=1e-4, atol=1e-4 * float(slow.abs().max()))


def test_frames_are_seen_apart_so_that_clips_can_share_them(network, frames, features, names):
    with torch.inference_mode():
        again = [network.encode(frame[None])[0] for frame in frames.flip(0)][::-1]
        ours, theirs = (network.decode(seen, None, names) for seen in (features, again))
    # Workers have other numbers of threads than a frame by itself, which add up in another order.
    torch.testing.assert_close(ours.masks(), theirs.masks(), rtol=1e-4, atol=1e-4)


def test_keys_that_are_not_kept_are_computed_again(network, frames, features, names):
    other = tiny_network().eval().requires_grad_(False)
    other.keep_keys = False
    with torch.inference_mode():
        seen = other.encode(frames)
        assert all(frame.keys == () for frame in seen)
        assert all(len(frame.keys) == TINY.decoder_layers for frame in features)
        torch.testing.assert_close(other.decode(seen, None, names).masks(), network.decode(features).masks())


def test_what_is_kept_of_a_size_is_not_used_after_weights_change(frames):
    network = tiny_network().eval().requires_grad_(False)
    with torch.inference_mode():
        network.encode(frames[:1])
    network.load_state_dict(tiny_network(seed=1).state_dict())
    with torch.inference_mode():
        ours, theirs = (one.encode(frames[:1])[0].finest for one in (network, tiny_network(seed=1).eval()))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_prompts_find_the_same_without_learnable_queries(network, features):
    for attention in ("sep", "sep-blocked"):
        with torch.inference_mode():
            prompts = visual(network, features)
            whole = network.decode(features, prompts, attention=attention)
            part = network.decode(features, prompts, attention=attention, learnable=False)
        assert (whole.num_learnable, part.num_learnable) == (TINY.num_queries, 0)
        torch.testing.assert_close(part.masks(), whole.masks(slice(TINY.num_queries, None)))


def test_learnable_queries_stay_where_prompts_look_at_them(network, features):
    with torch.inference_mode():
        sentences = network.sentence_prompts(features, torch.randn(1, 16), torch.randn(1, 4, 16))
        for prompts, attention in ((visual(network, features), "sep-l2p"), (sentences, "sep"), (None, "sep")):
            with pytest.raises(ValueError, match="can be left out only where"):
                network.decode(features, prompts, attention=attention, learnable=False)


def changes(network, features, attention) -> list[bool]:
    """Whether the first prompt, and the learnable queries, notice that there are more prompts."""
    with torch.inference_mode():
        few, many = (network.decode(features, visual(network, features, n), attention=attention) for n in (1, 3))
    count = TINY.num_queries
    return [not torch.allclose(few.embeds[part], many.embeds[part], atol=1e-5) for part in (count, slice(0, count))]


def test_who_sees_whom(network, features):
    assert changes(network, features, "sep-blocked") == [False, False]
    assert changes(network, features, "sep") == [True, False]
    assert changes(network, features, "sep-l2p") == [True, False]
    assert changes(network, features, "none") == [True, True]


def test_frames_have_no_order_for_learnable_queries(network, features):
    with torch.inference_mode():
        forwards, backwards = network.decode(features), network.decode(features[::-1])
    torch.testing.assert_close(forwards.embeds, backwards.embeds.flip(1), rtol=1e-4, atol=1e-4)


def test_attention_is_hidden_as_by_masks_that_are_resized(network, features):
    embeds = torch.randn(4, TIME, TINY.width, generator=torch.Generator().manual_seed(4))
    masks = read_masks(embeds, [frame.finest for frame in features])
    for level in range(3):
        size = features[0].levels[level].shape[:2]
        resized = F.interpolate(masks, size, mode="bilinear", align_corners=False).flatten(2)
        for t, hidden in enumerate(hidden_from(embeds, features, level)):
            clear = resized[:, t].abs() > 1e-4
            assert torch.equal(hidden[clear], hide_outside(resized[:, t])[clear])


def test_prompts_look_at_their_points_as_plain_attention_does():
    torch.manual_seed(0)
    layer, prompts, time = PromptLayer(32, 4), 2, 3
    torch.nn.init.normal_(layer.multihead_attn.in_proj_bias)
    queries, positions = torch.randn(2, time, prompts, 32)
    for shared in (1, time):
        features, places = torch.randn(2, prompts, shared, 5, 32)
        found = layer(queries, positions, Prompts(queries, positions, features, places))
        own = (queries + positions).transpose(0, 1)[:, :, None]
        wide = (prompts, time, 5, 32)
        keys = torch.cat([own, (features + places).expand(wide)], dim=2).flatten(0, 1)
        values = torch.cat([queries.transpose(0, 1)[:, :, None], features.expand(wide)], dim=2).flatten(0, 1)
        seen = layer.multihead_attn(own.flatten(0, 1), keys, values).view(prompts, time, 32).transpose(0, 1)
        torch.testing.assert_close(found, layer.norm(queries + seen), rtol=1e-4, atol=1e-5)


def test_masks_are_read_of_those_that_are_asked_for(network, features):
    with torch.inference_mode():
        decoded = network.decode(features)
        some = torch.tensor([5, 1])
        assert decoded.masks(some).shape == (2, TIME, HEIGHT // 4, WIDTH // 4)
        torch.testing.assert_close(decoded.masks(some), decoded.masks()[some])


def test_a_name_is_scored_whatever_the_others_are(network, features, names):
    with torch.inference_mode():
        all_of_them = network.decode(features, None, names).logits
        one = network.decode(features, None, 7 * names[2:3]).logits
        assert network.decode(features).logits is None
    torch.testing.assert_close(one[:, 0], all_of_them[:, 2])


def test_a_sentence_takes_half_of_the_best_learnable_mask_but_not_in_training(network, features):
    prompts = network.sentence_prompts(features, torch.randn(2, 16), torch.randn(2, 4, 16))
    with torch.inference_mode():
        decoded = network.decode(features, prompts, every_head=True)
    assert decoded.logits.shape == decoded.similarity.shape == (TINY.num_queries + 2, 2)
    head = decoded.earlier[0]
    best = head.similarity[: TINY.num_queries].argmax(0)
    own = network.decoder.mask_head(head.embeds[TINY.num_queries :])
    torch.testing.assert_close(head.mask_embeds[TINY.num_queries :], (own + head.mask_embeds[best]) / 2)
    other = tiny_network().train()
    seen = other.encode(torch.randn(1, 3, 64, 64))
    learning = other.decode(seen, other.sentence_prompts(seen, torch.randn(2, 16), torch.randn(2, 4, 16)))
    assert learning.similarity is None
    torch.testing.assert_close(learning.mask_embeds, other.decoder.mask_head(learning.embeds))


def test_every_head_is_read_where_losses_ask_for_it(network, features, names):
    with torch.inference_mode():
        decoded = network.decode(features, None, names, every_head=True)
        alone = network.decode(features, None, names)
    assert len(decoded.earlier) == TINY.decoder_layers
    assert alone.earlier == ()
    assert all(head.logits.shape == decoded.logits.shape for head in decoded.earlier)
    assert torch.equal(alone.logits, decoded.logits)


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (3, 64, 64), (1, 4, 64, 64)])
def test_frames_of_another_form_are_refused(network, shape):
    with pytest.raises(ValueError, match="multiples of 32"):
        network.encode(torch.zeros(shape))


def test_frames_may_be_seen_for_inference_and_then_without_gradients_only(frames):
    network = tiny_network().eval().requires_grad_(False)
    found = []
    for way in (torch.inference_mode, torch.no_grad, torch.inference_mode):
        with way():
            found.append(network.encode(frames)[0].finest.clone())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_no_prompts_at_all_are_prompts_too(network, features):
    with torch.inference_mode():
        decoded = network.decode(features, visual(network, features, 0))
    assert decoded.masks().shape[0] == decoded.num_learnable == TINY.num_queries
