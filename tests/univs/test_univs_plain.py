"""UniVS without prompts: queries that are matched, pictures, and what learnable queries say of marked objects."""

from __future__ import annotations

import itertools

import pytest
import torch
from tests.univs.sharp import LetterWords, red_square
from torch.nn import functional as F

from singleout.errors import InputError
from singleout.media import Video
from singleout.prompts import Phrase
from singleout.systems.univs.clip_memory import MemoryTracker
from singleout.systems.univs.clips import read_clips
from singleout.systems.univs.contest import contest, segments_of
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.heard import Heard, by_both
from singleout.systems.univs.minvis import QueryTracker
from singleout.systems.univs.panoptic import Segments
from singleout.systems.univs.picture_votes import PictureVotes
from singleout.systems.univs.settings import BENCHMARKS

CPU = torch.device("cpu")
NAMES = ["cat", "dog", "wall", "sky"]
SIZE = {"short": 64, "score": 0.0}
LENGTH = 3


@pytest.fixture(scope="module")
def frames():
    return red_square(12)


@pytest.fixture(scope="module")
def decoded(system, frames):
    """What is decoded of each clip of three frames, one after the other."""
    names, geometry = LetterWords().embed_names(NAMES), Geometry.of((60, 90), 64, 1333)
    with torch.inference_mode():
        clips = list(read_clips(system.network, Video(frames[:6]), geometry, LENGTH, 1))
        return names, clips, [system.network.decode(clip.features, None, names) for clip in clips]


def test_queries_are_matched_and_averaged_over_clips(system, decoded):
    names, clips, found = decoded
    tracker = QueryTracker(system.network, names, sharp=False, pooled=True)
    means = [mean for clip in clips for mean in tracker.step(clip)] + tracker.finish()
    order = found[0].logits.sigmoid().amax(1).argsort(descending=True)
    chosen, remembered = [order], [found[0].embeds[order].mean(1)]
    for one in found[1:]:
        # With so few queries, every order of them can be tried.
        before = F.normalize(torch.stack(remembered[-2:]).mean(0), dim=-1)
        alike = (before @ F.normalize(one.embeds.mean(1), dim=-1).t()).numpy()
        best = max(itertools.permutations(range(8)), key=lambda way: sum(alike[row, way[row]] for row in range(8)))
        chosen.append(torch.tensor(best))
        remembered.append(one.embeds[list(best)].mean(1))
    for number, mean in enumerate(means):
        assert mean.number == number
        parts = [
            one.masks(which)[:, number - clip.start]
            for clip, one, which in zip(clips, found, chosen, strict=True)
            if number in clip.frames
        ]
        torch.testing.assert_close(mean.logits, torch.stack(parts).mean(0), rtol=1e-4, atol=1e-4)
    scores = torch.stack([one.logits[which] for one, which in zip(found, chosen, strict=True)]).mean(0).sigmoid()
    torch.testing.assert_close(tracker.scores, scores)


def test_what_is_seen_again_stays_one_object(system, decoded):
    names, clips, _ = decoded
    tracker = MemoryTracker(system.network, names, score=0.0, most=10, stride=1)
    # The same clip again and again: nothing in it is new after the first time.
    for _ in range(7):
        tracker._stop = tracker.start = 0
        tracker.step(clips[0])
    again = tracker.num_objects
    tracker = MemoryTracker(system.network, names, score=0.0, most=10, stride=1)
    tracker.step(clips[0])
    assert again == tracker.num_objects > 0


@pytest.mark.parametrize("tracker", ["minvis", "mdqe"])
def test_plain_instances_are_tracks_with_names(system, frames, tracker):
    tracks = system.segment(frames, NAMES, tracker=tracker, **SIZE)
    assert len(tracks) > 0
    assert {info.label for info in tracks.objects.values()} <= set(NAMES)
    assert sum(tracks[number].present.sum() for number in tracks.ids) >= len(frames)
    assert [answer.prompt for answer in tracks.answers] == NAMES
    spread = system.segment(frames, NAMES, tracker=tracker, mode="published", **SIZE)
    assert len(spread) > len(tracks)


