"""Networks for sentences filled by the rule of the goldens, their inputs, and what they compute on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Context, Golden
from tests.parity.weights import input_tensor, official_state
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.referring.config import ReferringConfig
from singleout.nn.referring.criterion import Target
from singleout.nn.referring.network import ReferringNetwork
from singleout.nn.text.tokens import pad_tokens
from singleout.nn.vision_language import VisionLanguageBlock
from singleout.referring.segmenter import SentenceSegmenter
from singleout.systems.catalog import System

Stages = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Part:
    """A system whose goldens are of this form.

    folder: under ``reference``. every_layer: whether its evaluation gives the outputs of all layers. watch: hooks for
    stages of its own, which it puts into a dictionary; they are removed afterwards.
    """

    folder: str
    system: System
    variants: Mapping[str, ReferringConfig]
    load: Callable[[Any, Mapping[str, Tensor]], ReferringNetwork]
    segmenter: Callable[..., SentenceSegmenter]
    every_layer: bool = True
    watch: Callable[[Any, Stages], list[Any]] = lambda network, stages: []

    def variant_of(self, config: str) -> str:
        """Our name of an official configuration such as ``video_swin_t_p4w7`` or ``challenge-video-swin-b``."""
        name = re.sub(r"_p4w7$|^challenge-|-\d+classes$", "", config).replace("_large", "_l").replace("_base", "_b")
        name = name.replace("_", "-").replace("resnet", "resnet-")
        if name not in self.variants:
            raise CannotReplayError(f"unknown configuration {config}")
        return name


def network_of(part: Part, golden: Golden, context: Context) -> ReferringNetwork:
    """The network of a golden's spec with its weights."""
    config, salt = _config(golden), golden.spec["salt"]
    return _network(part, context.side_file(golden.path, part.folder, f"keys-{config}.json"), config, salt)


def _config(golden: Golden) -> str:
    """The configuration; a remark in brackets may follow it."""
    name: str = golden.spec["config"].split(" (")[0]
    return name


@lru_cache(maxsize=1)
def _network(part: Part, manifest: Path, config: str, salt: str) -> ReferringNetwork:
    state = part.system.convert_names(official_state(manifest, salt)).state
    shape = part.variants[part.variant_of(config)]
    return part.load(replace(shape, num_classes=len(state["class_heads.0.weight"])), state)


def segmenter_of(part: Part, golden: Golden, context: Context) -> SentenceSegmenter:
    """The system of a golden's spec with its weights."""
    return part.segmenter(network_of(part, golden, context), name="golden", tokenizer=None)


