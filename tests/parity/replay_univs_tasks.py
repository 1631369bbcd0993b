"""UniVS on video: the six tasks from frames to results, against the goldens of section 12 of its README.

They are run as a user runs them, through the Segmenter's own streams, with the settings of each golden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, Values, spec_of
from tests.parity.text_towers import univs_words
from tests.parity.univs_network import InOrder, exact_network_of, names_of, network_of
from torch import Tensor

from singleout.nn.text.words import Words
from singleout.prompts import Categories, Mask, Phrase, Prompt
from singleout.systems.univs.clips import Clip
from singleout.systems.univs.entities import EntityTracker
from singleout.systems.univs.inference import UniVS
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.objects import ObjectTracker
from singleout.systems.univs.options import Options
from singleout.systems.univs.semantic import ClassVotes
from singleout.systems.univs.stream import UniVSStream
from singleout.vocabularies import packaged_names
from singleout.vocabularies.combined import UNIVS_PARTS

PART = "univs"
# The beginning of the case in a golden's spec, the task, and the part of the table of names that it reads.
CASES = {
    "video instance segmentation, entity mode": ("instances", "ytvis21"),
    "video panoptic segmentation, entity mode": ("panoptic", "vipseg"),
    "video semantic segmentation": ("semantic", "vspw"),
    "video object segmentation from first-appearance masks": ("objects", None),
    "panoptic VOS (viposeg) from first-appearance masks": ("objects", "viposeg"),
    "referring video object segmentation": ("referring", None),
}
# What the official code calls the queries that say where an object is.
QUERIES = {name: name for name in ("prompt", "learn", "prompt+learn")} | {"learn+prompt": "prompt+learn"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return _case(str(spec_of(path).get("case", ""))) is not None


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    found = _case(golden.spec["case"])
    assert found is not None
    task, vocabulary = found
    words = None
    if task == "referring":
        words = univs_words(path, context, golden.spec["salt"])
    system = UniVS(
        network_of(golden, context), name="golden", words=_Table(names_of(golden), words), dice=lambda seed: InOrder()
    )
    video = _Frames(golden, context)
    run: dict[str, Callable[..., Iterator[Comparison]]] = {
        "instances": _instances,
        "panoptic": _panoptic,
        "semantic": partial(_semantic, context),
        "objects": _objects,
        "referring": _objects,
    }
    yield from run[task](golden, system, video, _options(golden, task, vocabulary))


def _case(case: str) -> tuple[str, str | None] | None:
    return next((found for begin, found in CASES.items() if case.startswith(begin)), None)


class _Table:
    """Vectors of the official names as the golden has them; sentences by the tower."""

    def __init__(self, rows: Tensor, tower: Words | None) -> None:
        self.rows, self.tower, self.width = rows, tower, rows.shape[1]

    def embed_vocabulary(self, key: str) -> Tensor:
        part = UNIVS_PARTS[key]
        return self.rows[part.offset : part.offset + part.count]

    def embed_names(self, names: Any, **_more: Any) -> Tensor:
        raise CannotReplayError("names of a golden are those of a table")

    def embed_sentences(self, sentences: Any, **more: Any) -> Any:
        assert self.tower is not None
        return self.tower.embed_sentences(sentences, **more)


class _Frames:
    """The frames of a golden as a video."""

    def __init__(self, golden: Golden, context: Context) -> None:
        dataset, quality, sequence = golden.spec["sequence"].split()
        if (dataset, quality) != ("DAVIS", "480p"):
            raise CannotReplayError(f"unknown sequence {golden.spec['sequence']}")
        self.pictures = []
        for name in golden.spec["frames"]:
            with Image.open(context.frame(sequence, name)) as picture:
                self.pictures.append(np.asarray(picture.convert("RGB")))
        self.height, self.width = self.pictures[0].shape[:2]
        self.num_frames = len(self.pictures)

    def __getitem__(self, index: int) -> Values:
        return self.pictures[index]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Values]:
        return iter(self.pictures[start:stop])

    def shots(self) -> list[tuple[int, int]]:
        return [(0, self.num_frames)]


def _options(golden: Golden, task: str, vocabulary: str | None) -> dict[str, Any]:
    """The effective settings of a golden under our names."""
    spec = golden.spec["effective"]
    test, masks, boxvis = spec["UniVS.TEST"], spec["MASK_FORMER.TEST"], spec["BoxVIS.TEST"]
    queries = test["VIDEO_UNIFIED_INFERENCE_QUERIES"]
    known = queries in QUERIES and test["DETECT_NEWLY_INTERVAL_FRAMES"] == 1
    # Without it, categories go through the older trackers.
    known &= task in {"objects", "referring"} or test["VIDEO_UNIFIED_INFERENCE_ENABLE"]
    if not known or test["ENABLED_PREV_VISUAL_PROMPTS_FOR_GROUNDING"]:
        raise CannotReplayError(f"unknown settings {test}")
    chosen: dict[str, Any] = {
        "mode": "published",
        "frames": spec["SAMPLING_FRAME_NUM"],
        "short": spec["MIN_SIZE_TEST"],
        "longest": spec["MAX_SIZE_TEST"],
        "points": spec["UniVS"]["VISUAL_PROMPT_PIXELS_PER_IMAGE"],
        "memory": test["NUM_PREV_FRAMES_MEMORY"],
        "queries": QUERIES[queries],
    }
    if spec["LSJ_AUG"]["SQUARE_ENABLED"]:
        chosen["square"] = spec["LSJ_AUG"]["IMAGE_SIZE"]
    if task != "semantic":
        chosen["stride"] = min(boxvis["CLIP_STRIDE"], chosen["frames"])
    if task in {"instances", "panoptic"}:
        chosen |= {
            "score": boxvis["APPLY_CLS_THRES"],
            "box_overlap": test["BOX_NMS_THRESH"],
            "match": test["DETECT_NEWLY_OBJECT_THRESHOLD"],
            "consistency": test["TEMPORAL_CONSISTENCY_THRESHOLD"],
            "detections": spec["DETECTIONS_PER_IMAGE"],
        }
    if task == "instances":
        chosen |= {"stability": masks["STABILITY_SCORE_THRESH"], "overlap": masks["OVERLAP_THRESHOLD_ENTITY"]}
    if task == "panoptic":
        chosen["overlap"] = masks["OVERLAP_THRESHOLD"]
    if task in {"instances", "panoptic", "semantic"}:
        chosen["task"] = task
    if task == "referring":
        chosen["exclusive"] = True
    return chosen | ({} if vocabulary is None else {"vocabulary": vocabulary})


def _stream(system: UniVS, video: _Frames, prompts: list[Prompt], options: Mapping[str, Any]) -> UniVSStream:
    return UniVSStream(system, video, tuple(prompts), Options.read("golden", dict(options)))


class _Watched:
    """What a tracker says on the way: `new` objects of each clip, what has left, and means of the prompts' masks."""

    def __init__(self, tracker: EntityTracker | ObjectTracker) -> None:
        self.new: list[int] = []
        self.left: list[Any] = []
        self.means: list[Tensor] = []
        self._tracker, self._step, self._finish = tracker, tracker.step, tracker.finish
        tracker.step, tracker.finish = self.step, self.finish  # type: ignore[method-assign]

    def step(self, clip: Clip) -> list[Any]:
        left = self._step(clip)
        if isinstance(self._tracker, EntityTracker):
            self.new.append(self._tracker.num_objects - sum(self.new))
        elif self._tracker.prompt_masks is not None:
            self.means.append(self._tracker.prompt_masks.mean((-2, -1)))
        self.left += left
        return left

    def finish(self) -> list[Any]:
        left = self._finish()
        self.left += left
        return left


