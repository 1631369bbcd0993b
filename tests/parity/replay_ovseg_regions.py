"""OVSeg's regions and ensemble on given masks, with real CLIP weights' shapes (sections 3 to 5 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ovseg_network import PART, clip_of, drawn, manifest_of, picture_of, words_of
from tests.parity.weights import draw
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.clip_images import MEAN, STD
from singleout.nn.clip_towers import Clip
from singleout.nn.mask2former.geometry import Geometry, Size
from singleout.systems.ovseg.checkpoint import ADAPTER, CLIP
from singleout.systems.ovseg.pictures import Opinions, Rules, ask_clip, paint, with_others
from singleout.systems.ovseg.regions import Cutting, cut_all, find_regions, normalised

__all__ = ["PART"]
CUTTING = "OVSeg CLIP adapter"
ENSEMBLE = "OVSeg inference from given proposals with "
CONFIG = r"(ViT-[BL]/\d+), vild templates, fill (mean|zero), thr ([\d.]+), expand ([\d.]+), mask prompt depth 3"
VARIANTS = (
    r"((?:w\d+, )*w\d+): ensemble weight; off: CLIP_ENSEMBLE False; demo, demo_one: demo rule with weight 0; maps at "
    r"pixels ::(\d+), argmax full; demo_one_label: 255 where channel 0 is 0"
)


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    system = str(spec_of(path).get("system"))
    return system == CUTTING or system.startswith(ENSEMBLE)


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if golden.spec["names"] not in (
        "weights filled under 'clip_adapter.' + name",
        "CLIP weights filled under 'clip_adapter.' + name",
    ):
        raise CannotReplayError(f"unknown names of weights: {golden.spec['names']}")
    yield from _cutting(golden, context) if golden.spec["system"] == CUTTING else _ensemble(golden, context)


def _picture(golden: Golden, context: Context) -> tuple[Tensor, Tensor, Size]:
    """The frame, its true mask at the frame's new size, and that."""
    said = re.search(r"PIL bilinear short side (\d+)", golden.spec["image"])
    if said is None:
        raise CannotReplayError(f"unknown picture {golden.spec['image']!r}")
    sequence, file = picture_of(golden.spec["image"], context)
    frame = np.array(Image.open(context.frame(sequence, file)).convert("RGB"))
    geometry = Geometry.of((frame.shape[0], frame.shape[1]), int(said[1]), 1 << 20)
    picture = torch.from_numpy(geometry.resize(frame)).permute(2, 0, 1).float()
    mask = np.asarray(Image.open(context.annotation(sequence, f"{Path(file).stem}.png")).convert("L")) > 0
    true = torch.from_numpy(mask)[None, None].float()
    return picture, F.interpolate(true, geometry.seen, mode="bilinear", align_corners=False)[0, 0], geometry.seen


def _clip(golden: Golden, context: Context, model: str) -> tuple[Clip, Tensor]:
    """CLIP and the vector of no object."""
    clip = clip_of(manifest_of(model, golden.path, context), golden.spec["salt"], CLIP)
    empty = draw(f"{ADAPTER}non_object_embedding", (1, clip.images.size.out_width), golden.spec["salt"])
    return clip, F.normalize(empty, dim=-1)


