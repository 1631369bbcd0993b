"""Layers that are fast on a CPU: the same numbers as torch's own, also after weights change."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.convolution import conv3x3
from singleout.nn.linear import Linear, _known, linear


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
