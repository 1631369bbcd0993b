"""OV2Seg's matching, names over time, suppression, and masks that wait until they are wanted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.ov2seg.tiny import NAMES, SMALL, TINY, tiny_network, tiny_system, write_table

from singleout.nn.mask2former.geometry import Geometry
from singleout.systems.ov2seg.store import MaskStore
from singleout.systems.ov2seg.tracking import Memory, Pairs, Sharpness, best_pairs, hidden_in
from singleout.systems.ov2seg.values import name_logits
from singleout.systems.ov2seg.watch import Watch

CLIP = np.random.default_rng(5).integers(0, 255, (5, 40, 60, 3), dtype=np.uint8)


def test_queries_that_change_places_stay_on_their_tracks():
    dice = torch.Generator().manual_seed(0)
    looks, memory = torch.randn(7, 16, generator=dice), Memory()
    memory.match(looks)
    for _ in range(4):
        order = torch.randperm(7, generator=dice)
        found = memory.match(looks[order] + 0.05 * torch.randn(7, 16, generator=dice))
        assert order[found.queries].tolist() == list(range(7))


def test_the_memory_is_mostly_the_new_frame():
    memory = Memory()
    memory.match(torch.eye(2))
    memory.match(3 * torch.eye(2))
    torch.testing.assert_close(memory.embeds, 0.7 * 3 * torch.eye(2) + 0.3 * torch.eye(2))


def test_a_track_may_have_several_names_or_only_its_best():
    logits = torch.tensor([[4.0, 3.0, -9.0], [-9.0, -9.0, 0.0]])
    objects = torch.tensor([[5.0, -5.0], [5.0, -5.0]])
    several = best_pairs(logits, objects, 3)
    assert set(zip(several.tracks.tolist(), several.names.tolist(), strict=True)) == {(0, 0), (0, 1), (1, 2)}
    single = best_pairs(logits, objects, 3, one_name=True)
    assert list(zip(single.tracks.tolist(), single.names.tolist(), strict=True)) == [(0, 0), (1, 2)]
    assert len(best_pairs(logits, objects, 100)) == 6


def test_a_frame_is_hidden_below_a_tenth_of_the_score():
    pairs = Pairs(torch.tensor([0]), torch.tensor([0]), torch.tensor([0.5]))
    assert hidden_in(pairs, torch.tensor([[0.049], [0.051]])).flatten().tolist() == [True, False]


def test_sharpness_of_no_pixel_is_zero():
    assert Sharpness.of(torch.full((2, 3, 3), -1.0)).mean().tolist() == [0.0, 0.0]
    torch.testing.assert_close(Sharpness.of(torch.full((3, 3), 2.0)).mean(), torch.tensor(2.0).sigmoid())


@torch.inference_mode()
def test_logits_over_time_are_the_means_of_those_of_frames():
    network, rows = tiny_network(), torch.randn(9, TINY.text_width)
    seen = network(torch.randn(3, 3, 64, 64))
    watch = Watch(MaskStore(Geometry.of((64, 64), 64, 64), torch.device("cpu"), 1 << 20), TINY.sharpness)
    orders = [watch.add(one).queries for one in seen]
    each = [name_logits(one.spoken[order], rows, TINY.sharpness) for one, order in zip(seen, orders, strict=True)]
    unit = torch.nn.functional.normalize(rows, dim=-1)
    torch.testing.assert_close(watch.logits(unit), torch.stack(each).mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        watch.objects(), torch.stack([one.objects[o] for one, o in zip(seen, orders, strict=True)]).mean(0)
    )
    watch.close()


@pytest.mark.parametrize("change", [{"soft_memory": 0}, {"batch": 1}, {"batch": 100}])
def test_memory_and_batches_make_no_difference(tmp_path, change):
    table, system = write_table(tmp_path / "table.npy"), tiny_system()
    usual = system.segment(CLIP, list(NAMES), classifier=table, **SMALL)
    other = system.segment(CLIP, list(NAMES), classifier=table, **SMALL, **change)
    assert len(usual) == TINY.num_queries
    for one, two in zip(usual, other, strict=True):
        assert one.info.label == two.info.label
        assert one.info.score == pytest.approx(two.info.score, abs=1e-5)
        assert np.mean(one.masks() == two.masks()) > 0.999


def test_names_do_not_change_each_other(tmp_path):
    """Names that are asked for besides are only more pairs to choose from."""
    system, settings = tiny_system(), {**SMALL, "one_name": False, "detections": 10_000}
    few = write_table(tmp_path / "few.npy", 3)
    many = write_table(tmp_path / "many.npy", 300)
    listed = [f"name {number}" for number in range(300)]
    alone = system.segment(CLIP[:2], listed[:3], classifier=few, **settings)
    among = system.segment(CLIP[:2], listed, classifier=many, **settings)
    scores = sorted(track.info.score for track in among if track.info.label in listed[:3])
    assert sorted(track.info.score for track in alone) == pytest.approx(scores, abs=1e-5)
