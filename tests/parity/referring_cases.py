"""Replays that systems for sentences have in common: stages, outputs, scripts, losses, post-processing, names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from pycocotools import mask as mask_codes
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden
from tests.parity.referring_networks import (
    Part,
    clips_of,
    frames_of,
    network_of,
    official_names,
    recorded,
    segmenter_of,
    sum_seen,
    targets_of,
    tokens_of,
)
from tests.parity.sums import conv_then_norm, one_thread
from tests.parity.weights import input_tensor, shapes_of
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from singleout.data.records import ImageAnnotation, ImageResult
from singleout.evaluation.metrics.refcoco import RefCocoMetrics, RefCocoScores
from singleout.nn.referring.criterion import losses_of, total
from singleout.nn.referring.values import Predictions
from singleout.referring.candidates import candidates_of
from singleout.referring.drawing import draw_result
from singleout.referring.pictures import corners, label_maps, probabilities


def stages(part: Part, golden: Golden, context: Context) -> Iterator[Comparison]:
    """One call of the network: everything on the way, and the outputs of all decoder layers."""
    spec, network = golden.spec, network_of(part, golden, context)
    frames, padding = clips_of(spec)
    sizes = [(height, width) for height, width in spec["target_size_hw"]]
    with recorded(part, network) as seen:
        sight = network.look(frames, padding, spec["valid_indices"])
        sentences = network.read(*tokens_of(spec["token_ids"], network))
        found = network(sight, sentences, sizes, every_layer=part.every_layer)
    for index in range(4):
        maps = seen[f"backbone.{index}"].unflatten(0, frames.shape[:2])
        hidden = torch.zeros(frames.shape[:2] + frames.shape[3:]) if padding is None else padding.float()
        hidden = F.interpolate(hidden, maps.shape[3:], mode="nearest")
        if spec["valid_indices"] is not None:
            # The official arrays begin after all other frames were dropped.
            rows = range(len(frames)), spec["valid_indices"]
            maps, hidden = maps[rows][:, None], hidden[rows][:, None]
        seen[f"backbone.{index}"], seen[f"backbone_mask.{index}"] = maps.flatten(0, 1), hidden.flatten(0, 1)
    for name in golden.names("stage/"):
        stage = name.removeprefix("stage/")
        if stage not in seen:
            raise CannotReplayError(f"unknown stage {stage}")
        yield golden.compare(name, seen[stage].numpy())
    yield golden.compare("out/reference_points", found.points.numpy())
    layers = {"": found} | {f"aux{index}.": layer for index, layer in enumerate(found.earlier)}
    for prefix, layer in layers.items():
        yield from _outputs(golden, f"out/{prefix}", layer)


def _outputs(golden: Golden, prefix: str, found: Predictions) -> Iterator[Comparison]:
    parts: dict[str, Tensor] = {"pred_logits": found.logits, "pred_boxes": found.boxes, "pred_masks": found.masks}
    for name, values in parts.items():
        yield golden.compare(f"{prefix}{name}", values.detach().numpy())


def script(part: Part, golden: Golden, context: Context) -> Iterator[Comparison]:
    """The script for Ref-YouTube-VOS: all frames at once, the best query of each sentence, its masks and pictures."""
    spec = golden.spec
    frames, system = frames_of(spec, context), segmenter_of(part, golden, context)
    size = (frames[0].shape[0], frames[0].shape[1])
    pictures = []
    answers = list(system.answer(frames, spec["token_ids"], short=spec["short_side"], group=1))
    masks = torch.stack([probabilities(found.masks[0], size) for found in answers]) > 0.5
    for place, found in enumerate(answers):
        yield golden.compare(f"{place}/scores", found.scores[0].numpy())
        yield golden.compare(f"{place}/query", int(found.query))
        yield golden.compare(f"{place}/pred_logits", found.logits[0].numpy())
        yield golden.compare(f"{place}/pred_boxes", found.boxes[0].numpy())
        yield golden.compare(f"{place}/reference_points", found.points[0].numpy())
        yield golden.compare(f"{place}/mask_logits_of_query", found.masks[0].numpy())
        boxes = corners(found.boxes[0, :, int(found.query)], size)
        points = found.points[0, :, int(found.query)] * torch.tensor([size[1], size[0]])
        for frame, mask, box, point in zip(frames, masks[place], boxes.tolist(), points.tolist(), strict=True):
            pictures.append(draw_result(frame, mask.numpy(), box, point, place))
    bits = np.unpackbits(golden.input("masks"), axis=-1)[..., : size[0] * size[1]]
    yield golden.compare("masks", masks.numpy(), golden=bits.reshape(spec["masks"]["shape"]).astype(bool))
    if "visualize" in golden:
        yield golden.compare("visualize", np.stack(pictures))


def davis(part: Part, golden: Golden, context: Context) -> Iterator[Comparison]:
    """The script for Ref-DAVIS17: clips one after the other, one label map for each annotator."""
    spec = golden.spec
    frames, system = frames_of(spec, context), segmenter_of(part, golden, context)
    size, token_ids = frames[0].shape[:2], spec["token_ids_by_expression"]
    annotators = len(spec["annotator_folders"])
    queries, scores, shares = [], [], []
    for start in range(0, len(frames), spec["clip_length"]):
        clip = frames[start : start + spec["clip_length"]]
        # All sentences at once, of which the official script knew one at a time.
        found = list(system.answer(clip, token_ids, short=spec["short_side"]))
        queries.append(torch.cat([part.query for part in found]))
        scores.append(torch.cat([part.scores for part in found]))
        shares.append(torch.stack([probabilities(masks, size) for part in found for masks in part.masks]))
    # (expressions, clips, ...), the expressions of an annotator being every fourth one.
    order = [expression for first in range(annotators) for expression in range(first, len(token_ids), annotators)]
    yield golden.compare("queries", torch.stack(queries, dim=1)[order].flatten().numpy())
    yield golden.compare("scores", torch.stack(scores, dim=1)[order].flatten(0, 1).numpy())
    whole = torch.cat(shares, dim=1)
    labels = torch.stack([label_maps(whole[first::annotators]) for first in range(annotators)])
    yield golden.compare("labels", labels.numpy())


def criterion(_part: Part, golden: Golden, _context: Context) -> Iterator[Comparison]:
    """Losses and matches of outputs that are drawn by rule."""
    salt, targets = golden.spec["salt"], targets_of(golden)
    for classes in sorted({int(name.split(".")[0].removeprefix("losses/classes")) for name in golden.names("losses/")}):
        layers = []
        for layer in (3, 0, 1, 2):
            logits = input_tensor(f"criterion-logits-{classes}-{layer}", (2, 4, 5, classes), salt)
            boxes = input_tensor(f"criterion-boxes-{layer}", (2, 4, 5, 4), salt).sigmoid()
            masks = 2 * input_tensor(f"criterion-masks-{layer}", (2, 4, 5, 24, 24), salt)
            layers.append(Predictions(logits, boxes, masks, boxes[..., :2]))
        found, queries = losses_of(replace(layers[0], earlier=layers[1:]), targets, sum_seen(targets))
        for name, value in found.items():
            yield golden.compare(f"losses/classes{classes}.{name}", value.numpy())
        yield golden.compare(f"matched/classes{classes}", queries.numpy())


def train(part: Part, golden: Golden, context: Context) -> Iterator[Comparison]:
    """A step of training: outputs of all layers, losses, matches and gradients."""
    spec, network = golden.spec, network_of(part, golden, context)
    frames, padding = clips_of(spec)
    targets = targets_of(golden)
    sizes = [(target.masks.shape[1], target.masks.shape[2]) for target in targets]
    official = official_names(part, golden, context)
    # The plain arithmetic of the official code. Gradients jump where a sampling place lies on the border of a cell: in
    # golden-video_swin_t_p4w7-train one does to the last bit, and 1e-7 of the input decides on 4e-4 of a gradient.
    # In mutr/golden-resnet50-train a hidden unit of the encoder is 9e-7 or -2e-7, depending on when the norms of ResNet
    # are multiplied, and its gradient is there or not: 2e-4 of another one. For the same reason sums are made in one
    # order, that of one thread.
    plain = patch("singleout.nn.backbones.resnet.conv_norm", conv_then_norm)
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), one_thread(), plain:
        network.requires_grad_(True)
        network.freeze()
        sight = network.look(frames, padding)
        found = network(sight, network.read(*tokens_of(spec["token_ids"], network)), sizes, every_layer=True)
        losses, queries = losses_of(found, targets, sum_seen(targets))
        weighted = total(losses)
        trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        gradients = torch.autograd.grad(weighted, list(trained.values()), allow_unused=True)
        network.requires_grad_(False)
    norms = {name: part.norm() for name, part in zip(trained, gradients, strict=True) if part is not None}
    for name, layer in [("final", found), *((str(index), layer) for index, layer in enumerate(found.earlier))]:
        yield from _outputs(golden, f"out/layer{name}.", layer)
    for name, value in losses.items():
        yield golden.compare(f"losses/{name}", value.detach().numpy())
    yield golden.compare("losses/total_weighted", weighted.detach().numpy())
    yield golden.compare("matched", queries.numpy())
    yield golden.compare("grad_total_norm", torch.stack(list(norms.values())).norm().numpy())
    for name in golden.names("grad_norm/"):
        yield golden.compare(name, norms[official[name.removeprefix("grad_norm/")]].numpy())
    unused = sorted(set(trained) - set(norms))
    if unused != sorted(official[name] for name in spec["trainable_without_gradient"]):
        raise CannotReplayError(f"without gradient are {unused}, and officially {spec['trainable_without_gradient']}")


def key_manifest(part: Part, golden: Golden, _context: Context) -> Iterator[Comparison]:
    """A list of official names and shapes: each is taken in, and nothing of ours is left without."""
    for name in golden.names():
        golden.input(name)
    official = shapes_of(golden.path)
    variant = part.system.recognise(official)
    with torch.device("meta"):
        network = part.system.build(str(variant), part.system.configure(str(variant), official))
        conversion = part.system.convert_names({name: torch.empty(shape) for name, shape in official.items()})
    yield Comparison("variant", variant, part.variant_of(golden.path.stem.removeprefix("keys-")))
    ours, theirs = (
        [f"{name} {list(one.shape)}" for name, one in sorted(state.items())]
        for state in (network.state_dict(), conversion.state)
    )
    yield Comparison("names and shapes", np.array(ours), np.array(theirs))
    spare = [name for name in official if not golden.names(f"keys/{name}")]
    yield Comparison("names that are not needed", np.array(sorted(conversion.ignored)), np.array(sorted(spare)))


def postprocess(_part: Part, golden: Golden, _context: Context) -> Iterator[Comparison]:
    """A2D and RefCOCO: masks and boxes at the size of the picture, and the numbers that score them."""
    spec = golden.spec
    logits = input_tensor("post-logits", (2, 1, 5, 1), spec["salt"])
    boxes = input_tensor("post-boxes", (2, 1, 5, 4), spec["salt"]).sigmoid()
    masks = 3 * input_tensor("post-masks", (2, 1, 5, 24, 40), spec["salt"])
    sizes = zip(spec["network_input_hw_without_padding"], spec["original_hw"], strict=True)
    for place, (seen, size) in enumerate(sizes):
        found = candidates_of(logits[place, 0], boxes[place, 0], masks[place, 0], tuple(seen), tuple(size))
        # The official A2D code leaves the queries in their order.
        queries = found.order.argsort()
        yield golden.compare(f"a2d/{place}.scores", found.scores[queries].numpy())
        yield golden.compare(f"a2d/{place}.masks", found.masks[queries][:, None].numpy())
        code = mask_codes.encode(np.asfortranarray(found.masks[queries[0]].numpy().astype(np.uint8)))["counts"]
        yield golden.compare(f"a2d/{place}.rle0", np.frombuffer(code, np.uint8))
        yield golden.compare(f"coco/{place}.scores", found.scores.numpy())
        yield golden.compare(f"coco/{place}.labels", np.ones(len(found.scores), np.int64))
        yield golden.compare(f"coco/{place}.boxes", found.boxes.numpy())
        yield golden.compare(f"coco/{place}.masks", found.masks[:, None].numpy())
    scores = _scores(json.loads(str(golden.input("metrics/input"))))
    yield golden.compare("metrics/coco_stats", np.array(list(scores.ap.values())))
    for name, part in (("segm", scores.masks), ("bbox", scores.boxes)):
        yield golden.compare(f"metrics/{name}", np.array(list(part.table().values())))


def _scores(given: dict[str, Any]) -> RefCocoScores:
    metrics = RefCocoMetrics()
    for truth in given["gt"]["annotations"]:
        image = truth["image_id"]
        annotation = ImageAnnotation(
            truth["id"], image, truth["category_id"], truth["segmentation"], tuple(truth["bbox"]), truth["area"]
        )
        results = [
            ImageResult(image, one["category_id"], one["score"], one["segmentation"], tuple(one["bbox"]))
            for one in given["pred"]
            if one["image_id"] == image
        ]
        metrics.add(annotation, results, dataset_name="refcoco")
    return metrics.result()


Case = Callable[[Part, Golden, Context], Iterator[Comparison]]
CASES: dict[str, Case] = {
    **dict.fromkeys(("clip", "odd", "batch", "long"), stages),
    **dict.fromkeys(("ytvos", "visualize"), script),
    **dict.fromkeys(("train", "train-batch2"), train),
    "davis": davis,
    "criterion": criterion,
    "postprocess": postprocess,
    "keys": key_manifest,
}


@torch.no_grad()
def replay_case(part: Part, cases: dict[str, Case], path: Path, context: Context) -> Iterator[Comparison]:
    """Replay a golden by the case that its spec names."""
    golden = context.open(path)
    case = golden.spec["case"] if path.suffix == ".npz" else "keys"
    if case not in cases:
        raise CannotReplayError(f"unknown case {case}")
    yield from cases[case](part, golden, context)