def _instances(golden: Golden, system: UniVS, video: _Frames, options: dict[str, Any]) -> Iterator[Comparison]:
    names = packaged_names(options["vocabulary"])
    stream = _stream(system, video, [Categories(names)], options)
    image = np.array(Image.fromarray(video[0]).resize(stream.geometry.seen[::-1], Image.Resampling.BILINEAR)).transpose(
        2, 0, 1
    )
    yield golden.compare("image0", image[:, ::4, ::4])
    tracker = stream.tracker()
    watched = _Watched(tracker)
    frames = list(stream)
    yield Comparison("new_entities_per_clip", np.array(watched.new), np.array(golden.spec["new_entities_per_clip"]))
    yield golden.compare("t0_mask_quality_scores", tracker.quality.numpy())
    occurrence = np.zeros((tracker.num_objects, video.num_frames), np.float32)
    for one in watched.left:
        occurrence[: len(one.occurrence), one.number] = one.occurrence.numpy()
    yield golden.compare("t0_occurrence", occurrence)
    yield golden.compare("t0_first_appear_frame_idxs", np.array(tracker.first_frames))
    yield golden.compare("logits_mean", tracker.mean_scores.numpy())
    infos = [stream.objects[number] for number in sorted(stream.objects)]
    yield golden.compare("score", np.array([info.score for info in infos], np.float32))
    yield golden.compare("category_id", np.array([names.index(info.label) for info in infos], np.int16))
    yield from _tracks(golden, video, frames, len(infos))


