"""Tracks that are named anew by what frames say of their objects."""

from __future__ import annotations

import numpy as np
import pytest

from singleout.combine import rename_tracks
from singleout.errors import InputError
from singleout.media import Video
from singleout.tracks import FrameMasks, ObjectInfo, Tracks


class ByColour:
    """Says "red" or "blue" by the mean colour under a mask, and is wrong wherever the picture is dark."""

    def __init__(self):
        self.asked = 0

    def name_masks(self, picture, masks, names):
        self.asked += len(masks)
        found = np.zeros((len(masks), len(names)), np.float32)
        for row, mask in zip(found, masks, strict=True):
            if mask.any():
                red = picture[mask][:, 0].mean() > picture[mask][:, 2].mean()
                right = red if picture[0, 0, 1] > 60 else not red
                row[names.index("red" if right else "blue")] = 1.0
        return found


@pytest.fixture
def clip(squares):
    frames, ids = squares(12)
    frames[3, 0, 0] = 0  # one frame lies
    tracks = Tracks(*ids.shape[1:], len(ids))
    for number, picture in enumerate(ids):
        masks = np.stack([picture == 1, picture == 2])
        tracks.append(FrameMasks(number, np.array([1, 2]), np.ones(2, np.float32), masks, *picture.shape))
    tracks.describe({1: ObjectInfo(1, "blue"), 2: ObjectInfo(2, "red"), 9: ObjectInfo(9, "unseen")})
    return Video(frames), tracks


@pytest.mark.parametrize("count", [3, 8, 12])
def test_most_frames_decide(clip, count):
    video, tracks = clip
    namer = ByColour()
    named = rename_tracks(tracks, video, namer, "red,blue", frames_of_each=count)
    assert [named.objects[one].label for one in (1, 2, 9)] == ["red", "blue", "unseen"]
    assert namer.asked == 2 * count
    assert 0.6 < named.objects[1].score <= 1
    assert [(answer.prompt, answer.found) for answer in named.answers] == [("red", (1,)), ("blue", (2,))]
    assert tracks.objects[1].label == "blue", "the tracks that were given stay as they are"
    assert all(named.frame(number) == tracks.frame(number) for number in range(12))


def test_what_cannot_be_is_refused(clip, squares):
    video, tracks = clip
    with pytest.raises(InputError, match="give the video that they were made from"):
        rename_tracks(tracks, Video(squares(5)[0]), ByColour(), "red")
    with pytest.raises(InputError, match="whole number from 1"):
        rename_tracks(tracks, video, ByColour(), "red", frames_of_each=0)
    with pytest.raises(InputError, match="empty name"):
        rename_tracks(tracks, video, ByColour(), ["red", " "])
