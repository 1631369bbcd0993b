"""Pieces of work side by side."""

from __future__ import annotations

import threading

import pytest
import torch

from singleout.nn.deformable_transformer import Encoder, valid_ratios
from singleout.nn.threads import side_by_side

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@torch.inference_mode()
def test_results_come_in_order_from_several_threads_that_keep_the_mode():
    meeting = threading.Barrier(2, timeout=20)

    def run(number: int) -> tuple[int, str, int, bool]:
        meeting.wait()  # breaks where the two do not run at the same time
        return number, threading.current_thread().name, torch.get_num_threads(), torch.is_inference_mode_enabled()

    found = list(side_by_side(run, range(8), CPU))
    assert [number for number, *_ in found] == list(range(8))
    assert len({name for _, name, *_ in found}) == 2
    assert {tuple(rest) for _, _, *rest in found} == {(1, True)}
    assert torch.get_num_threads() == 2


def test_threads_that_begin_later_are_not_left_with_one():
    with torch.inference_mode():
        list(side_by_side(str, range(4), CPU))
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append((torch.ones(8).sum(), torch.get_num_threads())[1]))
    later.start()
    later.join()
    assert seen == [2]


def test_it_is_a_loop_where_gradients_are_asked_for_and_inside_of_a_piece():
    here = threading.current_thread().name
    assert set(side_by_side(lambda _: threading.current_thread().name, range(3), CPU)) == {here}

    def outer(_: int) -> set[str]:
        return {threading.current_thread().name, *side_by_side(lambda _: threading.current_thread().name, "ab", CPU)}

    with torch.no_grad():
        assert all(len(names) == 1 for names in side_by_side(outer, range(4), CPU))


@torch.no_grad()
def test_an_error_of_a_piece_is_raised_and_the_next_run_works():
    def run(number: int) -> float:
        if number == 2:
            raise ValueError("the third")
        return 1 / (number + 1)

    with pytest.raises(ValueError, match="the third"):
        list(side_by_side(run, range(9), CPU))
    assert list(side_by_side(abs, [-1, -2, -3], CPU)) == [1, 2, 3]


@torch.inference_mode()
def test_an_encoder_may_be_used_by_several_threads_at_once():
    torch.manual_seed(0)
    shapes = [(9, 12), (5, 6)]
    encoder = Encoder(32, num_layers=2, hidden=64, num_levels=2).eval().requires_grad_(False)
    ratios = valid_ratios([torch.zeros(1, *shape, dtype=torch.bool) for shape in shapes])
    ground = encoder.ground(torch.randn(1, 138, 32), ratios, shapes)
    pictures = [torch.randn(1, 138, 32) for _ in range(12)]
    alone = [encoder(picture, ground, None) for picture in pictures]
    together = list(side_by_side(lambda picture: encoder(picture, ground, None), pictures, CPU))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
