"""A small data set with sentences, members' masks in every form, and systems that stand in for networks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from singleout.fusion.bits import Bool
from singleout.fusion.votes import Ballot, count
from singleout.prompts import Mask, Phrase, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.tracks import FrameMasks, ObjectInfo

HEIGHT, WIDTH, NUM_FRAMES = 24, 30, 4
FRAMES = [f"{5 * index:05d}" for index in range(NUM_FRAMES)]
# Sentences 0 and 2 mean the first object where there are three, so that pairs by position and by object differ.
VIDEOS = {"ant": ("1", "1"), "bee": ("1", "2", "1"), "cat": ("1",)}


def truth(video: str, number: int) -> Bool:
    """(num_frames, height, width): a square that moves to the right."""
    masks = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.bool_)
    start = 2 + list(VIDEOS).index(video)
    for frame, mask in enumerate(masks):
        mask[start + 9 * (number - 1) :][:8, start + 2 * frame :][:, :9] = True
    return masks


def write_data(root: Path, videos: Sequence[str] = tuple(VIDEOS), split: str = "valid") -> Path:
    """Ref-YouTube-VOS with true masks in ``truth``, which is no part of the data set."""
    listed = {}
    for name in videos:
        frames = root / split / "JPEGImages" / name
        frames.mkdir(parents=True)
        (root / "truth" / name).mkdir(parents=True)
        objects = VIDEOS[name[:3]]
        for index, frame in enumerate(FRAMES):
            ids = np.zeros((HEIGHT, WIDTH), np.uint8)
            for number in (1, 2):
                ids[truth(name[:3], number)[index]] = number
            Image.fromarray(np.stack([100 + 70 * ids] * 3, axis=2)).save(frames / f"{frame}.jpg")
            Image.fromarray(ids).save(root / "truth" / name / f"{frame}.png")
        sentences = {str(key): {"exp": f"object {number}", "obj_id": number} for key, number in enumerate(objects)}
        listed[name] = {"frames": FRAMES, "expressions": sentences}
    meta = root / "meta_expressions" / split / "meta_expressions.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"videos": listed}))
    return root


Members = dict[str, dict[str, tuple[npt.NDArray[np.float32], list[float]]]]


def draw(seed: int, videos: Sequence[str] = tuple(VIDEOS)) -> Members:
    """Logits of a member, which is off by some noise, and its scores: by video and sentence."""
    random = np.random.default_rng(seed)
    found: Members = {}
    for name in videos:
        found[name] = {}
        for key, number in enumerate(VIDEOS[name[:3]]):
            noise = random.normal(0, 2.0, (NUM_FRAMES, HEIGHT, WIDTH))
            logits = (np.where(truth(name[:3], int(number)), 2.0, -2.0) + noise).astype(np.float32)
            found[name][str(key)] = (logits, random.random(NUM_FRAMES).tolist())
    return found


def write_torch(path: Path, member: Members) -> Path:
    """As the challenge's programs write a member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        video: {
            key: {"mask_logits": torch.from_numpy(logits), "class_info": scores}
            for key, (logits, scores) in sentences.items()
        }
        for video, sentences in member.items()
    }
    torch.save(content, path)
    return path


def write_arrays(folder: Path, member: Members) -> Path:
    """The same as files of numpy."""
    for video, sentences in member.items():
        (folder / video).mkdir(parents=True)
        for key, (logits, scores) in sentences.items():
            np.savez(folder / video / f"{key}.npz", masks=logits, scores=np.array(scores))
    return folder


def write_pictures(folder: Path, member: Members) -> Path:
    """What is above one half as pictures of 0 and 255."""
    for video, sentences in member.items():
        for key, (logits, _) in sentences.items():
            (folder / video / key).mkdir(parents=True)
            for frame, mask in zip(FRAMES, logits > 0, strict=True):
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / video / key / f"{frame}.png")
    return folder


PIPELINE = """
title: A small fusion
quirks:
  lone: {about: A sentence without a partner is the first member's.}
models:
  follower: "tests.fusion.members:Follower"
steps:
  one: {masks: one.pth, holds: logits, threshold: 0.5}
  two: {masks: two, holds: logits}
  three: {masks: three}
  pairs: {pair: object}
  keys: {key-frames: one, by: surest}
  carried: {propagate: one, from: keys, model: follower}
  first: {vote: count, of: [one, two, three], at-least: 1/2, pairs: pairs, alone: {when: lone, then: {take: one}}}
  second: {vote: "tests.fusion.members:slow_count", of: [carried, first, two], at_least: 2, pairs: pairs}
  submission: {export: second}
"""


def write_all(root: Path, videos: Sequence[str] = tuple(VIDEOS), pipeline: str = PIPELINE) -> Path:
    """The data set in ``data``, three members, and the pipeline; returns the pipeline."""
    write_data(root / "data", videos)
    write_torch(root / "one.pth", draw(1, videos))
    write_arrays(root / "two", draw(2, videos))
    write_pictures(root / "three", draw(3, videos))
    (root / "fuse.yaml").write_text(pipeline)
    return root / "fuse.yaml"


def slow_count(ballots: Sequence[Ballot], *, at_least: int = 1) -> Bool:
    """A vote of one's own, which takes its time where a test asks for it.

    Where VOTE_LOG names a file, each call adds its process to it, and none votes before two have come there.
    """
    time.sleep(float(os.environ.get("VOTE_DELAY", "0")))
    if log := os.environ.get("VOTE_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")
        until = time.monotonic() + 60
        while len(set(Path(log).read_text().split())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    return count(ballots, at_least=at_least)


class Follower(Segmenter):
    """Keeps a mask as it is, wherever the object goes."""

    name = "follower"
    abilities = Abilities(frozenset({Mask}), frozenset({"objects"}), look_ahead=None)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        (mark,) = prompts
        assert isinstance(mark, Mask)
        ids = {int(one): ObjectInfo(int(one)) for one in np.unique(mark.ids[mark.ids > 0])}
        return Stream(self._frames(video, mark), ids)

    def _frames(self, video: VideoLike, mark: Mask) -> Iterator[FrameMasks]:
        for frame in (*range(mark.frame, video.num_frames), *range(mark.frame - 1, -1, -1)):
            numbers = [int(one) for one in np.unique(mark.ids) if one]
            masks = np.stack([mark.ids == one for one in numbers])
            yield FrameMasks(frame, np.array(numbers), np.ones(len(numbers)), masks, video.height, video.width)


class Bright(Segmenter):
    """Finds "object N" by its brightness, softly, at half of the size."""

    name = "bright"
    abilities = Abilities(frozenset({Phrase}), frozenset({"referring"}), look_ahead=None, independent=True)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        wanted = {prompt.object_id or 1: int(prompt.text[-1]) for prompt in prompts if isinstance(prompt, Phrase)}
        objects = {one: ObjectInfo(one) for one in wanted}
        return Stream(self._frames(video, wanted), objects)

    def _frames(self, video: VideoLike, wanted: dict[int, int]) -> Iterator[FrameMasks]:
        for index, frame in enumerate(video.frames()):
            grey = frame[::2, ::2, 0].astype(np.float32)
            masks = np.stack([np.clip(1 - np.abs(grey - 100 - 70 * number) / 70, 0, 1) for number in wanted.values()])
            ids = np.array(list(wanted))
            yield FrameMasks(index, ids, np.full(len(ids), 0.5), masks, video.height, video.width, exclusive=False)