@pytest.mark.parametrize("mode", ["bounded", "published"])
def test_plain_segments_do_not_overlap(system, frames, mode):
    tracks = system.segment(
        frames, NAMES, task="panoptic", tracker="minvis", stuff=["wall", "sky"], mode=mode, overlap=0.0, **SIZE
    )
    assert tracks.exclusive
    assert len(tracks) > 1
    assert all(info.thing == (info.label in {"cat", "dog"}) for info in tracks.objects.values())
    assert all(tracks.masks(index)[2].sum(0).max() <= 1 for index in range(len(frames)))


def test_plain_pixels_are_classified_as_ever(system, frames):
    settings = {"task": "semantic", "short": 64, "frames": 3}
    plain, entities = (system.segment(frames, NAMES, tracker=way, **settings) for way in ("minvis", "entities"))
    assert [one.blob for one in plain.frames()] == [one.blob for one in entities.frames()]


def test_a_contest_is_the_formula(system):
    dice = torch.Generator().manual_seed(1)
    geometry = Geometry.of((70, 100), 64, 1333)
    masks, weights = 4 * torch.randn(5, *geometry.coarse, generator=dice), [0.3, 0.9, 0.5, 0.7, 0.1]
    shares = geometry.crop(geometry.enlarge(masks)).sigmoid()
    strongest = (shares * torch.tensor(weights)[:, None, None]).argmax(0)
    inside = shares.gather(0, strongest[None])[0] >= 0.5
    kept = strongest.where(inside, -1)
    expected = F.interpolate(kept[None, None].float(), geometry.original, mode="nearest")[0, 0]
    found = contest(geometry, masks, weights, at_last=False)
    assert torch.equal(found.owner.long(), expected.long())
    assert found.won.tolist() == [int((strongest == place).sum()) for place in range(5)]
    assert found.own.tolist() == [int((share >= 0.5).sum()) for share in shares]

    found = contest(geometry, masks, weights, at_last=True)
    nobody = F.interpolate((shares < 0.5).all(0)[None, None].float(), geometry.original, mode="nearest")[0, 0] > 0
    strongest = F.interpolate(strongest[None, None].float(), geometry.original, mode="nearest")[0, 0].long()
    large = F.interpolate(shares[:, None], geometry.original, mode="bilinear")[:, 0] >= 0.5
    expected = strongest.where(large.gather(0, strongest[None])[0] & ~nobody, -1)
    assert torch.equal(found.owner.long(), expected)
    assert found.own.tolist() == large.flatten(1).sum(1).tolist()
    assert found.won.tolist() == [int(((strongest == place) & ~nobody).sum()) for place in range(5)]


def test_segments_of_stuff_are_one_and_those_that_win_little_are_none():
    geometry = Geometry.of((64, 64), 64, 1333)
    masks = torch.full((4, 16, 16), -9.0)
    masks[0, :8], masks[1, :7], masks[2, 8:12], masks[3, 12:] = 9, 5, 9, 9
    found = [contest(geometry, masks, [0.9, 0.5, 0.8, 0.8], at_last=True)]
    segments = Segments()
    numbers = segments_of(found, range(4), [0, 0, 1, 1], things=[True, False], overlap=0.8, segments=segments)
    assert numbers == [1, 0, 2, 2]
    assert segments.things == {0: 1}
    assert segments.stuff == {1: 2}


@pytest.mark.parametrize("original", [(40, 50), (200, 333)])
def test_votes_in_a_picture_are_the_formula(original, monkeypatch):
    monkeypatch.setattr("singleout.systems.univs.picture_votes._CELLS", 5000)
    dice = torch.Generator().manual_seed(2)
    geometry = Geometry.of(original, 96, 1333)
    masks, weights = 3 * torch.randn(6, *geometry.coarse, generator=dice), torch.rand(6, 4, generator=dice)
    seen = torch.einsum("qk,qhw->khw", weights, geometry.crop(geometry.enlarge(masks)).sigmoid())
    expected = F.interpolate(seen[None], original, mode="bilinear", align_corners=False)[0]
    found = PictureVotes(geometry, CPU)(masks, weights)
    torch.testing.assert_close(found.votes, expected.amax(0), rtol=1e-4, atol=1e-4)
    assert (found.labels == expected.argmax(0)).float().mean() > 0.999


