"""What `Tracks` holds, seen object by object, frame by frame and as pictures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks, codes

HEIGHT, WIDTH = 6, 8


def square(top: int, left: int, side: int = 2) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.fixture
def street() -> Tracks:
    """Frame 1: dog and car. Frame 3: car alone, the dog's mask empty. Frames 0, 2 and 4: nothing. 9: never seen."""
    made = Tracks(HEIGHT, WIDTH, 5, times=[0, 0.1, 0.2, 0.3, 0.4], video_name="street", frame_names=list("abcde"))
    made.append(frame(3, {2: (0.5, square(0, 6)), 7: (0.1, square(0, 0, 0))}))
    made.append(frame(1, {7: (0.9, square(1, 2)), 2: (0.4, square(4, 4))}))
    infos = {7: ObjectInfo(7, "dog", "the dog", 0.8), 2: ObjectInfo(2, "car"), 9: ObjectInfo(9, "kite", thing=False)}
    return made.describe(infos, [Answer("the dog", (7,), 0.9), Answer("kite", (), 0.1, 0.5, "not seen")])


def frame(index: int, objects: dict[int, tuple[float, np.ndarray]], *, exclusive: bool = True) -> FrameMasks:
    scores, masks = [score for score, _ in objects.values()], [mask for _, mask in objects.values()]
    return FrameMasks(index, list(objects), scores, np.array(masks), HEIGHT, WIDTH, exclusive)  # type: ignore[arg-type]


def test_objects_are_views_in_ascending_order(street: Tracks) -> None:
    assert street.ids == (2, 7, 9)
    assert len(street) == 3
    assert [track.label for track in street] == ["car", "dog", "kite"]
    dog = street[7]
    assert (dog.prompt, dog.score, dog.thing, street[9].thing) == ("the dog", 0.8, True, False)
    assert 7 in street
    assert 8 not in street
    with pytest.raises(KeyError, match="no object 8; there are: 2, 7, 9"):
        street[8]


def test_a_track_over_time(street: Tracks) -> None:
    dog = street[7]
    assert dog.areas.tolist() == [0, 4, 0, 0, 0]
    assert dog.present.tolist() == [False, True, False, False, False]
    assert np.allclose(dog.scores, [np.nan, 0.9, np.nan, 0.1, np.nan], equal_nan=True)
    assert dog.boxes[1].tolist() == [2, 1, 4, 3]
    assert np.isnan(dog.boxes[[0, 2, 3, 4]]).all()
    assert [code is None for code in dog.codes] == [True, False, True, False, True]
    assert dog.masks().shape == (5, HEIGHT, WIDTH)
    assert np.array_equal(dog.masks(1, 3), [square(1, 2), square(0, 0, 0)])
    assert np.array_equal(np.array(list(dog.iter_masks(-4))), dog.masks()[1:])
    assert np.array_equal(dog.mask(1), square(1, 2))
    assert street.areas(7).tolist() == dog.areas.tolist()
    assert np.array_equal(street.boxes(7), dog.boxes, equal_nan=True)
    assert street[9].areas.tolist() == [0] * 5
    assert np.isnan(street[9].scores).all()


def test_a_frame_of_all_objects(street: Tracks) -> None:
    ids, scores, masks = street.masks(1)
    assert ids.tolist() == [2, 7]
    assert scores.tolist() == pytest.approx([0.4, 0.9])
    assert np.array_equal(masks, [square(4, 4), square(1, 2)])
    assert street.codes(1)[2] == [codes.encode(square(4, 4)), codes.encode(square(1, 2))]
    assert street.masks(0)[2].shape == (0, HEIGHT, WIDTH)
    assert street.stored_frames == (1, 3)
    assert [len(each) for each in street.frames()] == [0, 2, 0, 2, 0]
    with pytest.raises(IndexError, match="5 frames"):
        street.masks(5)


def test_the_id_map(street: Tracks) -> None:
    assert np.array_equal(street.id_map(1), square(4, 4) * 2 + square(1, 2) * 7)
    assert not street.id_map(0).any()


def test_where_masks_overlap_the_better_track_lies_on_top_and_it_is_told_once() -> None:
    tracks = Tracks(HEIGHT, WIDTH, 2)
    for index in range(2):
        everything = {number: (0.5, square(0, 0, 4)) for number in (1, 2, 3)}
        tracks.append(frame(index, everything, exclusive=False))
    assert not tracks.exclusive
    tracks.describe({1: ObjectInfo(1, score=0.2), 2: ObjectInfo(2, score=0.9), 3: ObjectInfo(3, score=0.9)})
    with pytest.warns(UserWarning, match="frame 0") as told:
        first, second = tracks.id_map(0), tracks.id_map(1)
    assert len([each for each in told if each.category is UserWarning]) == 1
    assert np.unique(first).tolist() == [0, 2]
    assert np.array_equal(first, second)


def test_frames_that_cannot_be_kept_are_refused(street: Tracks) -> None:
    with pytest.raises(InputError, match="frame 1 was given twice"):
        street.append(frame(1, {}))
    with pytest.raises(InputError, match="frame 5 is outside the video, which has 5 frames"):
        street.append(frame(5, {}))
    with pytest.raises(InputError, match="frame 0 is 9x6, but the video is 8x6"):
        street.append(FrameMasks(0, [], [], np.zeros((0, 6, 9)), 6, 9))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"frame 0: .*covers 4 pixels"):
        street.append_codes(0, [1], [1.0], [codes.encode(np.ones((2, 2), bool))])
    with pytest.raises(InputError, match="object 3 is described as object 4"):
        street.describe({3: ObjectInfo(4)})
    assert street.stored_frames == (1, 3)


def test_codes_can_be_given_as_text(street: Tracks) -> None:
    street.append_codes(0, [7, 2], [0.5, 1], [codes.encode(square(0, 0)).decode(), codes.encode(square(3, 3))])
    assert np.array_equal(street[7].mask(0), square(0, 0))


@pytest.mark.parametrize("wrong", [{"height": 0}, {"num_frames": -1}, {"times": [1.0]}, {"frame_names": ["a", "b"]}])
def test_a_video_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(InputError):
        Tracks(**{"height": 4, "width": 4, "num_frames": 3, **wrong})


def test_supervision_detections(street: Tracks) -> None:
    import supervision

    found = street.to_supervision(1)
    assert isinstance(found, supervision.Detections)
    assert found.tracker_id.tolist() == [2, 7]
    assert found.data["class_name"].tolist() == ["car", "dog"]
    assert found.class_id.tolist() == [0, 1]
    assert found.xyxy.tolist() == [[4, 4, 6, 6], [2, 1, 4, 3]]
    assert np.array_equal(found.mask, [square(4, 4), square(1, 2)])
    assert len(street.to_supervision(0)) == 0


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'pycocotools', 'supervision', 'av', 'scipy', 'PIL'} & set(sys.modules)"
    script = f"import sys, singleout.tracks, singleout.prompts, singleout.segmenter; print({heavy} or 'light')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "light"


def test_scores_of_objects_and_answers_are_numbers() -> None:
    for wrong in (float("nan"), float("-inf")):
        with pytest.raises(InputError, match="object 3: score"):
            ObjectInfo(3, score=wrong)
        with pytest.raises(InputError, match='the answer to "kite"'):
            Answer("kite", best_score=wrong)
    with pytest.raises(InputError, match="object id 0"):
        ObjectInfo(0)
