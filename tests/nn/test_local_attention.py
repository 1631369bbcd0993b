"""Window attention by matrix products is what its formula says, gradients included; what a memory forgets."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from singleout.nn.forgetting import Stamp, to_forget
from singleout.nn.local_attention import Relative, local_attention
from singleout.nn.memory_attention import attend


def by_formula(query: Tensor, key: Tensor, value: Tensor, radius: int, relative: Relative) -> Tensor:
    """Place by place and offset by offset."""
    height, width, depth = query.shape[2:]
    out = torch.zeros(*query.shape[:4], value.shape[-1])
    for y in range(height):
        for x in range(width):
            scores, values = [], []
            for offset in range((2 * radius + 1) ** 2):
                dy, dx = divmod(offset, 2 * radius + 1)
                row, column = y + dy - radius, x + dx - radius
                if 0 <= row < height and 0 <= column < width:
                    here = query[:, :, y, x]
                    score = (here * key[:, :, row, column]).sum(-1) * depth**-0.5
                    scores.append(score + (here * relative.key[:, offset]).sum(-1) + relative.bias[:, offset])
                    learned = 0 if relative.value is None else relative.value[:, :, offset]
                    values.append(value[:, :, row, column] + learned)
            weights = torch.stack(scores, -1).softmax(-1)
            out[:, :, y, x] = (torch.stack(values, -1) * weights[..., None, :]).sum(-1)
    return out


@pytest.mark.parametrize(
    ("size", "radius", "learns_values"), [((5, 9), 1, True), ((9, 4), 2, False), ((3, 3), 4, True), ((8, 8), 1, False)]
)
def test_the_window_is_read_as_its_formula_says(size, radius, learns_values):
    torch.manual_seed(0)
    heads, depth, offsets = 2, 4, (2 * radius + 1) ** 2
    query, key = (torch.randn(2, heads, *size, depth, requires_grad=True) for _ in range(2))
    value = torch.randn(2, heads, *size, 6, requires_grad=True)
    learned = torch.randn(heads, 6, offsets, requires_grad=True) if learns_values else None
    relative = Relative(torch.randn(heads, offsets, depth, requires_grad=True), torch.randn(heads, offsets), learned)
    ours, theirs = (run(query, key, value, radius, relative) for run in (local_attention, by_formula))
    assert torch.allclose(ours, theirs, atol=1e-5)
    weight = torch.randn_like(ours)
    asked = [query, key, value, relative.key, *([] if learned is None else [learned])]
    pairs = zip(*(torch.autograd.grad((out * weight).sum(), asked) for out in (ours, theirs)), strict=True)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)
    with torch.inference_mode():
        assert torch.allclose(local_attention(query, key, value, radius, relative), theirs, atol=1e-5)


def test_long_memories_are_read_in_pieces_without_a_difference():
    torch.manual_seed(1)
    query, key, value = torch.randn(1, 1, 300, 4), torch.randn(1, 1, 40000, 4), torch.randn(1, 1, 40000, 7)
    expected = (query @ key.transpose(-1, -2) / 2).softmax(-1) @ value
    assert torch.allclose(attend(query, key, value), expected, atol=1e-5)


def remembered(budget: int, steps: int, given_at: frozenset[int] = frozenset({0})) -> list[Stamp]:
    stamps: list[Stamp] = []
    for step in range(steps):
        if len(stamps) == budget:
            del stamps[to_forget(stamps)]
        stamps.append(Stamp(step, step in given_at))
    return stamps


def test_what_stays_is_given_recent_and_sparser_with_age():
    steps = [stamp.step for stamp in remembered(8, 500)]
    assert steps[0] == 0
    assert steps[-1] == 499
    assert len(steps) == 8
    gaps = [after - before for before, after in pairwise(steps)]
    assert gaps[-1] <= 3
    assert max(gaps[-3:]) < max(gaps[:3])
    assert max(gaps) < 200  # no stretch is forgotten altogether


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(1, 80), st.frozensets(st.integers(0, 79), max_size=12))
def test_laws_of_forgetting(budget, steps, given_at):
    stamps = remembered(budget, steps, given_at)
    assert len(stamps) == min(budget, steps)
    assert stamps[-1].step == steps - 1
    if steps > budget:
        # A frame that was found stays only where no given one had to go for it, but for the newest.
        lost = {step for step in given_at if step < steps} - {stamp.step for stamp in stamps}
        found = [stamp for stamp in stamps[:-1] if not stamp.given]
        assert not lost or len(found) <= max(0, budget - 2)


def test_a_memory_of_one_frame_takes_the_newest():
    assert to_forget([Stamp(3, given=True)]) == 0
    assert to_forget([Stamp(0, given=True), Stamp(5, given=True), Stamp(9, given=True)]) == 1