def _cutting(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    said = re.fullmatch(CONFIG, spec["config"])
    if said is None:
        raise CannotReplayError(f"unknown configuration {spec['config']!r}")
    picture, true, size = _picture(golden, context)
    shares = _shares(spec["masks"], true, size)
    clip, empty = _clip(golden, context, said[1])
    rows = torch.cat([words_of(clip).embed_names(spec["class_names"]), empty])
    rules = Rules(Cutting(float(said[3]), said[2], float(said[4])), 0.0)  # type: ignore[arg-type]
    regions = find_regions(shares, rules.cutting)
    valid = [region.query for region in regions]
    yield golden.compare("valid", np.isin(np.arange(len(shares)), valid))
    yield golden.compare("boxes", np.array([region.box for region in regions], np.float32))
    side = clip.images.size.side
    parts, inside = cut_all(normalised(picture), shares, regions, rules.cutting, side)
    steps = [
        int(step)
        for step in re.findall(r"pixels ::(\d+)", f"{spec['arrays']['regions']} {spec['arrays']['unnormalised']}")
    ]
    mean, std = (torch.tensor(one)[:, None, None] * 255 for one in (MEAN, STD))
    yield golden.compare("regions", parts[..., :: steps[0], :: steps[0]].numpy())
    yield golden.compare("unnormalised", (parts * std + mean)[..., :: steps[1], :: steps[1]].numpy())
    yield golden.compare("region_masks", inside[:, None].numpy())
    yield golden.compare("features", F.normalize(clip.images(parts, inside), dim=-1).numpy())
    yield golden.compare("features_plain", F.normalize(clip.images(parts), dim=-1).numpy())
    yield golden.compare("text", rows.numpy())
    yield golden.compare("logits", ask_clip(clip.images, picture, shares, rows, rules)[1].numpy())


def _shares(text: str, true: Tensor, size: Size) -> Tensor:
    """What the spec says of each mask."""
    found: list[Tensor] = []
    for part in text.split("; "):
        how = part.partition(": ")[2]
        mask = torch.zeros(size)
        rectangle = re.fullmatch(r"([\d.]+) in rows (\d+):(\d+), columns (\d+):(\d+)", how)
        flip = re.fullmatch(r"horizontal flip of (\d+)", how)
        everywhere = re.fullmatch(r"([\d.]+) (everywhere|in the last pixel only)", how)
        if how.startswith("annotation >0 of that frame, bilinear (align_corners False)"):
            mask = true
        elif rectangle is not None:
            top, bottom, left, right = map(int, rectangle.groups()[1:])
            mask[top:bottom, left:right] = float(rectangle[1])
        elif flip is not None:
            mask = found[int(flip[1])].flip(-1)
        elif everywhere is not None:
            mask[(slice(None),) * 2 if everywhere[2] == "everywhere" else (-1, -1)] = float(everywhere[1])
        elif how != "zeros":
            raise CannotReplayError(f"unknown mask {part!r}")
        found.append(mask)
    return torch.stack(found)


def _ensemble(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    said = re.fullmatch(VARIANTS, spec["variants"])
    if said is None:
        raise CannotReplayError(f"unknown variants: {spec['variants']}")
    picture, true, size = _picture(golden, context)
    shares = _logits(spec["mask_logits"], true, size).sigmoid()
    classes = drawn(spec["mask_cls"], spec["salt"])
    clip, empty = _clip(golden, context, spec["system"].removeprefix(ENSEMBLE))
    words, names = words_of(clip), spec["class_names"]
    few, compared = with_others(names[:1])
    all_rows, few_rows = (torch.cat([words.embed_names(one), empty]) for one in (names, few))
    cutting = Cutting(float(spec["threshold"]))
    rules = {
        "off": Rules(cutting, None),
        "demo": Rules(cutting, 0.0, demo=True),
        "demo_one": Rules(cutting, 0.0, demo=True),
    }
    # w045 is a weight of 0.45.
    rules |= {name: Rules(cutting, float(f"{name[1]}.{name[2:]}")) for name in said[1].split(", ")}
    every = int(said[2])
    regions, seen = ask_clip(clip.images, picture, shares, all_rows, rules["demo"])
    yield golden.compare("clip_logits", seen.numpy())
    yield golden.compare("valid", np.isin(np.arange(len(shares)), [region.query for region in regions]))
    all_opinions = Opinions(classes, regions, seen)
    seen = ask_clip(clip.images, picture, shares, few_rows, rules["demo_one"])[1]
    few_opinions = Opinions(classes[:, [0, 1, -1]], regions, seen)
    for name, rule in rules.items():
        one = name == "demo_one"
        opinions = few_opinions if one else all_opinions
        canvas = paint(shares, opinions, rule, size, compared=compared if one else None)
        yield golden.compare(f"{name}_map", canvas.whole()[:, ::every, ::every].numpy())
        found = canvas.labels(values=5000)
        yield golden.compare(f"{name}_argmax", found.labels.numpy().astype(np.uint8))
        if one:
            drawn_labels = found.labels.masked_fill(found.blank, 255)
            yield golden.compare(f"{name}_label", drawn_labels.numpy().astype(np.uint8))


def _logits(text: str, true: Tensor, size: Size) -> Tensor:
    """What the spec says of each mask, in the letters a, x and y."""
    x = torch.linspace(-1, 1, size[1]).expand(size)
    y = torch.linspace(-1, 1, size[0])[:, None].expand(size)
    known = {"a-0.5": true - 0.5, "0.5-a": 0.5 - true, "x": x, "y": y}
    said = re.fullmatch(
        r"(\d+) masks: (.*), x and y = linspace\(-1,1\) over width and height",
        text.replace(" and 1 ", "; 1 ").replace(" with a = annotation >0 resized bilinearly", ""),
    )
    found = []
    for place, part in enumerate(said[2].split("; ") if said else []):
        how = part.removeprefix(f"{place} ").removesuffix(" (invalid)")
        product = re.fullmatch(r"\((a-0\.5|0\.5-a)\)\*([\d.]+)", how)
        slope = re.fullmatch(r"(-?[\d.]+)([xy])([+-][\d.]+)?", how)
        constant = re.fullmatch(r"constant (-?[\d.]+)", how)
        if product is not None:
            found.append(known[product[1]] * float(product[2]))
        elif slope is not None:
            found.append(known[slope[2]] * float(slope[1]) + float(slope[3] or 0))
        elif constant is not None:
            found.append(torch.full(size, float(constant[1])))
        else:
            raise CannotReplayError(f"unknown mask {part!r}")
    if said is None or len(found) != int(said[1]):
        raise CannotReplayError(f"unknown masks: {text}")
    return torch.stack(found)
