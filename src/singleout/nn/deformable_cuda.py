"""The sampling of deformable attention as one Triton kernel, for CUDA; imported only where such a device is used.

On a CPU it runs in Triton's interpreter (``TRITON_INTERPRET=1``), which is how it is tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

_BLOCK = 32  # queries that one program works on

if AVAILABLE:

    @triton.jit  # type: ignore[untyped-decorator]
    def _sample(  # type: ignore[no-untyped-def]  # noqa: PLR0917 - a kernel's arguments go by place
        value,
        shapes,
        locations,
        weights,
        out,
        num_queries,
        num_tokens,
        HEADS: tl.constexpr,  # noqa: N803 - constants of a kernel are written so
        CHANNELS: tl.constexpr,  # noqa: N803
        WIDE: tl.constexpr,  # noqa: N803
        LEVELS: tl.constexpr,  # noqa: N803
        POINTS: tl.constexpr,  # noqa: N803
        BLOCK: tl.constexpr,  # noqa: N803
    ):
        """Some queries of one head of one batch element: sums over levels, points and the four cells around each."""
        query = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        row = tl.program_id(1)
        batch, head = (row // HEADS).to(tl.int64), row % HEADS
        asked = query < num_queries
        channel = tl.arange(0, WIDE)
        total = tl.zeros([BLOCK, WIDE], tl.float32)
        slot = (batch * num_queries + query) * HEADS + head
        for level in tl.static_range(LEVELS):
            height = tl.load(shapes + 3 * level)
            width = tl.load(shapes + 3 * level + 1)
            start = tl.load(shapes + 3 * level + 2)
            for point in tl.static_range(POINTS):
                place = (slot * LEVELS + level) * POINTS + point
                x = tl.load(locations + 2 * place, mask=asked, other=0.0).to(tl.float32) * width - 0.5
                y = tl.load(locations + 2 * place + 1, mask=asked, other=0.0).to(tl.float32) * height - 0.5
                weight = tl.load(weights + place, mask=asked, other=0.0).to(tl.float32)
                left, top = tl.floor(x), tl.floor(y)
                for corner in tl.static_range(4):
                    column = left.to(tl.int32) + corner % 2
                    line = top.to(tl.int32) + corner // 2
                    there = asked & (column >= 0) & (column < width) & (line >= 0) & (line < height)
                    # The nearer a cell, the more it counts: one minus the distance on each axis.
                    share = weight * (1 - tl.abs(x - column)) * (1 - tl.abs(y - line))
                    cell = ((batch * num_tokens + start + line * width + column) * HEADS + head) * CHANNELS
                    wanted = there[:, None] & (channel < CHANNELS)[None, :]
                    found = tl.load(value + cell[:, None] + channel[None, :], mask=wanted, other=0.0)
                    total += share[:, None] * found.to(tl.float32)
        target = out + slot[:, None] * CHANNELS + channel[None, :]
        tl.store(target, total, mask=asked[:, None] & (channel < CHANNELS)[None, :])


class _Sampling(torch.autograd.Function):
    """The kernel forwards; backwards the same by `grid_sample`, which torch can differentiate."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, locations: Tensor, weights: Tensor, shapes: Any) -> Tensor:
        """See `sample_levels`."""
        ctx.save_for_backward(value, locations, weights)
        ctx.shapes = shapes
        batch, queries, heads, levels, points = weights.shape
        starts = [0]
        for height, width in shapes[:-1]:
            starts.append(starts[-1] + height * width)
        table = [[height, width, start] for (height, width), start in zip(shapes, starts, strict=True)]
        channels = value.shape[-1]
        out = value.new_empty(batch, queries, heads * channels)
        _sample[(triton.cdiv(queries, _BLOCK), batch * heads)](
            value,
            torch.tensor(table, dtype=torch.int32, device=value.device),
            locations,
            weights,
            out,
            queries,
            value.shape[1],
            HEADS=heads,
            CHANNELS=channels,
            WIDE=triton.next_power_of_2(channels),
            LEVELS=levels,
            POINTS=points,
            BLOCK=_BLOCK,
        )
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of value, locations and weights."""
        from singleout.nn.deformable import sample_by_grid

        inputs = [saved.detach().requires_grad_() for saved in ctx.saved_tensors]
        with torch.enable_grad():
            value, locations, weights = inputs
            out = sample_by_grid(value, ctx.shapes, locations, weights)
        return (*torch.autograd.grad(out, inputs, gradients[0]), None)


def sample_levels(value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor) -> Tensor:
    """See `singleout.nn.deformable.sample_levels`; any batch size, unlike the CUDA operator of Deformable DETR."""
    out: Tensor = _Sampling.apply(  # type: ignore[no-untyped-call]
        value.contiguous(), locations.contiguous(), weights.contiguous(), [tuple(shape) for shape in shapes]
    )
    return out
