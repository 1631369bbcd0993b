"""Short synthetic videos with exact masks: people, things and sprites moving over moving photographs.

Everything is drawn in batches on the device of the atlas; see `Clips` for what comes out.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tools.starter.atlas import GROUPS, Atlas, Backgrounds, Layers

MAX_LAYERS = 5


@dataclass
class Clips:
    """A batch of synthetic clips.

    frames: (batch, num_frames, 3, height, width) float 0..1. owner: (batch, num_frames, height, width) int64, the
    layer on top at each pixel, 0 for the background, MAX_LAYERS + 1 where a person of the background's own stands.
    things: int64 thing class per pixel, parts: int64 garment per pixel, both as `owner`.
    """

    frames: Tensor
    owner: Tensor
    things: Tensor
    parts: Tensor


class SceneMaker:
    """Draws clips. height, width: of the frames, multiples of 32."""

    def __init__(self, atlas: Atlas, height: int, width: int, seed: int) -> None:
        self.atlas, self.height, self.width = atlas, height, width
        self.device = atlas.people.pictures.device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.dice = random.Random(seed)

    def rand(self, *shape: int) -> Tensor:
        """Uniform numbers from 0 to 1."""
        return torch.rand(*shape, device=self.device, generator=self.generator)

    def randn(self, *shape: int) -> Tensor:
        """Normal numbers."""
        return torch.randn(*shape, device=self.device, generator=self.generator)

    def clips(self, batch: int, num_frames: int) -> Clips:
        """Draw `batch` clips of `num_frames` frames each."""
        frames, things, parts = self.background(batch, num_frames)
        person = GROUPS.index("person")
        owner = torch.where((parts > 0) & (things == person), MAX_LAYERS + 1, 0)
        for layer in range(1, 1 + self.dice.randint(1, MAX_LAYERS)):
            picture, alpha, layer_things, layer_parts = self.layer(batch, num_frames)
            frames = frames * (1 - alpha) + picture * alpha
            inside = alpha[:, :, 0] > 0.5
            owner = torch.where(inside, layer, owner)
            things = torch.where(inside, layer_things[:, None, None, None], things)
            parts = torch.where(inside, layer_parts, parts)
        return Clips(self.camera(frames), owner, things, parts)

    def background(self, batch: int, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Drifting, slowly zooming photographs, (batch, num_frames, 3, h, w), with their thing and garment maps."""
        pictures, things, parts, unknown = [], [], [], []
        for _ in range(batch):
            roll = self.dice.random()
            chosen: Backgrounds = self.atlas.photos
            if roll < 0.34:
                chosen = self.atlas.fashion
            elif roll < 0.62 and self.atlas.streets is not None:
                chosen = self.atlas.streets
            index = self.dice.randrange(len(chosen.pictures))
            pictures.append(chosen.pictures[index])
            unknown.append(float(chosen is self.atlas.photos))
            things.append(chosen.things[index].to(torch.int32))
            parts.append(chosen.parts[index].to(torch.int32))
        picture = torch.stack(pictures).float() / 255
        labels = torch.stack([torch.stack(things), torch.stack(parts)], dim=1).float()
        still = (self.rand(batch) < 0.25).float()[:, None]
        # Landscapes are also looked at closely: ground, leaves and fur that fill the frame are nobody.
        widest = 0.45 - 0.25 * torch.tensor(unknown, device=self.device)[:, None]
        scale = widest + (1 - widest) * self.rand(batch, 1)
        steps = torch.arange(num_frames, device=self.device)[None] - (num_frames - 1) / 2
        zoom = scale * torch.exp(0.03 * self.randn(batch, 1) * steps * (1 - still))
        angle = 0.1 * self.randn(batch, 1) + 0.015 * self.randn(batch, 1) * steps * (1 - still)
        room = (1 - scale).clamp(min=0)
        centre = (self.rand(batch, 1, 2) * 2 - 1) * room[:, :, None]
        centre = centre + 0.05 * self.randn(batch, 1, 2) * steps[..., None] * (1 - still[..., None])
        flip = torch.where(self.rand(batch, 1) < 0.5, -1.0, 1.0)
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        theta = torch.stack(
            [torch.stack([cos * flip, -sin, centre[..., 0]], -1), torch.stack([sin * flip, cos, centre[..., 1]], -1)],
            -2,
        )
        grid = F.affine_grid(theta.flatten(0, 1), [batch * num_frames, 3, self.height, self.width], align_corners=False)
        seen = F.grid_sample(
            picture.repeat_interleave(num_frames, 0), grid, padding_mode="reflection", align_corners=False
        )
        seen_labels = (
            F.grid_sample(
                labels.repeat_interleave(num_frames, 0),
                grid,
                mode="nearest",
                padding_mode="reflection",
                align_corners=False,
            )
            .round()
            .long()
        )
        seen = self.tint(seen.unflatten(0, (batch, num_frames)))
        seen_labels = seen_labels.unflatten(0, (batch, num_frames))
        return seen, seen_labels[:, :, 0], seen_labels[:, :, 1]

    def layer(self, batch: int, num_frames: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One moving, bending cut-out per clip.

        Returns pictures (batch, num_frames, 3, h, w), alpha (batch, num_frames, 1, h, w), thing classes (batch,) and
        garments (batch, num_frames, h, w).
        """
        side = 320
        stacked = torch.zeros(batch, 5, side, side, device=self.device)
        things = torch.zeros(batch, dtype=torch.long, device=self.device)
        tall = torch.zeros(batch, device=self.device)
        for item in range(batch):
            roll = self.dice.random()
            chosen: Layers = self.atlas.stamps if self.dice.random() < 0.6 else self.atlas.sprites
            if roll < 0.48:
                chosen = self.atlas.people
            elif roll < 0.7 and self.atlas.street is not None:
                chosen = self.atlas.street
            index = self.dice.randrange(len(chosen.pictures))
            picture = chosen.pictures[index].float()[None] / 255
            if picture.shape[-1] != side:
                picture = F.interpolate(picture, size=(side, side), mode="bilinear", align_corners=False)
            stacked[item, :4] = picture[0]
            if chosen.parts is not None:
                stacked[item, 4] = chosen.parts[index].float()
            things[item] = chosen.things[index]
            tall[item] = {id(self.atlas.people): 1.0, id(self.atlas.stamps): 0.6}.get(id(chosen), 0.0)
            if chosen is self.atlas.sprites and self.dice.random() < 0.25:
                # A photograph's texture in a sprite's outline: a thing that has no name but can be followed.
                fabric = self.atlas.fashion.pictures[self.dice.randrange(len(self.atlas.fashion.pictures))]
                top, left = self.dice.randrange(448 - 320 + 1), self.dice.randrange(640 - 320 + 1)
                stacked[item, :3] = fabric[:, top : top + side, left : left + side].float() / 255
                things[item] = GROUPS.index("void")
        steps = torch.arange(num_frames, device=self.device)[None] - (num_frames - 1) / 2
        speed = 0.15 + self.rand(batch, 1)
        # Size as a share of the frame's height, log-uniform; people may be taller than the frame.
        low, high = 0.12 + 0.13 * tall[:, None], 0.75 + 0.65 * tall[:, None]
        size = low * torch.exp(self.rand(batch, 1) * torch.log(high / low))
        size = size * torch.exp(0.07 * self.randn(batch, 1) * steps * speed)
        wild = (self.rand(batch, 1) < 0.25).float()
        angle = 0.15 * self.randn(batch, 1) * (1 - wild) + wild * (self.rand(batch, 1) - 0.5) * 2 * math.pi
        angle = angle + 0.12 * self.randn(batch, 1) * steps * speed
        centre = (self.rand(batch, 1, 2) * 2 - 1) * 0.85
        centre = centre + 0.13 * self.randn(batch, 1, 2) * steps[..., None] * speed[..., None]
        aspect = self.width / self.height
        stretch = torch.exp(0.15 * self.randn(batch, 1))
        flip = torch.where(self.rand(batch, 1) < 0.5, -1.0, 1.0)
        cos, sin = torch.cos(angle), torch.sin(angle)
        # From frame coordinates (-1..1) to those of the cut-out's square.
        row_x = torch.stack([cos * aspect / size * stretch, sin / size * stretch], -1)
        row_y = torch.stack([-sin * aspect / size, cos / size], -1)
        row_x = row_x * flip[..., None]
        offset_x, offset_y = -(row_x * centre).sum(-1), -(row_y * centre).sum(-1)
        theta = torch.stack(
            [torch.cat([row_x, offset_x[..., None]], -1), torch.cat([row_y, offset_y[..., None]], -1)], -2
        )
        count = batch * num_frames
        grid = F.affine_grid(theta.flatten(0, 1), [count, 3, self.height, self.width], align_corners=False)
        grid = grid + self.bend(grid, batch, num_frames)
        repeated = stacked.repeat_interleave(num_frames, 0)
        seen = F.grid_sample(repeated[:, :4], grid, align_corners=False)
        garments = F.grid_sample(repeated[:, 4:], grid, mode="nearest", align_corners=False).round().long()
        seen, garments = seen.unflatten(0, (batch, num_frames)), garments.unflatten(0, (batch, num_frames))
        return self.tint(seen[:, :, :3]), seen[:, :, 3:], things, garments[:, :, 0]

    def bend(self, grid: Tensor, batch: int, num_frames: int) -> Tensor:
        """A smooth displacement in the cut-out's own coordinates that changes with time, so that limbs move."""
        steps = torch.arange(num_frames, device=self.device)[None, :, None, None, None] - (num_frames - 1) / 2
        amount = 0.25 * self.rand(batch, 1, 1, 1, 1) ** 2
        field = self.randn(batch, 1, 2, 5, 4) * 0.3 + self.randn(batch, 1, 2, 5, 4) * steps * 0.35
        field = (field * amount).flatten(0, 1)
        return F.grid_sample(field, grid.clamp(-1, 1), padding_mode="border", align_corners=True).permute(0, 2, 3, 1)

    def tint(self, pictures: Tensor) -> Tensor:
        """Change colour, brightness and contrast of each clip, and brightness a little of each frame."""
        batch, num_frames = pictures.shape[:2]
        gain = torch.exp(0.25 * self.randn(batch, 1, 1, 1, 1) + 0.1 * self.randn(batch, 1, 3, 1, 1))
        gain = gain * torch.exp(0.03 * self.randn(batch, num_frames, 1, 1, 1))
        grey = pictures.mean(dim=2, keepdim=True)
        colour = (self.rand(batch, 1, 1, 1, 1) * 1.3).clamp(max=1.15)
        pictures = grey + (pictures - grey) * colour
        gamma = torch.exp(0.25 * self.randn(batch, 1, 1, 1, 1))
        return (pictures.clamp(1e-4, 1) ** gamma * gain).clamp(0, 1)

    def camera(self, frames: Tensor) -> Tensor:
        """Blur, softness and noise of a real camera, on some clips."""
        batch, num_frames, _, height, width = frames.shape
        flat = frames.flatten(0, 1)
        softer = F.interpolate(
            F.interpolate(flat, scale_factor=0.5, mode="bilinear", align_corners=False, antialias=True),
            size=(height, width),
            mode="bilinear",
            align_corners=False,
        ).view_as(frames)
        blend = (self.rand(batch, 1, 1, 1, 1) * 1.6 - 0.6).clamp(0, 1)
        frames = frames * (1 - blend) + softer * blend
        noise = 0.03 * self.rand(batch, 1, 1, 1, 1) ** 2
        return (frames + noise * self.randn(batch, num_frames, 1, height, width)).clamp(0, 1)