def _tracks(golden: Golden, video: _Frames, frames: list[Any], count: int) -> Iterator[Comparison]:
    shape = golden.spec["track_masks_shape"]
    bits = np.unpackbits(golden.input("track_masks"))[: np.prod(shape)].reshape(shape).astype(bool)
    track_of = golden.input("track")
    if len(track_of) != count:
        raise CannotReplayError(f"we have {count} results, the official {len(track_of)}")
    ours = np.zeros(shape, bool)
    for track in range(shape[0]):
        number = int(np.flatnonzero(track_of == track)[0]) + 1
        for frame in frames:
            place = frame.place(number)
            if place is not None:
                ours[track, frame.frame] = frame.select(np.array([place])).binary()[0]
    yield golden.compare("track_masks", ours, golden=bits)
    # Every result has the masks of the track that it names.
    codes = {frame.frame: {int(one): frame.code_at(place) for place, one in enumerate(frame.ids)} for frame in frames}
    first = {int(track): int(np.flatnonzero(track_of == track)[0]) + 1 for track in np.unique(track_of)}
    same = [
        all(codes[at].get(number) == codes[at].get(first[int(track)]) for at in codes)
        for number, track in enumerate(track_of, 1)
    ]
    yield golden.compare("track", np.where(same, track_of, -1))


def _panoptic(golden: Golden, system: UniVS, video: _Frames, options: dict[str, Any]) -> Iterator[Comparison]:
    names = packaged_names(options["vocabulary"])
    stream = _stream(system, video, [Categories(names)], options)
    things = np.flatnonzero(stream.things) + 1
    yield Comparison("thing_ids", things, np.array(golden.spec["thing_ids"]))
    tracker = stream.tracker()
    watched = _Watched(tracker)
    maps = np.zeros((video.num_frames, video.height, video.width), np.int64)
    for frame in stream:
        for number, mask in zip(frame.ids, frame.binary(), strict=True):
            maps[frame.frame][mask] = number
    yield Comparison("new_entities_per_clip", np.array(watched.new), np.array(golden.spec["new_entities_per_clip"]))
    yield golden.compare("logits_mean", tracker.mean_scores.numpy())
    yield golden.compare("quality", tracker.quality.numpy())
    yield golden.compare("first_appear", np.array(tracker.first_frames))
    yield golden.compare("pred_masks", maps[:, ::2, ::2])
    listed = golden.spec["segments_infos"]
    yield golden.compare("areas", _areas(maps, [each["id"] for each in listed]))
    ours = [
        (number, stream.objects[number].thing, names.index(stream.objects[number].label) + 1)
        for number in sorted(stream.objects)
    ]
    official = [(each["id"], each["isthing"], each["category_id"]) for each in listed]
    yield Comparison("segments_infos", np.array(ours), np.array(official))


def _areas(maps: Values, numbers: list[int]) -> Values:
    return np.array([[int((frame == number).sum()) for number in numbers] for frame in maps])


