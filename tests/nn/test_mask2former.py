"""Mask2Former's layers by the formulas that they shorten."""

from __future__ import annotations

import pytest
import torch

from singleout.nn.mask2former.layers import Group, MaskedDecoderLayer, hide_outside
from singleout.nn.mask2former.names import find_backbone
from singleout.nn.mask2former.pixel_decoder import PixelDecoder

TIME, COUNT, WIDTH = 3, 5, 32
EVERYONE, FIRST, REST = slice(0, COUNT), slice(0, 2), slice(2, COUNT)
GROUPS = {
    "one": [Group(EVERYONE, EVERYONE)],
    "two": [Group(FIRST, FIRST), Group(REST, REST)],
    "apart": [Group(FIRST, FIRST), Group(REST, REST, apart=True)],
    "onlooking": [Group(FIRST, FIRST), Group(REST, EVERYONE)],
}


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return MaskedDecoderLayer(WIDTH, hidden=48, num_heads=4)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_groups_are_one_attention_with_a_mask(layer, groups):
    queries, positions = torch.randn(2, TIME, COUNT, WIDTH)
    hidden = torch.full((COUNT, COUNT), -torch.inf)
    for group in groups:
        if group.apart:
            own = torch.arange(COUNT)[group.queries]
            hidden[own, own] = 0.0
        else:
            hidden[group.queries, group.sees] = 0.0
    # One sequence of all queries, each in all pictures.
    mask = hidden.repeat_interleave(TIME, 0).repeat_interleave(TIME, 1)[None]
    tokens, places = (part.transpose(0, 1).flatten(0, 1)[None] for part in (queries, positions))
    seen = layer.self_attn(tokens + places, tokens + places, tokens, mask=mask)[0].unflatten(0, (COUNT, TIME))
    expected = layer.self_norm(queries + seen.transpose(0, 1))
    torch.testing.assert_close(layer.talk(queries, positions, groups), expected, rtol=1e-4, atol=1e-5)


def test_a_query_does_not_notice_what_its_mask_leaves_out(layer):
    queries, positions = torch.randn(2, 1, COUNT, WIDTH)
    tokens, places = torch.randn(2, 7, WIDTH)
    logits = torch.randn(COUNT, 7)
    logits[0] = torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    other = tokens.clone()
    other[2:] += 1.0
    before, after = (
        layer.look(queries, positions, [layer.keys(seen, places)], [hide_outside(logits)]) for seen in (tokens, other)
    )
    torch.testing.assert_close(before[0, 0], after[0, 0])
    assert not torch.allclose(before[0, 1:], after[0, 1:])


@pytest.mark.parametrize("size", [(64, 96), (96, 32)])
def test_the_pixel_decoder_gives_maps_of_all_strides_either_way(size):
    torch.manual_seed(0)
    decoder = PixelDecoder((8, 16, 24, 32), WIDTH, mask_width=12, num_layers=2, hidden=48, num_heads=4)
    decoder = decoder.eval().requires_grad_(False)
    height, width = size
    maps = [
        torch.randn(2, channels, height // stride, width // stride)
        for channels, stride in zip((8, 16, 24, 32), (4, 8, 16, 32), strict=True)
    ]
    with torch.inference_mode():
        fast = decoder(maps)
    slow = decoder(maps)
    assert fast.finest.shape == (2, height // 4, width // 4, 12)
    assert [level.shape for level in fast.levels] == [
        (2, height // stride, width // stride, WIDTH) for stride in (32, 16, 8)
    ]
    for ours, theirs in zip([*fast.levels, fast.finest], [*slow.levels, slow.finest], strict=True):
        torch.testing.assert_close(ours.clone(), theirs, rtol=1e-3, atol=1e-4)


def test_backbones_are_told_by_their_names_and_widths():
    resnet = {f"backbone.res4.{block}.conv1.weight": (256, 1024, 1, 1) for block in range(6)}
    assert find_backbone(resnet) == "r50"
    swin = {f"backbone.layers.2.blocks.{block}.norm1.weight": (768,) for block in range(18)}
    assert find_backbone({**swin, "backbone.patch_embed.proj.weight": (192, 3, 4, 4)}) == "swin-l"
    assert find_backbone({**swin, "backbone.patch_embed.proj.weight": (160, 3, 4, 4)}) is None
    assert find_backbone({}) is None


def test_what_is_hidden_has_the_precision_of_the_masks():
    logits = torch.tensor([[-1.0, 2.0, 0.0], [-1.0, -2.0, -0.5]], dtype=torch.bfloat16)
    hidden = hide_outside(logits)
    assert hidden.dtype == torch.bfloat16
    # A mask that is empty hides nothing.
    assert hidden.tolist() == [[-torch.inf, 0.0, 0.0], [0.0, 0.0, 0.0]]
