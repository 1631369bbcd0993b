"""Sizes, the cubic filter, joint decisions, number formats, the challenge's refinement and training of AOT."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.aot.tiny import HEIGHT, WIDTH, draw_video, tiny

from singleout.errors import InputError
from singleout.media import Video
from singleout.prompts import Mask
from singleout.systems.aot import SYSTEM
from singleout.systems.aot.challenge import refine
from singleout.systems.aot.decisions import shares_of
from singleout.systems.aot.options import Options
from singleout.systems.aot.pictures import davis_size, network_size, prepare, resize_cubic
from singleout.systems.aot.schedule import freeze, stage
from singleout.systems.aot.training import Clips, clip_losses, merge_labels

# Source, with corners aligned, without, as the README's table has them.
SIZES = [
    ((480, 854), (481, 849), (480, 848)),
    ((480, 910), (481, 913), (480, 912)),
    ((720, 1280), (577, 1041), (592, 1040)),
    ((1080, 1920), (577, 1041), (592, 1040)),
    ((1280, 720), (1041, 577), (1040, 592)),
    ((360, 640), (353, 641), (352, 640)),
]


@pytest.mark.parametrize(("size", "aligned", "plain"), SIZES)
def test_sizes_follow_the_published_rule(size, aligned, plain):
    assert network_size(size, align_corners=True) == aligned
    assert network_size(size, align_corners=False) == plain


def test_scales_follow_the_published_rule():
    scales = (0.8, 1.0, 1.2)
    found = [network_size((720, 1280), align_corners=True, scale=scale, shortest=624) for scale in scales]
    assert found == [(465, 833), (577, 1041), (705, 1249)]
    found = [network_size((480, 854), align_corners=False, scale=scale) for scale in scales]
    assert found == [(384, 688), (480, 848), (576, 1024)]
    assert davis_size((1080, 1920)) == (480, 854)


def test_the_cubic_filter_is_keys_with_borders_repeated():
    dice = np.random.default_rng(0)
    picture = dice.uniform(0, 255, (7, 9, 2)).astype(np.float32)

    def weight(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    def row(values: np.ndarray, target: int, place: int) -> np.ndarray:
        centre = (place + 0.5) * len(values) / target - 0.5
        taps = range(math.floor(centre) - 1, math.floor(centre) + 3)
        return sum(weight(centre - tap) * values[min(max(tap, 0), len(values) - 1)] for tap in taps)

    wide = np.stack([row(picture.transpose(1, 0, 2), 13, place) for place in range(13)], 1)
    expected = np.stack([row(wide, 5, place) for place in range(5)])
    assert np.allclose(resize_cubic(torch.from_numpy(picture), (5, 13)).numpy(), expected, atol=1e-3)
    same = prepare(np.full((4, 4, 3), 128, np.uint8), (4, 4))
    assert torch.allclose(same[0, 0], torch.full((4, 4), (128 / 255 - 0.485) / 0.229))


def test_groups_are_joined_by_soft_aggregation():
    scores = torch.zeros(2, 4, 2, 2)
    scores[0, 2], scores[1, 1] = 5.0, 9.0
    shares = shares_of(scores, [3, 1], (2, 2), align_corners=False)
    assert shares.shape == (7, 2, 2)
    assert (shares.argmax(0) == 4).all()
    assert torch.allclose(shares.sum(0), torch.ones(2, 2))


@pytest.mark.parametrize("kind", ["aot", "deaot"])
def test_half_precision_decides_alike_where_it_is_sure(kind):
    system = tiny(kind)
    frames, ids = draw_video(6, 3)
    exact, rough = (system.tracker((HEIGHT, WIDTH), Options(precision=name)) for name in ("float32", "bfloat16"))
    for tracker in (exact, rough):
        tracker.see(frames[0])
        tracker.mark(ids[0])
        tracker.commit()
    for frame in frames[1:]:
        # The rough one is given the exact memory, so that differences do not add up.
        tensors, header = exact.engines[0].save()
        rough.engines[0].stores.clear()
        rough.engines[0].short.clear()
        rough.engines[0].load(tensors, header)
        rough.see(frame)
        rough._sights = []
        exact.see(frame)
        assert exact.shares is not None and rough.shares is not None
        assert rough.shares.dtype == torch.float32
        best = exact.shares.topk(2, 0).values
        sure = best[0] - best[1] > 0.05
        agree = (exact.labels == rough.labels)[sure].float().mean()
        assert sure.any() and agree >= 0.999
        exact.commit()


def test_refinement_goes_forwards_then_backwards():
    system = tiny(num_ids=10)
    frames, ids = draw_video(5, 1)
    size = (HEIGHT, WIDTH)
    with Video(frames) as video:
        found = dict(refine(lambda options: system.tracker(size, options, open_ids=True), video, 2, ids[2] > 0))
        assert list(found) == [2, 3, 4, 1, 0]
        assert np.array_equal(found[2], ids[2] > 0)
        assert not list(refine(lambda options: system.tracker(size, options), video, 2, ids[2] > 9))


@pytest.mark.parametrize("keep_memory", [True, False])
def test_options_ask_for_the_refinement(keep_memory):
    system = tiny(num_ids=10)
    frames, ids = draw_video(5, 2)
    mark = Mask(np.where(ids[2] == 1, 7, 0), frame=2)
    with Video(frames) as video:
        stream = system.stream(video, mark, keep_memory=keep_memory, open_ids=True)
        found = {masks.frame: masks.binary()[0] for masks in stream}
        wanted = refine(
            lambda options: system.tracker((HEIGHT, WIDTH), options, open_ids=True),
            video,
            2,
            ids[2] == 1,
            Options(),
            keep_memory=keep_memory,
        )
        assert list(stream.objects) == [7]
        for frame, mask in wanted:
            assert np.array_equal(found.pop(frame), mask)
        assert not found
        with pytest.raises(InputError, match="for one object"):
            system.stream(video, Mask(ids[2], frame=2), keep_memory=True)
    with pytest.raises(InputError, match="a session of"):
        system.session(mark, open_ids=True)


@pytest.mark.parametrize("kind", ["aot", "deaot"])
def test_a_tiny_network_learns_a_clip(kind):
    network = tiny(kind).network.train().requires_grad_(True)
    network.initialise()
    freeze(network)
    assert not network.encoder.conv1.weight.requires_grad
    frames, ids = draw_video(3, 2)
    clip = torch.stack([prepare(frame, (HEIGHT, WIDTH))[0] for frame in frames])[:, None]
    labels = torch.from_numpy(ids).long()[:, None]
    plan = stage("main", network)
    optimiser = torch.optim.AdamW([one for one in network.parameters() if one.requires_grad], lr=3e-3)
    torch.manual_seed(0)
    losses = []
    for step in range(8):
        order = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + torch.randperm(3)])
        found = clip_losses(network, Clips(clip, labels, [2], order[None]), plan, 60000 if step % 2 else 0)
        optimiser.zero_grad()
        found.total.backward()
        optimiser.step()
        losses.append(float(found.frames[1:].detach().mean()))
    assert min(losses[-3:]) < 0.8 * losses[0]
    assert found.masks.shape == (3, 1, HEIGHT, WIDTH)


def test_samples_are_merged_without_gaps_and_specks():
    first, second = np.zeros((2, 30, 30), np.int64), np.zeros((2, 30, 30), np.int64)
    first[:, :15, :15], first[:, 20:25, :5] = 1, 2  # the second is a speck
    second[:, 10:28, 10:28] = 1
    merged, count = merge_labels(first, second)
    assert count == 2
    assert merged[0, 0, 0] == 1 and merged[0, 12, 12] == 2 and merged[0, 22, 2] == 0
    many = np.arange(1, 13).repeat(200).reshape(1, 40, 60)
    kept, count = merge_labels(many, np.zeros_like(many), dice=np.random.default_rng(0))
    assert count == 10
    assert set(np.unique(kept)) == set(range(11))


def test_what_cannot_be_built_is_refused():
    with pytest.raises(InputError, match="AOT has no variant 'aotx'"):
        SYSTEM.build("aotx", {})
    with pytest.raises(InputError, match="num_ids, a number from 1 on"):
        SYSTEM.build("aott", {"num_ids": 0})
    assert SYSTEM.recognise({"backbone.0.body.conv1.weight": (64, 3, 7, 7)}) is None


def test_soft_results_are_probabilities():
    frames, ids = draw_video(3, 2)
    stream = tiny().stream(frames, Mask(ids[0]), soft=True)
    last = list(stream)[-1]
    assert last.masks.dtype == np.float32
    assert last.masks.shape == (2, HEIGHT, WIDTH)
    assert last.masks.min() >= 0 and last.masks.max() <= 1