def _semantic(
    context: Context, golden: Golden, system: UniVS, video: _Frames, options: dict[str, Any]
) -> Iterator[Comparison]:
    stream = _stream(system, video, [Categories(packaged_names(options["vocabulary"]))], options)
    maps = np.full((video.num_frames, video.height, video.width), -1, np.int64)
    for frame in stream:
        for number, mask in zip(frame.ids, frame.binary(), strict=True):
            maps[frame.frame][mask] = number - 1
    yield golden.compare("pred_masks", maps[:, ::2, ::2])
    yield golden.compare("class_scores", _votes(golden, exact_network_of(golden, context), video, stream))


def _votes(golden: Golden, network: UniVSNetwork, video: _Frames, stream: UniVSStream) -> Values:
    """The votes themselves are nobody's result, so they are counted again.

    They depend on which cells of attention masks lie above zero. One cell of the golden's 2.4 million is as close as
    4e-6, where single precision is off by 1.3e-5: any other order of sums can turn it, which moves some votes by 3e-4
    of the largest and no pixel. In double precision it is what the official code had.
    """
    votes = ClassVotes(stream.geometry, torch.device("cpu"))
    names = names_of(golden)[UNIVS_PARTS["vspw"].offset :][: UNIVS_PARTS["vspw"].count].double()
    scores = []
    for start in range(0, video.num_frames, stream.stride):
        frames = stream.geometry.prepare(video.frames(start, start + stream.length)).double()
        decoded = network.decode(network.encode(frames), None, names)
        masks, logits = decoded.masks(), decoded.logits
        assert logits is not None
        weights = logits.sigmoid() * votes.sharpness(masks)[:, None]
        for place in range(len(frames)):
            found = torch.cat([one for _, one in votes.votes(masks[:, place], weights)], 1)
            scores.append(votes.original(found)[::16, ::40, ::61])
    return torch.stack(scores, 1).numpy()


def _objects(golden: Golden, system: UniVS, video: _Frames, options: dict[str, Any]) -> Iterator[Comparison]:
    prompts = _sentences(golden) if "expressions" in golden.spec else _given(golden)
    stream = _stream(system, video, prompts, options)
    watched = _Watched(stream.object_tracker())
    maps = np.zeros((video.num_frames, video.height, video.width), np.int64)
    for frame in stream:
        for number, mask in zip(frame.ids, frame.binary(), strict=True):
            maps[frame.frame][mask] = number
    yield golden.compare("pred_masks", maps[:, ::2, ::2])
    yield golden.compare("areas", _areas(maps, sorted(stream.objects)))
    yield golden.compare("prompt_mask_means", torch.cat(watched.means, 1).numpy())


def _sentences(golden: Golden) -> list[Prompt]:
    return [Phrase(text, object_id=number) for number, text in enumerate(golden.spec["expressions"], 1)]


def _given(golden: Golden) -> list[Prompt]:
    """The masks of a golden with the frames in which they are given, which its spec has in words."""
    shape, text = golden.spec["given_shape"], golden.spec["given_masks"]
    masks = np.unpackbits(golden.input("given_masks"))[: np.prod(shape)].reshape(shape).astype(bool)
    frames: dict[int, int] = {}
    found = re.search(r"object ids? ([\d, and]+) given in the first frame", text)
    if found:
        frames |= dict.fromkeys(map(int, re.findall(r"\d+", found[1])), 0)
    for numbers, frame in re.findall(r"([\d, and]*\d) (?:given )?in frame index (\d+)", text):
        frames |= dict.fromkeys(map(int, re.findall(r"\d+", numbers)), int(frame))
    if sorted(frames) != list(range(1, shape[0] + 1)):
        raise CannotReplayError(f"cannot read in which frames the masks are given: {text}")
    names = packaged_names("vipseg")
    prompts: list[Prompt] = []
    for frame in sorted(set(frames.values())):
        ids = np.zeros(shape[1:], np.int32)
        labels = {}
        for number in [one for one, at in frames.items() if at == frame]:
            if (ids[masks[number - 1]] > 0).any():
                raise CannotReplayError("given masks overlap")
            ids[masks[number - 1]] = number
            if golden.spec["case"].startswith("panoptic"):
                labels[number] = names[golden.spec["categories"][number - 1]]
        prompts.append(Mask(ids, frame=frame, labels=labels))
    return prompts
