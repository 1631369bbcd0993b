"""SOC: stages, outputs, both scripts, single frames and losses, against the goldens of its README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.referring_cases import key_manifest
from tests.parity.referring_networks import Part, Stages, network_of, padded_clips, recorded, segmenter_of, tokens_of
from tests.parity.weights import input_tensor, shapes_of
from torch import Tensor

from singleout.nn.referring.values import Contrast, Predictions
from singleout.referring.candidates import candidates_of
from singleout.referring.pictures import at_size, label_maps, network_size, prepare
from singleout.systems.soc import SYSTEM
from singleout.systems.soc.checkpoint import load_network
from singleout.systems.soc.config import VARIANTS
from singleout.systems.soc.inference import Soc
from singleout.systems.soc.losses import WEIGHTS, Target, losses_of, total
from singleout.systems.soc.network import SocNetwork

PART = "soc"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.suffix == ".npz":
        return str(spec_of(path).get("reference", "")).startswith("NeurIPS2023_SOC ")
    return path.name.startswith("keys-") and SYSTEM.recognise(shapes_of(path)) is not None


@torch.no_grad()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if path.suffix == ".json":
        yield from key_manifest(SOC, golden, context)
        return
    found = [case for start, case in CASES.items() if golden.spec["case"].startswith(start)]
    if len(found) != 1:
        raise CannotReplayError(f"unknown case {golden.spec['case']}")
    yield from found[0](golden, context)


def _watch(network: SocNetwork, stages: Stages) -> list[Any]:
    """Hooks for what ReferFormer does not have."""

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: stages.__setitem__(name, output)

    return [
        network.interaction.register_forward_hook(keep("voc")),
        network.word_fusion.register_forward_hook(keep("lvf_last")),
    ]


SOC = Part(PART, SYSTEM, VARIANTS, load_network, Soc, every_layer=False, watch=_watch)


def _evaluation(golden: Golden, context: Context) -> Iterator[Comparison]:
    """A batch of videos: everything on the way, and the outputs."""
    network = network_of(SOC, golden, context)
    assert isinstance(network, SocNetwork)
    clips = _clips(golden)
    frames, padding = padded_clips(clips)
    videos, time = frames.shape[:2]
    with recorded(SOC, network) as seen:
        sight = network.look(frames, padding)
        sentences = network.read(*tokens_of(golden.spec["token_ids"], network))
        found = network(sight, sentences, [(clip.shape[2], clip.shape[3]) for clip in clips])
        words = network.see_words(sight, sentences)
    outputs = _outputs(found) | {"pred_logit": seen["voc"], "voc": seen["voc"][None], "text_sentence_feature": words}
    for name in golden.names("pred_") + [one for one in ("text_sentence_feature", "voc") if one in golden]:
        yield _thinned(golden, name, outputs[name])
    stages = {"text_hidden": seen["text.last_hidden_state"], "text_pooled": seen["text.pooler_output"]}
    stages |= {"hs": seen["decoder.hs"], "inter_references": seen["decoder.inter_references"]}
    first = network.first_reference(network.query_positions.weight).sigmoid()
    stages |= {"init_reference": first.expand(videos * time, -1, -1), "lvf_last": seen["lvf_last"].transpose(0, 1)}
    # Official order: frames of all videos, where ours is videos with all their frames.
    by_time = seen["mask_features"].unflatten(0, (videos, time)).transpose(0, 1)
    stages["mask_features"] = by_time.flatten(0, 1)
    sizes = [(level.shape[2], level.shape[3]) for level in sight.levels]
    memory = seen["encoder"].split([height * width for height, width in sizes], dim=1)
    for index in range(4):
        stages[f"backbone_{index}"] = seen[f"backbone.{index}"]
        hidden = sight.paddings[index].expand(videos, time, -1, -1)
        stages[f"mask_{index}"] = hidden.flatten(0, 1)
        places = sight.positions[index].expand(videos, time, -1, -1, -1)
        stages[f"pos_{index}"] = places.flatten(0, 1).permute(0, 3, 1, 2)
        stages[f"vlf_{index}"] = seen[f"fusion.call{index}"]
        stages[f"memory_{index}"] = memory[index].unflatten(1, sizes[index]).permute(0, 3, 1, 2)
    for name in golden.unseen():
        if name not in stages:
            raise CannotReplayError(f"unknown array {name}")
        yield _thinned(golden, name, stages[name])


def _training(golden: Golden, context: Context) -> Iterator[Comparison]:
    """A batch as in training, with nothing left out by chance: the outputs of all layers, the last one last."""
    network = network_of(SOC, golden, context)
    assert isinstance(network, SocNetwork)
    clips = _clips(golden)
    sight = network.look(*padded_clips(clips))
    sentences = network.read(*tokens_of(golden.spec["token_ids"], network))
    found = network(sight, sentences, [(clip.shape[2], clip.shape[3]) for clip in clips], every_layer=True)
    layers = [_outputs(layer) for layer in (*found.earlier, found)]
    for name in golden.names("pred_"):
        yield _thinned(golden, name, torch.stack([layer[name] for layer in layers]))
    yield golden.compare("text_sentence_feature", network.see_words(sight, sentences).numpy())


def _single(golden: Golden, context: Context) -> Iterator[Comparison]:
    """One frame of each clip, with all candidates at the size of the picture."""
    spec, network = golden.spec, network_of(SOC, golden, context)
    clips = _clips(golden)
    frames, padding = padded_clips(clips)
    # Official places count through all clips.
    keep = [place - index * frames.shape[1] for index, place in enumerate(spec["valid_indices"])]
    sizes = [(clip.shape[2], clip.shape[3]) for clip in clips]
    sentences = network.read(*tokens_of(spec["token_ids"], network))
    found = network(network.look(frames, padding, keep), sentences, sizes)
    for name, value in _outputs(found).items():
        if name in golden:
            yield golden.compare(name, value.numpy())
    padded = (frames.shape[3], frames.shape[4])
    scores = []
    for index, (seen, original) in enumerate(zip(sizes, spec["orig_sizes"], strict=True)):
        parts = found.logits[index, 0], found.boxes[index, 0], found.masks[index, 0]
        candidates = candidates_of(*parts, seen, tuple(original), padded=padded)
        # The official code leaves the queries in their order.
        queries = candidates.order.argsort()
        scores.append(candidates.scores[queries])
        yield from _masks(golden, f"masks_{index}_packed", f"masks_{index}_area", candidates.masks[queries])
    yield golden.compare("scores", torch.stack(scores).numpy())


def _scripts(golden: Golden, context: Context) -> Iterator[Comparison]:
    """The scripts for Ref-YouTube-VOS and Ref-DAVIS17 on real frames."""
    spec, system = golden.spec, segmenter_of(SOC, golden, context)
    frames = []
    for name in spec["frames"]:
        with Image.open(context.frame(spec["sequence"], f"{name}.jpg")) as picture:
            frames.append(np.asarray(picture.convert("RGB")))
    size = (frames[0].shape[0], frames[0].shape[1])
    found = re.match(r"shorter side (\d+), longer side at most (\d+)\b", spec["resize"])
    if found is None:
        raise CannotReplayError(f"unknown resize {spec['resize']}")
    short, longest = map(int, found.groups())
    pictures = prepare(frames, network_size(size, short, longest))
    yield golden.compare("input_mean", pictures.mean((1, 2, 3)).numpy())
    yield golden.compare("input_shape", np.array(pictures.shape))
    yield golden.compare("input_corner", pictures[:, :, :4, :4].numpy())
    shares = []
    answers = list(system.answer(frames, spec["token_ids"], short=short, longest=longest, group=1))
    soft = system.soft_answers(frames, spec["token_ids"], short=short, longest=longest)
    for place, (answer, other) in enumerate(zip(answers, soft, strict=True)):
        logits = at_size(answer.masks[0], size)
        yield golden.compare(f"query_scores_{place}", answer.scores[0].numpy())
        yield golden.compare(f"query_{place}", int(answer.query))
        yield golden.compare(f"class_info_{place}", other.class_info)
        yield golden.compare(f"key_frame_{place}", other.key_frame)
        yield golden.compare(f"mask_lowres_{place}", answer.masks[0].numpy())
        yield golden.compare(f"boxes_{place}", answer.boxes[0, :, int(answer.query)].numpy())
        yield from _masks(golden, f"mask_packed_{place}", f"mask_area_{place}", logits.sigmoid() > 0.5)
        yield golden.compare(f"mask_logits_sub_{place}", other.mask_logits[:, ::16, ::16])
        shares.append(logits.sigmoid())
    labels = label_maps(torch.stack(shares)).numpy()
    yield golden.compare("davis_index", labels.astype(np.uint8))
    counts = [np.bincount(frame.ravel(), minlength=len(shares) + 1) for frame in labels]
    pixels = size[0] * size[1]
    yield golden.compare("davis_counts", np.stack(counts) / pixels, golden=golden.input("davis_counts") / pixels)


def _losses(golden: Golden, _context: Context) -> Iterator[Comparison]:
    """Losses, their sum and matches of outputs that are drawn by rule."""
    if golden.spec["weights"] != WEIGHTS:
        raise CannotReplayError(f"other weights of losses: {golden.spec['weights']}")
    layers = [_drawn(golden, layer) for layer in range(len(golden.input("matched")))]
    targets = _targets(golden)
    num_masks = sum(len(target.seen) for target in targets)
    found, queries = losses_of(replace(layers[-1], earlier=layers[:-1]), targets, num_masks)
    names = golden.input("loss_names").tolist()
    yield Comparison("loss_names", np.array(sorted(found)), np.array(sorted(names)))
    for name, value in zip(names, golden.input("loss_values"), strict=True):
        yield Comparison(f"loss_values/{name}", np.array(float(found[name])), value)
    yield golden.compare("total", float(total(found)))
    # Ours begin with the last layer.
    yield golden.compare("matched", queries.roll(-1, dims=0).numpy())


def _drawn(golden: Golden, layer: int) -> Predictions:
    """The outputs of a layer, whose rule and shapes stand in the spec as text."""
    spec = golden.spec
    found = re.search(r"\[T,B,(\d+),(\d+),(\d+)\]", spec["outputs"])
    width = re.search(r"text<l>\", \[B,(\d+)\]\)", spec["outputs"])
    if found is None or width is None or "pred_masks = 3 * (" not in spec["outputs"]:
        raise CannotReplayError(f"unknown outputs: {spec['outputs']}")
    (queries, *size), channels = map(int, found.groups()), int(width.group(1))
    time, videos = spec["T"], spec["B"]

    def draw(part: str, *shape: int) -> Tensor:
        return input_tensor(f"soc:loss:{spec['name']}:{part}{layer}", shape, spec["salt"])

    logits = draw("cls", time, videos, queries, spec["num_classes"]).transpose(0, 1)
    boxes = draw("boxes", time, videos, queries, 4).sigmoid().transpose(0, 1)
    masks = 3 * draw("masks", time, videos, queries, *size).transpose(0, 1)
    contrast = Contrast(draw("logit", videos, queries, channels), draw("text", videos, channels))
    return Predictions(logits, boxes, masks, boxes[..., :2], contrast)


def _targets(golden: Golden) -> list[Target]:
    masks, boxes = (torch.from_numpy(golden.input(f"{part}_target")).transpose(0, 1) for part in ("masks", "boxes"))
    seen, labels = torch.tensor(golden.spec["visible"]).bool(), torch.tensor(golden.spec["labels"])
    rows = zip(masks, boxes, seen, labels, strict=True)
    return [Target(mask, box, shown, label.expand(len(mask))) for mask, box, shown, label in rows]


def _masks(golden: Golden, packed: str, areas: str, masks: Tensor) -> Iterator[Comparison]:
    """Masks (num, height, width) bool, whose golden is packed, and their areas as a share of the picture."""
    pixels = masks[0].numel()
    # The last byte of a row is filled up.
    bits = np.unpackbits(golden.input(packed), axis=-1)[:, :pixels]
    yield golden.compare(packed, masks.flatten(1).numpy(), golden=bits.astype(bool))
    yield golden.compare(areas, masks.sum((1, 2)).numpy() / pixels, golden=golden.input(areas) / pixels)


def _outputs(found: Predictions) -> dict[str, Tensor]:
    """Outputs of a layer in the official order, (time, num_videos, …)."""
    parts = {"pred_cls": found.logits, "pred_boxes": found.boxes, "pred_masks": found.masks}
    outputs = {name: part.transpose(0, 1) for name, part in parts.items()}
    return outputs if found.contrast is None else {**outputs, "pred_logit": found.contrast.queries}


def _thinned(golden: Golden, name: str, ours: Tensor) -> Comparison:
    """An array of which only some frames, and only every n-th channel, row or query, are stored."""
    stored = golden.input(name).shape
    kept = re.search(r"frames ((?:\d+ )*\d+)", golden.spec["layout"])
    for axis, (have, want) in enumerate(zip(ours.shape, stored, strict=True)):
        if have == want:
            continue
        frames = [] if kept is None else [int(place) for place in kept.group(1).split()]
        # Frames are the first axis of a batch of one video, and the second of what layers are stacked in.
        if want == len(frames) and axis == (1 if name in {"hs", "inter_references"} else 0):
            ours = ours.index_select(axis, torch.tensor(frames))
        elif have % want == 0:
            ours = ours.index_select(axis, torch.arange(0, have, have // want))
        else:
            raise CannotReplayError(f"{name}: our shape is {list(ours.shape)}, the official {list(stored)}")
    return golden.compare(name, ours.numpy())


def _clips(golden: Golden) -> list[Tensor]:
    """The inputs of a spec, in order."""
    clips = []
    for rule, key, shape in golden.spec["inputs"].values():
        if rule != "input_tensor":
            raise CannotReplayError(f"unknown rule of inputs {rule}")
        clips.append(input_tensor(key, shape, golden.spec["salt"]))
    return clips


CASES = {
    "eval forward": _evaluation,
    "train-mode forward": _training,
    "A2D/JHMDB": _single,
    "Ref-Youtube-VOS inference": _scripts,
    "losses and matching": _losses,
}
