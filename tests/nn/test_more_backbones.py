"""ConvNeXt and ConvMAE on sizes that no golden has: strides, frames by themselves, grids other than the trained one."""

from __future__ import annotations

import pytest
import torch

from singleout.nn.backbones.building import build_backbone, sees_time
from singleout.nn.backbones.convmae import ConvMAEConfig, apart
from singleout.nn.backbones.convnext import ConvNeXtConfig

SHAPES = {
    "convnext": ConvNeXtConfig((1, 1, 2, 1), (8, 16, 24, 32)),
    "convmae": ConvMAEConfig((1, 1, 3), (8, 16, 24), 2, whole=(1,), window=3, trained_grid=4, reach=5),
}


@pytest.fixture(params=SHAPES)
def backbone(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_backbone(SHAPES[request.param]).eval()
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2 or "pos" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return network


@torch.no_grad()
def test_maps_have_their_strides_and_frames_do_not_know_each_other(backbone):
    frames = torch.randn(2, 3, 3, 80, 112)
    maps = backbone(frames)
    assert [tuple(found.shape) for found in maps] == [
        (6, width, 80 // stride, 112 // stride) for width, stride in zip(backbone.channels, (4, 8, 16, 32), strict=True)
    ]
    for whole, one in zip(maps, backbone(frames[1:, 2:]), strict=True):
        torch.testing.assert_close(whole[5:], one)


@torch.no_grad()
def test_sizes_that_no_stride_divides(backbone):
    maps = backbone(torch.randn(1, 1, 3, 75, 101))
    assert [tuple(found.shape[2:]) for found in maps] == [(18, 25), (9, 12), (4, 6), (2, 3)]


def test_frames_are_seen_by_themselves():
    assert not any(sees_time(config) for config in SHAPES.values())


def test_a_table_of_distances_is_stretched_to_another_size():
    table = torch.arange(9.0)[:, None]  # distances from -4 to 4
    assert apart(table, 5)[1, :, 0].tolist() == [5, 4, 3, 2, 1]
    stretched = apart(table, 10)[..., 0]
    assert stretched.shape == (10, 10)
    assert stretched[0, 0] == 4
    assert (stretched[1:, 0] > stretched[:-1, 0]).all()


@torch.no_grad()
def test_only_the_window_around_it_sees_a_change_before_the_whole_picture_is_looked_at():
    """ConvMAE's block 1 of 3 sees everything, so leaving it out keeps changes where they are."""
    torch.manual_seed(0)
    network = build_backbone(ConvMAEConfig((1, 1, 2), (8, 16, 24), 2, whole=(), window=2, trained_grid=4)).eval()
    frames = torch.randn(1, 1, 3, 96, 96)
    other = frames.clone()
    other[..., :8, :8] += 1
    change = (network(frames)[2] - network(other)[2]).abs().amax(1)[0]
    assert change[:2, :2].amax() > 1e-3
    assert change[2:].amax() < 1e-5
    assert change[:, 2:].amax() < 1e-5
