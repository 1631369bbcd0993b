"""Deformable attention three ways: by rows, by grid_sample and as a Triton kernel give the same numbers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from singleout.nn.deformable import DeformableAttention, sample_by_grid, sample_by_rows

ROOT = Path(__file__).parents[2]
SHAPES = [(5, 9), (3, 4), (1, 2)]
KERNEL = """
import torch
from tests.nn.test_deformable import SHAPES, drawn
from singleout.nn import deformable_cuda
from singleout.nn.deformable import sample_by_grid
inputs = [part.requires_grad_() for part in drawn()]
outs = [run(inputs[0], SHAPES, *inputs[1:]) for run in (deformable_cuda.sample_levels, sample_by_grid)]
torch.testing.assert_close(*outs)
grads = [torch.autograd.grad(out.square().sum(), inputs) for out in outs]
for ours, theirs in zip(*grads):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
print("equal")
"""


def drawn(batch: int = 2, queries: int = 37, heads: int = 3, channels: int = 6) -> list[torch.Tensor]:
    """Values, locations (some far outside, some on borders and cells) and weights."""
    dice = torch.Generator().manual_seed(0)
    tokens = sum(height * width for height, width in SHAPES)
    value = torch.randn(batch, tokens, heads, channels, generator=dice)
    locations = torch.rand(batch, queries, heads, len(SHAPES), 4, 2, generator=dice) * 1.6 - 0.3
    locations[:, :4] = torch.tensor([0.0, 1.0, 0.5, -3.0])[:, None, None, None, None]
    weights = torch.rand(batch, queries, heads, len(SHAPES), 4, generator=dice)
    return [value, locations, weights]


def test_rows_and_grid_agree_and_so_do_their_gradients():
    # The places on the very border are left out here: a gradient jumps there, to either side.
    inputs = drawn()
    inputs[1] = inputs[1][:, 4:].contiguous()
    inputs[2] = inputs[2][:, 4:].contiguous()
    inputs = [part.requires_grad_() for part in inputs]
    outs = [run(inputs[0], SHAPES, *inputs[1:]) for run in (sample_by_rows, sample_by_grid)]
    torch.testing.assert_close(*outs)
    grads = [torch.autograd.grad(out.square().sum(), inputs) for out in outs]
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_places_on_borders_and_far_outside_are_the_same():
    value, locations, weights = drawn()
    with torch.no_grad():
        torch.testing.assert_close(
            sample_by_rows(value, SHAPES, locations, weights), sample_by_grid(value, SHAPES, locations, weights)
        )


def test_the_triton_kernel_agrees_in_its_own_interpreter():
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed; it is what runs the kernel, or interprets it")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KERNEL], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )
    assert done.stdout.strip() == "equal", done.stderr


@pytest.mark.parametrize("numbers", [2, 4])
def test_few_queries_that_sample_first_see_the_same(numbers):
    torch.manual_seed(0)
    attention, shapes = DeformableAttention(32, num_levels=2), [(30, 40), (15, 20)]
    for parameter in attention.parameters():
        parameter.data += torch.randn_like(parameter) * 0.2
    memory = torch.randn(2, 1500, 32)
    query, references = torch.randn(2, 3, 32), torch.rand(2, 3, 2, numbers)
    padding = torch.rand(2, 1500) < 0.3
    with torch.enable_grad():
        plain = attention(query, references, memory, shapes, padding)
    with torch.no_grad():
        torch.testing.assert_close(attention(query, references, memory, shapes, padding), plain, rtol=1e-4, atol=1e-5)
