"""Layers that are fast on a CPU: the same numbers as torch's own, also after weights change."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.clip import ClipBlock
from singleout.nn.convolution import conv3x3
from singleout.nn.linear import Linear, _known, laid_out, linear, products_in


@pytest.fixture(autouse=True)
def no_grad():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.mark.parametrize("rows", [3, 64, 256, 700])
def test_products_with_and_without_what_comes_behind(rows):
    layer = nn.Linear(48, 96).requires_grad_(False)
    x, more = torch.randn(2, rows, 48), torch.randn(2, rows, 96)
    plain = F.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(linear(x, layer.weight, layer.bias), plain)
    torch.testing.assert_close(linear(x, layer.weight, layer.bias, relu=True), plain.relu())
    torch.testing.assert_close(linear(x, layer.weight, layer.bias, add=more), plain + more)
    torch.testing.assert_close(linear(x, layer.weight), plain - layer.bias)
    torch.testing.assert_close(Linear.of(layer.weight, layer.bias)(x, add=more), plain + more)


def test_parts_of_weights_are_kept_apart():
    weight = nn.Parameter(torch.randn(96, 32), requires_grad=False)
    x = torch.randn(100, 32)
    for part in (slice(0, 32), slice(32, 64), slice(32, 96), slice(0, 96)):
        torch.testing.assert_close(linear(x, weight[part]), x @ weight[part].t())


def test_weights_that_change_are_noticed():
    layer, x = nn.Linear(32, 32).requires_grad_(False), torch.randn(100, 32)
    for _ in range(2):
        torch.testing.assert_close(linear(x, layer.weight), F.linear(x, layer.weight))
        layer.load_state_dict({"weight": torch.randn(32, 32), "bias": torch.zeros(32)})
    layer.weight.data = torch.randn(32, 32)
    torch.testing.assert_close(linear(x, layer.weight), F.linear(x, layer.weight))


def test_weights_made_in_inference_mode_are_taken_as_they_are():
    with torch.inference_mode():
        layer, x = nn.Linear(64, 32).requires_grad_(False), torch.randn(300, 64)
        torch.testing.assert_close(linear(x, layer.weight, layer.bias), F.linear(x, layer.weight, layer.bias))


def test_few_keys_are_attended_to_as_many_are():
    attention = Attention(64, 8)
    attention.in_proj_bias += torch.randn(192)
    query, key, value = torch.randn(50, 64), torch.randn(7, 64), torch.randn(7, 64)
    padding = torch.tensor([False] * 5 + [True] * 2)
    short = attention.few_keys(key, value, padding)(query)
    torch.testing.assert_close(short, attention(query[None], key[None], value[None], padding[None])[0])


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (23, 40)])
def test_convolutions_are_those_of_torch(size):
    x, weight = torch.randn(2, 16, *size), torch.randn(24, 16, 3, 3)
    plain = F.conv2d(x, weight, padding=1)
    assert (conv3x3(x, weight) - plain).abs().max() < 1e-4 * plain.abs().max()


def test_large_matrices_are_laid_out_for_the_call_alone():
    layer = nn.Linear(1024, 4096).requires_grad_(False)
    x, more = torch.randn(1030, 1024), torch.randn(1030, 4096)
    plain = F.linear(x, layer.weight, layer.bias)
    for found, wanted in (
        (linear(x, layer.weight, layer.bias), plain),
        (linear(x, layer.weight, layer.bias, relu=True), plain.relu()),
        (linear(x, layer.weight, layer.bias, add=more), plain + more),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert layer.weight not in _known
    linear(x[:100], layer.weight, layer.bias)
    assert layer.weight in _known


@pytest.mark.parametrize("rows", [3, 100])
def test_a_factor_goes_into_weights_and_is_kept_apart(rows):
    layer = nn.Linear(48, 96).requires_grad_(False)
    x = torch.randn(rows, 48)
    plain = F.linear(x, layer.weight, layer.bias)
    for times in (1.702, 1.0, 1.702):
        laid = laid_out(x, layer.weight, layer.bias, times=times)
        assert (laid is None) == (rows == 3)
        if laid is not None:
            torch.testing.assert_close(laid(x), times * plain)
            torch.testing.assert_close(laid(x, silu=True), F.silu(times * plain))


@pytest.mark.parametrize("tokens", [5, 300])
def test_a_block_of_clip_is_the_same_with_and_without_gradients(tokens):
    block = ClipBlock(64, 2).requires_grad_(False)
    x = torch.randn(3, tokens, 64)
    with torch.enable_grad():
        plain = block(x)
    torch.testing.assert_close(block(x), plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(block.first_of(x), plain[:, 0], rtol=1e-5, atol=1e-5)


def test_some_tokens_of_a_block_are_those_of_all():
    block = ClipBlock(64, 2).requires_grad_(False)
    block.attention.in_proj_bias += torch.randn(192)
    rest, kept = torch.randn(40, 64), torch.rand(3, 40) < 0.4
    x = torch.where(kept[..., None], torch.randn(3, 40, 64), rest)
    found = block.some_of(x[kept], kept.flatten().nonzero()[:, 0], rest, 3)
    torch.testing.assert_close(found, block(x)[kept], rtol=1e-5, atol=1e-5)


def test_products_in_another_type_give_nearly_the_same_and_leave_nothing_behind():
    block = ClipBlock(64, 2).requires_grad_(False)
    x = torch.randn(2, 200, 64)
    before = block(x)
    with products_in(torch.bfloat16, x.device):
        rough = block(x)
    assert rough.dtype == torch.float32
    assert 0 < (rough - before).abs().max() < 0.03 * before.abs().max()
    torch.testing.assert_close(block(x), before)
