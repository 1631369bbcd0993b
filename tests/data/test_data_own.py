"""Folders of one's own videos with a list and sentences beside."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from singleout.data.own import OwnVideo, read_own
from singleout.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for name in ("dog/b_10.jpg", "dog/b_2.jpg", "photo.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    (tmp_path / "clip.avi").write_bytes(b"RIFF")
    return tmp_path


def listed(folder, videos, annotations=None):
    categories = [{"color": [220, 20, 60], "isthing": 1, "id": 1, "name": "object"}]
    content = {"videos": videos, "categories": categories, "annotations": annotations}
    (folder / "test.json").write_text(json.dumps(content))


DOG = {"id": "dog", "length": 2, "width": 8, "height": 8, "file_names": ["dog/b_10.jpg", "dog/b_2.jpg"]}
CLIP = {"id": "clip.avi", "length": 2, "width": 8, "height": 8, "file_names": ["clip.avi/000000.jpg", "clip.avi/1.jpg"]}
PHOTO = {"id": 3, "length": 1, "width": 8, "height": 8, "file_names": ["photo.jpg"]}


def test_videos_are_folders_files_and_pictures_in_the_order_of_the_list(folder):
    listed(folder, [CLIP, DOG, PHOTO])
    assert read_own(folder) == tuple(OwnVideo(folder / name) for name in ("clip.avi", "dog", "photo.jpg"))


def test_sentences_are_those_of_the_video(folder):
    said = [
        {"id": 1, "video_id": "dog", "exp_id": 0, "expressions": ["the white dog"]},
        {"id": 2, "video_id": 3, "expressions": "a cat"},
        {"id": 3, "video_id": "dog", "expressions": ["the grass"]},
    ]
    listed(folder, [DOG, PHOTO], said)
    assert [one.sentences for one in read_own(folder)] == [("the white dog", "the grass"), ("a cat",)]


def test_without_a_list_there_is_none(folder):
    assert read_own(folder) is None


@pytest.mark.parametrize(
    ("videos", "annotations", "message"),
    [
        ([], [], "lists no videos"),
        (None, [], 'expected a list of JSON objects as "videos"'),
        ([DOG, DOG], [], "two videos have the id 'dog'"),
        ([{**DOG, "file_names": []}], [], '"file_names" is empty'),
        ([{**DOG, "file_names": ["cat/1.jpg", "cat/2.jpg"]}], [], "cat is missing: expected a video, or a folder"),
        ([{**DOG, "file_names": ["dog/b_10.jpg"]}], [], "b_2.jpg is not listed"),
        ([{**DOG, "file_names": ["dog/b_3.jpg", *DOG["file_names"]]}], [], "b_3.jpg is missing"),
        ([{**DOG, "file_names": ["../dog/b_2.jpg"]}], [], "must lie below"),
        ([{**DOG, "file_names": ["dog/b_2.jpg", "photo.jpg"]}], [], "its frames are in 2 folders"),
        ([{**PHOTO, "file_names": ["other.jpg"]}], [], "other.jpg is missing"),
        ([DOG], [{"video_id": "cat", "expressions": ["a cat"]}], "of video 'cat', which is not among the videos"),
        ([DOG], [{"video_id": "dog", "expressions": [3]}], "expected a list of strings"),
        ([DOG], [{"expressions": ["a dog"]}], 'as "video_id"'),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder, videos, annotations, message):
    listed(folder, videos, annotations)
    with pytest.raises(InputError) as caught:
        read_own(folder)
    assert message in str(caught.value)
    assert "test.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_list_is_refused(folder):
    (folder / "test.json").write_text("{")
    with pytest.raises(InputError, match=r"test\.json"):
        read_own(folder)