def clips_of(spec: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
    """The frames of a spec padded to one size, (num_videos, time, 3, height, width), and the padding or None."""
    clips = [input_tensor(one["input_tensor_key"], one["shape"], one["salt"]) for one in spec["frames"]]
    step = spec["pad_to_multiple_of"]
    frames, padding = padded_clips(clips, step)
    return frames, padding if len(clips) > 1 or step > 1 else None


def padded_clips(clips: Sequence[Tensor], step: int = 1) -> tuple[Tensor, Tensor]:
    """Clips (time, 3, height, width) padded to one size that is a multiple of `step`, and the padding."""
    height, width = (-(-max(clip.shape[axis] for clip in clips) // step) * step for axis in (2, 3))
    gaps = [(width - clip.shape[3], height - clip.shape[2]) for clip in clips]
    frames = torch.stack([F.pad(clip, (0, right, 0, below)) for clip, (right, below) in zip(clips, gaps, strict=True)])
    padding = torch.ones(*frames.shape[:2], height, width, dtype=torch.bool)
    for row, clip in zip(padding, clips, strict=True):
        row[:, : clip.shape[2], : clip.shape[3]] = False
    return frames, padding


def tokens_of(token_ids: Sequence[Sequence[int]], network: ReferringNetwork) -> tuple[Tensor, Tensor]:
    """Token ids filled up to the longest, and where they are filled up."""
    return pad_tokens(token_ids, network.config.text.pad_id)


def frames_of(spec: dict[str, Any], context: Context) -> list[npt.NDArray[np.uint8]]:
    """The real frames of a spec, at the size that it says."""
    dataset, quality, sequence = spec["sequence"].split()
    if (dataset, quality) != ("DAVIS", "480p"):
        raise CannotReplayError(f"unknown sequence {spec['sequence']}")
    frames = []
    for name in spec["frames"]:
        with Image.open(context.frame(sequence, name)) as picture:
            image = picture.convert("RGB")
        if spec["source_resize_hw"]:
            height, width = spec["source_resize_hw"]
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        frames.append(np.asarray(image))
    return frames


def targets_of(golden: Golden) -> list[Target]:
    """The targets that a golden holds, ``targets/<video>.<part>``."""
    targets = []
    for number in sorted({int(part.split(".")[0]) for part in golden.parts("targets/")}):
        parts = {
            part: torch.from_numpy(golden.input(f"targets/{number}.{part}"))
            for part in ("masks", "boxes", "valid", "labels")
            if f"targets/{number}.{part}" in golden
        }
        labels = parts.get("labels", torch.zeros_like(parts["valid"]))
        targets.append(Target(parts["masks"], parts["boxes"], parts["valid"].bool(), labels))
    return targets


def sum_seen(targets: Sequence[Target]) -> int:
    """Frames of the batch in which the objects are seen."""
    return sum(int(target.seen.sum()) for target in targets)


def official_names(part: Part, golden: Golden, context: Context) -> dict[str, str]:
    """Our name of each official tensor."""
    manifest = context.side_file(golden.path, part.folder, f"keys-{_config(golden)}.json")
    listing = json.loads(manifest.read_text(encoding="utf-8"))
    nothing = torch.empty(0, device="meta")
    ours = {name: next(iter(part.system.convert_names({name: nothing}).state)) for name in listing["keys"]}
    return ours | {alias: ours[name] for alias, name in listing["tied"].items()}


@contextmanager
def recorded(part: Part, network: ReferringNetwork) -> Iterator[Stages]:
    """Collects what the parts of the network compute while the block runs."""
    stages: Stages = {}
    network.rows_at_once = 1000  # all at once: each part is looked at in one call
    calls = {"fusion": 0, "controller": 0, "text_projection": 0}

    def keep(name: str, change: Callable[[Tensor], Tensor] = lambda x: x) -> Callable[..., None]:
        return lambda _module, _inputs, output: stages.__setitem__(name, change(output))

    def backbone(_module: nn.Module, _inputs: object, maps: list[Tensor]) -> None:
        stages.update({f"backbone.{index}": found for index, found in enumerate(maps)})

    def text(_module: nn.Module, _inputs: object, output: Any) -> None:
        stages["text.last_hidden_state"], stages["text.pooler_output"] = output.last_hidden_state, output.pooler_output

    def decoder(_module: nn.Module, _inputs: object, output: tuple[list[Tensor], list[Tensor]]) -> None:
        stages["decoder.hs"], stages["decoder.inter_references"] = map(torch.stack, output)

    def counted(part: str, names: Callable[[int], str], change: Callable[[Tensor], Tensor]) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            stages[names(calls[part])] = change(output)
            calls[part] += 1

        return hook

    hooks = [
        network.backbone.register_forward_hook(backbone),
        network.text_encoder.register_forward_hook(text),
        network.encoder.register_forward_hook(keep("encoder")),
        network.decoder.register_forward_hook(decoder),
        network.pixel_decoder.mask_features.register_forward_hook(keep("mask_features")),
        network.fusion.register_forward_hook(counted("fusion", "fusion.call{}".format, lambda x: x.transpose(0, 1))),
        network.controller.register_forward_hook(counted("controller", "controller.call{}".format, lambda x: x)),
        network.text_projection.register_forward_hook(
            counted("text_projection", lambda n: f"text.{('word', 'sentence')[n]}_features", lambda x: x)
        ),
    ]
    hooks += part.watch(network, stages)
    for index, projection in enumerate(network.input_projections):
        hooks.append(projection.register_forward_hook(keep(f"input_proj_{index}")))
    blocks = [part for part in network.pixel_decoder.modules() if isinstance(part, VisionLanguageBlock)]
    for index, block in enumerate(blocks):
        # Of a block only its second half is asked for in one piece: (sentences, time, h, w, channels).
        reading = _keeping(block.read_words, stages, f"fpn_cross_attn_{4 - index}")
        block.read_words = reading  # type: ignore[method-assign]
    try:
        yield stages
    finally:
        del network.rows_at_once
        for block in blocks:
            del block.read_words
        for hook in hooks:
            hook.remove()


def _keeping(read_words: Callable[..., Tensor], stages: Stages, name: str) -> Callable[..., Tensor]:
    def run(*inputs: Any) -> Tensor:
        out = read_words(*inputs)
        stages[name] = out.flatten(1, 3).transpose(0, 1)
        return out

    return run
