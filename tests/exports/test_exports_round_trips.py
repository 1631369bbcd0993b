"""What is written reads back to equal masks, wherever a format claims so."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exports_strategies import assert_same_masks, tracks
from hypothesis import given

from singleout.exports import FORMATS, ExportWarning
from singleout.exports.labels import label_of
from singleout.tracks import Tracks

KEEPS_IDS = [name for name, form in FORMATS.items() if form.readable and form.lossless and name != "ref-ytvos"]


def there_and_back(written: Tracks, name: str) -> Tracks:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{index:05d}" for index in range(written.num_frames)]
        FORMATS[name].write(written, folder, video_name="clip", frame_names=names)
        return FORMATS[name].read(folder)


@pytest.mark.parametrize("name", KEEPS_IDS)
@given(written=tracks(exclusive=True))
def test_exclusive_masks_read_back_equal(name: str, written: Tracks) -> None:
    assert_same_masks(there_and_back(written, name), written)


@pytest.mark.parametrize("name", [name for name in KEEPS_IDS if FORMATS[name].overlapping])
@given(written=tracks(exclusive=False, largest_id=2**31 - 1))
def test_overlapping_masks_read_back_equal(name: str, written: Tracks) -> None:
    assert_same_masks(there_and_back(written, name), written)


@pytest.mark.parametrize("name", ["mots", "panoptic", "ytvis", "coco", "coco-polygons"])
def test_labels_and_lengths_read_back(name: str, scene: Tracks, export: Callable[..., Path]) -> None:
    read = FORMATS[name].read(export(scene, name))
    assert {track.id: track.label for track in read} == {track.id: label_of(track.info) for track in scene}
    assert read.num_frames == scene.num_frames
    assert_same_masks(read, scene)


@pytest.mark.parametrize("name", ["davis", "panoptic", "ytvis", "coco", "ref-ytvos", "semantic"])
def test_names_read_back(name: str, scene: Tracks, export: Callable[..., Path]) -> None:
    folder = export(scene, name)
    read = FORMATS[name].read(folder / "Annotations" if name == "ref-ytvos" else folder)
    assert read.video_name == "clip"
    assert read.frame_names == scene.frame_names


def test_scores_read_back_where_there_are_some(scene: Tracks, export: Callable[..., Path]) -> None:
    by_track = FORMATS["ytvis"].read(export(scene, "ytvis"))
    assert {track.id: track.score for track in by_track} == {2: 0.5, 7: 0.875, 9: 0.75}
    by_frame = FORMATS["coco"].read(export(scene, "coco"))
    assert np.nanmax(by_frame[7].scores) == np.nanmax(scene[7].scores) == 0.5


def test_sentences_read_back_as_they_were_asked(scene: Tracks, export: Callable[..., Path]) -> None:
    read = FORMATS["ref-ytvos"].read(export(scene, "ref-ytvos") / "Annotations" / "clip")
    assert read.ids == (1, 2, 3, 4)
    for object_id, expected in ((1, 9), (3, 7), (4, 2)):
        assert np.array_equal(read[object_id].masks(), scene[expected].masks())
    assert not read[2].present.any(), "the sentence that found nothing is there, and black"


def test_classes_read_back_from_semantic_pictures(scene: Tracks, export: Callable[..., Path]) -> None:
    read = FORMATS["semantic"].read(export(scene, "semantic"))
    assert {track.label: track.id for track in read} == {"object": 1, "car": 2, "road": 3}
    assert np.array_equal(read[2].masks(), scene[7].masks())


@pytest.mark.parametrize("name", ["davis", "mots", "panoptic"])
def test_of_overlapping_objects_the_higher_track_score_wins(
    name: str, crowd: Tracks, export: Callable[..., Path]
) -> None:
    with pytest.warns(ExportWarning, match="overlap in 1 of 2 frames, first in frame 1") as caught:
        folder = export(crowd, name)
    assert len([one for one in caught if issubclass(one.category, ExportWarning)]) == 1
    read = FORMATS[name].read(folder)
    assert np.array_equal(read[5].masks(), crowd[5].masks())
    assert np.array_equal(read[3].mask(0), crowd[3].mask(0))
    assert np.array_equal(read[3].mask(1), crowd[3].mask(1) & ~crowd[5].mask(1))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_tracks_without_any_object_are_written(name: str, export: Callable[..., Path]) -> None:
    nothing = Tracks(8, 9, 3)
    folder = export(nothing, name)
    if FORMATS[name].readable and name not in ("ref-ytvos",):
        read = FORMATS[name].read(folder)
        assert (read.height, read.width, read.num_frames, read.ids) == (8, 9, 3, ())
