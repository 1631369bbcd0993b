"""Real footage with real masks, from the checkout's neighbour `../shared`: what synthetic squares cannot show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import singleout
from singleout.exports import FORMATS
from singleout.media import Video, read_ids
from singleout.tracks import FrameMasks, ObjectInfo, Tracks

pytestmark = pytest.mark.needs_shared

SEQUENCE, NUM_FRAMES = "blackswan", 6


@pytest.fixture
def clip(shared, tmp_path) -> Path:
    """The first frames of a sequence, as a folder."""
    folder = tmp_path / SEQUENCE
    folder.mkdir()
    for frame in sorted((shared / "davis16/JPEGImages/480p" / SEQUENCE).glob("*.jpg"))[:NUM_FRAMES]:
        (folder / frame.name).symlink_to(frame)
    return folder


@pytest.fixture
def truth(shared) -> np.ndarray:
    """The object in these frames: (num_frames, height, width) bool."""
    files = sorted((shared / "davis16/Annotations/480p" / SEQUENCE).glob("*.png"))[:NUM_FRAMES]
    return np.stack([np.asarray(Image.open(file)) > 127 for file in files])


def test_frames_and_masks_are_those_of_the_data_set(shared, clip, truth):
    video = Video(clip)
    assert (video.num_frames, video.height, video.width) == truth.shape
    assert video.shots() == [(0, NUM_FRAMES)]
    for index, frame in enumerate(video.frames()):
        assert np.array_equal(frame, np.asarray(Image.open(clip / f"{video.frame_names[index]}.jpg").convert("RGB")))
    first = shared / "davis16/Annotations/480p" / SEQUENCE / "00000.png"
    assert np.array_equal(read_ids(first), truth[0].astype(np.int32))


@pytest.mark.parametrize("name", ["tracks", "davis", "ytvis", "coco", "mots", "panoptic"])
def test_real_outlines_read_back_equal(name, truth, tmp_path):
    count, height, width = truth.shape
    tracks = Tracks(height, width, count, video_name=SEQUENCE)
    for index, mask in enumerate(truth):
        tracks.append(FrameMasks(index, np.array([1]), np.array([0.9]), mask[None], height, width))
    tracks.describe({1: ObjectInfo(1, label="swan", score=0.9)})
    form = FORMATS[name]
    written = form.write(tracks, tmp_path, video_name=SEQUENCE, frame_names=[f"{index:05d}" for index in range(count)])
    assert written
    back = form.read(tmp_path)
    assert np.array_equal(np.stack([back.masks(index)[2].any(axis=0) for index in range(count)]), truth)


def test_the_starter_follows_a_real_swan(clip, truth):
    tracks = singleout.load("starter").segment(clip, singleout.Mask(truth[0]))
    found = tracks[1].masks()
    both, either = (found & truth)[1:].sum((1, 2)), (found | truth)[1:].sum((1, 2))
    assert (both / either).mean() > 0.6
