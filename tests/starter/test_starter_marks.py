from __future__ import annotations

import numpy as np
import pytest
from moving_scene import NUM_FRAMES, iou

import singleout
from singleout.errors import InputError


def masks_by_id(starter, video, prompts, **options):
    """frame -> id -> mask at the video's size, of everything that the starter hands out."""
    out = {}
    for found in starter.stream(video, prompts, **options):
        assert found.frame not in out
        out[found.frame] = dict(zip(found.ids.tolist(), found.binary(), strict=True))
    return out


def test_a_mask_is_followed_and_other_ids_are_kept(starter, scene):
    found = masks_by_id(starter, scene.frames, singleout.Mask(scene.ids[0]))
    assert sorted(found) == list(range(NUM_FRAMES))
    for number in (1, 2):
        assert np.array_equal(found[0][number], scene.ids[0] == number)
        assert iou(found[NUM_FRAMES - 1][number], scene.ids[-1] == number) > 0.6


def test_a_mask_in_the_middle_is_also_carried_backwards(starter, scene):
    found = masks_by_id(starter, scene.frames, singleout.Mask(scene.ids[8], frame=8))
    assert iou(found[0][1], scene.ids[0] == 1) > 0.7
    assert iou(found[NUM_FRAMES - 1][1], scene.ids[-1] == 1) > 0.7


def test_only_forwards_where_that_is_asked(starter, scene):
    found = masks_by_id(starter, scene.frames, singleout.Mask(scene.ids[8], frame=8), backwards=False)
    assert all(not found[frame] for frame in range(8))
    assert sorted(found[8]) == [1, 2]


def test_objects_marked_on_different_frames(starter, scene):
    first = singleout.Mask(np.where(scene.ids[2] == 1, 1, 0), frame=2)
    second = singleout.Mask(np.where(scene.ids[9] == 2, 2, 0), frame=9)
    found = masks_by_id(starter, scene.frames, [first, second])
    for frame in (0, 5, NUM_FRAMES - 1):
        for number in (1, 2):
            assert iou(found[frame][number], scene.ids[frame] == number) > 0.6


def test_a_box_becomes_a_mask(starter, scene):
    rows, columns = np.nonzero(scene.ids[0] == 1)
    box = singleout.Box((columns.min(), rows.min(), columns.max(), rows.max()))
    found = masks_by_id(starter, scene.frames, box)
    assert iou(found[0][1], scene.ids[0] == 1) > 0.65
    assert iou(found[NUM_FRAMES - 1][1], scene.ids[-1] == 1) > 0.65


def test_a_click_becomes_a_mask(starter, scene):
    found = masks_by_id(starter, scene.frames, singleout.Points([(48, 84)], object_id=7))
    assert list(found[0]) == [7]
    assert found[0][7][84, 48]
    assert iou(found[0][7], scene.ids[0] == 1) > 0.4


def test_ids_without_a_number_avoid_those_with_one(starter, scene):
    prompts = [singleout.Box((16, 52, 80, 116)), singleout.Points([(144, 34)], object_id=1)]
    stream = starter.stream(scene.frames, prompts)
    list(stream)
    assert sorted(stream.objects) == [1, 2]
    assert [answer.found for answer in stream.answers] == [(2,), (1,)]


def test_nothing_leaks_over_a_cut(starter, cut_scene):
    found = masks_by_id(starter, cut_scene.frames, singleout.Mask(cut_scene.ids[0]))
    assert sorted(found[6]) == [1, 2]
    assert all(not found[frame] for frame in range(7, NUM_FRAMES))


def test_an_image_is_a_video_of_one_frame(starter, scene):
    found = masks_by_id(starter, scene.frames[:1], singleout.Mask(scene.ids[0]))
    assert np.array_equal(found[0][1], scene.ids[0] == 1)


def test_segment_gives_tracks(starter, scene):
    tracks = starter.segment(scene.frames, singleout.Mask(scene.ids[0]))
    assert sorted(tracks.objects) == [1, 2]
    assert tracks.num_frames == NUM_FRAMES


def test_a_small_working_size_still_covers_the_whole_picture(starter, scene):
    found = next(iter(starter.stream(scene.frames[1:], singleout.Box((16, 52, 80, 116)), size=96)))
    assert found.masks.shape[1:] == (24, 32)
    assert found.binary().shape[1:] == scene.ids.shape[1:]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"treshold": 0.3}, "no option 'treshold'"),
        ({"threshold": 3}, "0 to 1"),
        ({"size": "big"}, "size"),
        ({"device": "warp"}, "device"),
        ({"interval": 0}, "interval"),
    ],
)
def test_wrong_options_are_named(starter, scene, options, part):
    with pytest.raises(InputError, match=part):
        starter.stream(scene.frames, "a dog", **options)
