"""OV2Seg on real frames, from pictures to results: sections 3 to 5 of its README."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, Values, spec_of
from tests.parity.ov2seg_network import VARIANT_OF, classifier_of, network_of, one_more, pairs_in_order
from torch import Tensor

from singleout.nn.mask2former.geometry import Geometry
from singleout.segmenter import Stream
from singleout.systems.ov2seg.inference import OV2Seg
from singleout.systems.ov2seg.store import MaskStore
from singleout.systems.ov2seg.watch import Verdict, Watch
from singleout.tracks import FrameCodes, FrameMasks
from singleout.tracks import codes as run_length

PART = "ov2seg"
PREPARED = (
    "RGB uintN; PIL bilinear resize of the short side to N (cap N) -> [N, N]; normalise; "
    "pad bottom/right with N to a multiple of N; batches of N frames"
)
CONFIG = r"(\w+), (\d+) queries, DEC_LAYERS (\d+), (\d+) classes, INPUT\.MIN_SIZE_TEST (\d+), "
CONFIG += r"TEST\.DETECTIONS_PER_IMAGE (\d+)"
PICTURE = r"short side (\d+), cap (\d+), PIL bilinear -> \[(\d+), (\d+)\]"
IMAGE_SYSTEM = "OV2Seg image (oracle) model"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    spec = spec_of(path)
    return spec.get("system") == IMAGE_SYSTEM or (spec.get("system") == "OV2Seg" and "frames" in spec)


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    yield from _picture(golden, context) if golden.spec["system"] == IMAGE_SYSTEM else _video(golden, context)


def _video(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    found = re.fullmatch(CONFIG, spec["config"])
    if found is None or re.sub(r"\d+", "N", spec["preprocess"]) != PREPARED:
        raise CannotReplayError(f"unknown run: {spec['config']}; {spec['preprocess']}")
    config, num_queries, num_layers, num_names, short, count = found.groups()
    network = network_of(golden, context, config)
    if (network.config.num_queries, network.config.decoder_layers) != (int(num_queries), int(num_layers) - 1):
        raise CannotReplayError(f"unknown network: {spec['config']}")
    longest = int(re.search(r"cap (\d+)", spec["preprocess"])[1])  # type: ignore[index]
    table = classifier_of(spec)
    if len(table) != int(num_names):
        raise CannotReplayError(f"the classifier has {len(table)} rows for {num_names} names")
    pictures = _pictures(context, spec["frames"]["sequence"], spec["frames"]["files"])
    geometry = Geometry.of(pictures.shape[1:3], int(short), longest)
    yield golden.compare("resized_frame0", geometry.resize(pictures[0]).transpose(2, 0, 1))
    with torch.inference_mode():
        seen = network(geometry.prepare(pictures))
        watch = Watch(MaskStore(geometry, torch.device("cpu"), 1 << 30), network.config.sharpness)
        matches = [watch.add(one) for one in seen]
        yield golden.compare("permutations", np.stack([match.queries.numpy() for match in matches[1:]]))
        yield golden.compare("frame_pred_object_logits", torch.stack([one.objects for one in seen]).numpy())
        # Of the first frames, and of the queries some at equal steps; the shapes say how many.
        frames, some = golden.input("frame_pred_embds").shape[:2]
        embeds = torch.stack([one.embeds[:: int(num_queries) // some] for one in seen[:frames]])
        yield golden.compare("frame_pred_embds", embeds.numpy())
        some = len(golden.input("frame_pred_masks0"))
        yield golden.compare("frame_pred_masks0", seen[0].masks(slice(None, None, int(num_queries) // some)).numpy())
        yield golden.compare("video_logits", one_more(watch.logits(table)).numpy())
        yield golden.compare("video_obj_logits", watch.objects().numpy())
        verdict = Verdict(watch, table, count=int(count), one_name=False, threshold=0.0)
    pairs = verdict.pairs
    order = pairs_in_order(pairs, golden.input("queries"), golden.input("labels"))
    yield golden.compare("queries", pairs.tracks[order].numpy())
    yield golden.compare("labels", pairs.names[order].numpy())
    yield golden.compare("pair_scores", pairs.scores[order].numpy())
    yield golden.compare("ignored", verdict.hidden[:, order].t().numpy())
    stream = _run(
        network_of(golden, context, config),
        pictures,
        table,
        short=int(short),
        longest=longest,
        fine=False,
        detections=int(count),
    )
    shown = list(stream)
    masks = np.zeros((len(order), len(pictures), *pictures.shape[1:3]), np.bool_)
    for frame in shown:
        masks[frame.ids - 1, frame.frame] = _whole(frame)
    yield from _results(golden, stream, masks, order)


def _picture(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    found = re.fullmatch(PICTURE, spec["preprocess"])
    place = re.fullmatch(r"DAVIS 480p (\w[\w-]*)/(\w+\.jpg)", spec["frame"])
    if found is None or place is None:
        raise CannotReplayError(f"unknown picture: {spec['frame']}; {spec['preprocess']}")
    short, longest = int(found[1]), int(found[2])
    pictures, table = _pictures(context, place[1], [place[2]]), classifier_of(spec)
    yield Comparison(
        "size in the network",
        np.array(Geometry.of(pictures.shape[1:3], short, longest).seen),
        np.array([int(found[3]), int(found[4])]),
    )
    stream = _run(
        network_of(golden, context, _config(golden)),
        pictures,
        table,
        short=short,
        longest=longest,
        fine=True,
        detections=spec["topk"],
    )
    (shown,) = list(stream)
    masks = np.zeros((spec["topk"], 1, *pictures.shape[1:3]), np.bool_)
    masks[shown.ids - 1, 0] = _whole(shown)
    # The queries are not stored, so a pair is found by its name and score.
    order = _by_name_and_score(stream, golden.input("labels"), golden.input("scores"))
    names = [_number(stream.objects[place + 1].label) for place in order.tolist()]
    yield golden.compare("labels", np.array(names))
    yield from _results(golden, stream, masks, order)


def _config(golden: Golden) -> str:
    """The spec of a picture does not say it, but the name of the file does: golden-r50-image."""
    parts = golden.path.stem.split("-")
    return parts[1] if len(parts) > 1 and parts[1] in VARIANT_OF else "r50"


def _results(golden: Golden, stream: Stream, masks: Values, order: Tensor) -> Iterator[Comparison]:
    """masks: (num_pairs, num_frames, height, width), in the order of ids. order: of the golden, places of ids."""
    objects = [stream.objects[place + 1] for place in order.tolist()]
    yield golden.compare("scores", np.array([each.score for each in objects], np.float32))
    masks = masks[order.numpy()]
    areas = masks.sum((2, 3)).astype(np.int32)
    stored = golden.input("areas")
    yield golden.compare("areas", areas.reshape(stored.shape))
    chosen = golden.input("rle_index")
    entries = json.loads(str(golden.input("rle")))
    theirs = [[_mask(code) for code in entry.get("segmentations", [entry])] for entry in entries]
    yield golden.compare("rle", masks[chosen], golden=np.array(theirs))
    for place, entry in zip(chosen.tolist(), entries, strict=True):
        if "score" in entry:
            yield Comparison(f"rle/{place}/score", objects[place].score, np.float32(entry["score"]))
            yield Comparison(f"rle/{place}/category_id", _number(objects[place].label) + 1, entry["category_id"])


def _run(network: Any, pictures: Values, table: Tensor, **options: Any) -> Stream:
    """The whole way through the public interface, with the table in a file as the authors publish theirs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "classifier.npy"
        np.save(file, table.numpy())
        names = [f"name {number}" for number in range(len(table))]
        settings = {"threshold": 0.0, "one_name": False, "device": "cpu", **options}
        return OV2Seg(network, name="ov2seg").stream(pictures, names, classifier=file, **settings)


def _whole(frame: FrameMasks | FrameCodes) -> Values:
    """The masks of a frame at its size; the system gives them coded."""
    if not isinstance(frame, FrameCodes):
        raise CannotReplayError("masks are to be decided at the size of the picture")
    return frame.masks()


def _by_name_and_score(stream: Stream, labels: Values, scores: Values) -> Tensor:
    left = dict(stream.objects)
    order = []
    for label, score in zip(labels.tolist(), scores.tolist(), strict=True):
        fits = [number for number, each in left.items() if _number(each.label) == label]
        if not fits:
            raise CannotReplayError(f"we have no further pair with the name {label}")
        nearest = min(fits, key=lambda number: abs(left[number].score - score))
        order.append(nearest - 1)
        del left[nearest]
    return torch.tensor(order)


def _number(label: str) -> int:
    return int(label.removeprefix("name "))


def _mask(code: dict[str, Any]) -> Values:
    height, width = code["size"]
    return run_length.decode(code["counts"].encode(), height, width)


def _pictures(context: Context, sequence: str, names: list[str]) -> Values:
    """(num_frames, height, width, 3) uint8 RGB."""
    return np.stack([np.asarray(Image.open(context.frame(sequence, name)).convert("RGB")) for name in names])