@pytest.mark.parametrize("task", ["instances", "panoptic", "semantic"])
def test_a_single_frame_goes_by_the_rules_of_pictures(system, frames, task):
    settings = {"task": task, "short": 64, "score": 0.0, "overlap": 0.0, "stability": 0.0}
    picture = system.segment(frames[:1], NAMES, **settings)
    chosen = system.segment(frames[:1], NAMES, rules="picture", **settings)
    video = system.segment(frames[:1], NAMES, rules="video", **settings)
    assert picture.frame(0).blob == chosen.frame(0).blob != video.frame(0).blob
    assert {info.label for info in picture.objects.values()} <= set(NAMES)
    if task != "instances":
        assert picture.masks(0)[2].sum(0).max() == 1


def test_in_a_picture_no_two_boxes_of_a_class_are_the_same(system, frames):
    few = system.segment(frames[:1], NAMES, short=64, score=0.0, box_overlap=0.1)
    many = system.segment(frames[:1], NAMES, short=64, score=0.0, box_overlap=2)
    assert 0 < len(few) < len(many)
    spread = system.segment(frames[:1], NAMES, short=64, every_class=True, box_overlap=2, detections=20)
    assert len(spread) == 20


@pytest.mark.parametrize("queries", ["learn", "prompt+learn"])
def test_learnable_queries_may_say_where_a_marked_object_is(system, frames, mask, queries):
    settings = {"short": 64, "frames": 3, "points": 8}
    usual = system.segment(frames, mask, **settings)
    other = system.segment(frames, mask, queries=queries, **settings)
    # Prompts say it in the first clip in any case.
    assert usual.frame(0).blob == other.frame(0).blob
    assert [one.blob for one in usual.frames()] != [one.blob for one in other.frames()]
    assert other[4].present.all()
    said = system.segment(frames, [Phrase("a red cat")], queries=queries, short=64, frames=3)
    assert said.ids == (1,)


def test_where_a_prompt_is_lost_a_learnable_query_counts_if_that_is_mended():
    geometry = Geometry.of((64, 64), 64, 1333)
    masks = torch.full((1, 2, 16, 16), -5.0)
    masks[..., :8, :8] = 5
    embeds, boxes = torch.ones(1, 2, 4), torch.zeros(1, 2, 4)
    lost = Heard(masks, embeds, boxes, torch.ones(1), torch.tensor([0.2]), torch.tensor([False]))
    like = Heard(masks, 3 * embeds, boxes, torch.ones(1), torch.tensor([0.8]), torch.tensor([True]))
    published = by_both(lost, like, geometry, corrected=False)
    assert not published.sure.any()
    assert not published.masks.any()
    mended = by_both(lost, like, geometry, corrected=True)
    assert mended.sure.all()
    torch.testing.assert_close(mended.masks, masks)
    both = by_both(Heard(masks, embeds, boxes, torch.ones(1), like.alike, like.sure), like, geometry, corrected=False)
    torch.testing.assert_close(both.embeds, 2 * embeds)
    torch.testing.assert_close(both.alike, torch.tensor([0.8]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracker": "sort"}, "tracker 'sort': expected entities, minvis, mdqe"),
        ({"tracker": "mdqe", "task": "panoptic"}, "it follows instances; for the task panoptic take"),
        ({"rules": "picture"}, "rules picture: they are for a single picture, but there are 12 frames"),
        ({"queries": "both"}, "queries 'both': expected prompt, learn, prompt+learn"),
        ({"benchmark": "mine"}, "benchmark 'mine': expected ytvis-2019"),
    ],
)
def test_ways_that_cannot_be_are_refused_in_a_line(system, frames, options, message):
    with pytest.raises(InputError) as caught:
        system.segment(frames, NAMES, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_benchmark_has_the_settings_of_its_way(system):
    from singleout.systems.univs.options import Options

    def of(benchmark, **more):
        options = Options.read("univs", {**system.published(benchmark), **more})
        task = BENCHMARKS[benchmark].task
        return options.settings(task, options.way(task, 9 if BENCHMARKS[benchmark].way != "pictures" else 1))

    assert (of("ovis").frames, of("ovis").short, of("ovis").score) == (5, 640, 0.2)
    plain = of("ovis", tracker="minvis")
    assert (plain.frames, plain.short, plain.score, plain.stability) == (2, 480, 0.15, 0.5)
    assert of("vipseg", tracker="minvis").overlap == 0.8
    assert (of("coco").short, of("coco").detections) == (800, 100)
    assert of("ovis", short=320).short == 320
