"""Window attention on whole maps and row by row, against its definition for each pair of tokens."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from singleout.nn.backbones.swin import Swin, SwinConfig
from singleout.nn.backbones.window_rows import Axes
from singleout.nn.backbones.windows import WindowAttention, WindowBlock, relative_index


def defined(attention: WindowAttention, x: Tensor, window: Axes, shift: Axes) -> Tensor:
    """The attention part of a block, token by token: x (time, height, width, channels), multiples of the window."""
    sizes, heads, width = x.shape[:3], attention.num_heads, x.shape[3]
    places = list(product(*map(range, sizes)))
    moved = [tuple((p - s) % n for p, s, n in zip(place, shift, sizes, strict=True)) for place in places]
    cells = [tuple(p // w for p, w in zip(place, window, strict=True)) for place in moved]
    index = relative_index(attention.window)
    projected = attention.qkv(x.flatten(0, 2)).view(len(places), 3, heads, width // heads)
    out = torch.empty(len(places), width)
    for number, (place, here, cell) in enumerate(zip(places, moved, cells, strict=True)):
        others = [other for other in range(len(places)) if cells[other] == cell]
        inside = [[p % w for p, w in zip(one, window, strict=True)] for one in [here, *(moved[o] for o in others)]]
        rows = [(t * window[1] + h) * window[2] + w for t, h, w in inside]
        bias = attention.relative_position_bias_table[index[rows[0], rows[1:]]].t()
        # The shift moved the beginning of the map behind its end.
        apart = [any((a < s) != (b < s) for a, b, s in zip(place, places[o], shift, strict=True)) for o in others]
        query, key, value = projected[number, 0], projected[others, 1], projected[others, 2]
        scores = torch.einsum("hd,nhd->hn", query, key) * (width // heads) ** -0.5 + bias
        shares = (scores - 100.0 * torch.tensor(apart)).softmax(1)
        out[number] = torch.einsum("hn,nhd->hd", shares, value).flatten()
    return attention.proj(out).view_as(x)


@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [
        ((4, 6, 9), (2, 3, 3), (1, 1, 1)),
        ((4, 6, 9), (2, 3, 3), (0, 0, 0)),
        ((2, 6, 6), (2, 3, 3), (0, 1, 1)),
        ((1, 3, 6), (1, 3, 3), (0, 1, 1)),
        ((4, 4, 4), (2, 2, 4), (1, 1, 0)),
    ],
)
@torch.no_grad()
def test_a_block_sees_what_its_definition_says(size, window, shift):
    torch.manual_seed(0)
    block = WindowBlock(16, 2, window, drop_path=0.0)
    torch.nn.init.normal_(block.attn.relative_position_bias_table)
    x = torch.randn(2, *size, 16)
    seen = torch.stack([defined(block.attn, each, window, shift) for each in block.norm1(x)])
    wanted = x + seen
    wanted = wanted + block.mlp(block.norm2(wanted))
    torch.testing.assert_close(block(x, window, shift), wanted, rtol=1e-4, atol=1e-4)
    with torch.enable_grad():
        torch.testing.assert_close(block(x, window, shift).detach(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("video", [True, False])
@torch.no_grad()
def test_row_by_row_is_the_same_as_the_whole_map_at_once(video):
    torch.manual_seed(0)
    window = (2, 3, 3) if video else (1, 3, 3)
    config = SwinConfig(16, (2, 2, 2, 2), (1, 2, 2, 4), drop_path=0.0, window=window, video=video)
    network = Swin(config).eval()
    # Sizes that are no multiples of anything, and stages that are smaller than a window.
    frames = torch.randn(2, 3, 3, 52, 75)
    found = network(frames)
    with torch.enable_grad():
        plain = network(frames)
    for mine, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(mine, theirs.detach(), rtol=1e-3, atol=1e-4)


def test_gradients_reach_every_part_through_shifted_windows():
    torch.manual_seed(0)
    block = WindowBlock(16, 2, (2, 3, 3), drop_path=0.0)
    block(torch.randn(1, 4, 7, 8, 16), (2, 3, 3), (1, 1, 1)).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
