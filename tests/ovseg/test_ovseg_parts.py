"""Regions, the ensemble, CLIP's image tower and the backbone of R101c, against what is said of them in plain torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.ovseg.tiny import IMAGES, TINY, tiny_network
from torch.nn import functional as F

from singleout.nn.backbones.resnet import ResNet
from singleout.nn.clip_images import ClipImageTower
from singleout.systems.ovseg.ensemble import Canvas, best_of_each, mix
from singleout.systems.ovseg.regions import Cutting, cut, find_regions, normalised


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def noise(*sizes: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def test_inference_and_training_give_the_same_proposals(network):
    picture = noise(1, 3, 64, 96)
    with torch.inference_mode():
        fast = network(picture, every_layer=True)
    slow = network(picture, every_layer=True)
    assert len(fast) == TINY.decoder_layers
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(
            one.masks.clone(), other.masks, rtol=1e-4, atol=1e-4 * float(other.masks.abs().max())
        )
        torch.testing.assert_close(one.embeds.clone(), other.embeds, rtol=1e-4, atol=1e-5)


def test_the_deep_stem_and_dilations_are_those_of_deeplab():
    torch.manual_seed(0)
    backbone = ResNet(TINY.backbone).eval()
    norms = [backbone.bn1, backbone.bn2, backbone.bn3]
    x = noise(1, 3, 64, 64)
    for conv, norm in zip((backbone.conv1, backbone.conv2, backbone.conv3), norms, strict=True):
        scale, shift = norm.scale_shift()
        x = F.relu(conv(x) * scale[:, None, None] + shift[:, None, None])
    first = backbone.stages()[0](F.max_pool2d(x, 3, 2, 1))
    maps = backbone(noise(1, 3, 64, 64)[None])
    torch.testing.assert_close(maps[0], first, rtol=1e-4, atol=1e-4)
    assert [tuple(one.shape[-2:]) for one in maps] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert [block.conv2.dilation for block in backbone.stages()[-1]] == [(1, 1), (2, 2)]


def test_what_is_background_does_not_reach_clip(network):
    tower = network.clip.images
    picture = noise(1, 3, tower.size.side, tower.size.side)
    mask = torch.zeros(1, tower.size.side, tower.size.side, dtype=torch.bool)
    mask[:, :9, :8] = True  # a pixel row into the second row of patches
    other = picture.clone()
    other[:, :, 16:, 8:] = 5.0
    with torch.inference_mode():
        assert tower.kept_patches(mask)[0].nonzero()[:, 0].tolist() == [0, IMAGES.grid]
        torch.testing.assert_close(tower(picture, mask), tower(other, mask))
        assert not torch.allclose(tower(picture, mask), tower(picture))
        everything = torch.ones_like(mask)
        torch.testing.assert_close(tower(picture, everything), tower(picture))


def test_prompts_are_put_in_as_deep_as_they_go(network):
    tower = network.clip.images
    picture, mask = noise(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.bool)
    mask[:, :16] = True
    background = ~tower.kept_patches(mask)
    with torch.inference_mode():
        x = tower.start(picture, background)
        for depth, block in enumerate(tower.blocks, 1):
            x = block(x)
            if depth < 3:
                x[:, 1:][background] = tower.mask_embedding[depth][background[0]]
        plain = tower.norm_after(x[:, 0]) @ tower.projection
        torch.testing.assert_close(tower(picture, mask), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 4, 5])
def test_background_that_is_overwritten_may_be_left_out(depth):
    torch.manual_seed(0)
    tower = ClipImageTower(replace(IMAGES, prompt_depth=depth)).eval().requires_grad_(False)
    pictures, masks = noise(3, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.bool)
    masks[0, :9, :9], masks[1, 3:], masks[2] = True, True, True
    plain = tower(pictures, masks)
    with torch.inference_mode():
        torch.testing.assert_close(tower(pictures, masks), plain, rtol=1e-4, atol=1e-5)


def test_a_tower_without_prompts_says_so():
    tower = ClipImageTower(replace(IMAGES, prompt_depth=0))
    with pytest.raises(ValueError, match="no mask prompts"):
        tower(noise(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.bool))


def test_regions_are_tight_and_empty_ones_are_left_out():
    shares = torch.zeros(4, 20, 30)
    shares[0, 3:7, 10:12], shares[2, 19, 29], shares[3] = 0.9, 0.6, 0.5
    regions = find_regions(shares, Cutting(0.5))
    assert [(region.query, region.box) for region in regions] == [(0, (10, 3, 12, 7)), (2, (29, 19, 30, 20))]
    grown = find_regions(shares, Cutting(0.5, expand=3.0))
    assert [region.box for region in grown] == [(8, 0, 14, 11), (28, 18, 30, 20)]
    small = find_regions(shares, Cutting(0.5, expand=0.1))
    assert all(right > left and bottom > top for left, top, right, bottom in (region.box for region in small))


@pytest.mark.parametrize("fill", ["mean", "zero"])
def test_background_of_a_region_is_filled(fill):
    picture, shares = torch.full((3, 8, 8), 200.0), torch.zeros(1, 8, 8)
    shares[0, :4, :] = shares[0, :, :4] = 0.8
    cutting = Cutting(0.5, fill)
    (region,) = find_regions(shares, cutting)
    part, inside = cut(normalised(picture), shares[0], region, cutting, 32)
    assert inside[:16].all() and inside[:, :16].all() and not inside[16:, 16:].any()
    expected = torch.zeros(3) if fill == "mean" else normalised(torch.zeros(3, 1, 1))[:, 0, 0]
    torch.testing.assert_close(part[:, 28, 28], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(part[:, 2, 2], normalised(picture)[:, 0, 0])


def test_the_ensemble_is_geometric_and_leaves_unseen_proposals_their_own_opinion():
    proposals, seen = noise(3, 5), noise(2, 5, seed=1)
    own, clip = proposals.softmax(-1)[:, :-1], seen[:, :-1].softmax(-1)
    found = mix(proposals, seen, [0, 2], 0.7)
    torch.testing.assert_close(found.scores[[0, 2]], own[[0, 2]] ** 0.3 * clip**0.7)
    torch.testing.assert_close(found.scores[1], own[1] ** 0.3)
    alone = mix(proposals, seen, [0, 2], 0.0)
    assert alone.queries.tolist() == [0, 2]
    torch.testing.assert_close(alone.scores, clip)
    torch.testing.assert_close(mix(proposals, seen, [0, 2], None).scores, own)


def test_the_demo_keeps_one_proposal_for_each_name_with_all_it_says():
    found = mix(noise(3, 3), torch.tensor([[3.0, 0, 0], [0, 2.0, 0], [2.0, 0, 0]]), [0, 1, 2], 0.0)
    assert best_of_each(found).queries.tolist() == [0, 1]
    assert best_of_each(found, 1).queries.tolist() == [0]
    torch.testing.assert_close(best_of_each(found).scores, found.scores[:2])


@pytest.mark.parametrize("size", [(23, 41), (9, 7), (12, 10), (1, 1), (300, 2)])
def test_a_canvas_painted_in_strips_is_the_one_painted_whole(size):
    masks, scores = noise(4, 12, 10).sigmoid(), noise(4, 5, seed=1).softmax(-1)
    canvas = Canvas(masks, scores, size)
    sums = torch.einsum("qn,qhw->nhw", scores, masks)
    whole = F.interpolate(sums[None], size, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(canvas.whole(), whole)
    found = canvas.labels(values=1)
    assert torch.equal(found.labels, whole.argmax(0))
    torch.testing.assert_close(found.shares, whole.amax(0) / whole.sum(0))
    assert not found.blank.any()
