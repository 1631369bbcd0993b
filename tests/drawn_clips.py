"""Drawn clips that small networks learn: textured things that move in front of a moving picture of leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH = 96, 128


@dataclass(frozen=True)
class Clip:
    """frames: (time, height, width, 3) uint8. masks: (time, height, width) bool. boxes: (time, 4), centre and size."""

    frames: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray


def draw_clip(seed: int, num_frames: int = 3) -> Clip:
    """A round (even seeds) or square thing with a cloudy skin moves in front of a picture that moves as well."""
    dice = np.random.default_rng(seed)
    frames, ids = _draw(dice, num_frames, [(seed % 2 == 0, (0.35, 0.65), (20, 26))])
    masks = ids == 1
    boxes = []
    for mask in masks:
        inside_y, inside_x = np.nonzero(mask)
        left, right, top, bottom = inside_x.min(), inside_x.max() + 1, inside_y.min(), inside_y.max() + 1
        size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        boxes.append(np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]) / size)
    return Clip(frames, masks, np.stack(boxes).astype(np.float32))


def draw_scene(seed: int, num_frames: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two things, round (1) and square (2), the second in front of the first where they meet.

    Gives frames (time, height, width, 3) uint8 and ids (time, height, width) uint8, 0 where the ground is.
    """
    things = [(True, (0.25, 0.4), (17, 21)), (False, (0.6, 0.75), (15, 19))]
    return _draw(np.random.default_rng(seed), num_frames, things)


def _draw(
    dice: np.random.Generator,
    num_frames: int,
    things: list[tuple[bool, tuple[float, float], tuple[int, int]]],
) -> tuple[np.ndarray, np.ndarray]:
    """things: each whether it is round, where it begins as shares of the sides, and its radius in pixels."""
    ground = _leaves(dice, HEIGHT + 20, WIDTH + 20)
    made = []
    for is_round, place, sizes in things:
        skin = dice.uniform(60, 190, 3) + 45 * _clouds(dice, HEIGHT, WIDTH)
        x, y = (dice.uniform(*place) * side for side in (WIDTH, HEIGHT))
        made.append((is_round, skin, x, y, dice.uniform(-4, 4, 2), dice.uniform(*sizes)))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frames, ids = [], np.zeros((num_frames, HEIGHT, WIDTH), np.uint8)
    for index in range(num_frames):
        picture = ground[3 * index : 3 * index + HEIGHT, 2 * index : 2 * index + WIDTH].copy()
        for number, (is_round, skin, x, y, step, radius) in enumerate(made, start=1):
            dx, dy = columns - (x + index * step[0]), rows - (y + index * step[1])
            mask = (np.hypot(dx, dy) if is_round else np.maximum(abs(dx), abs(dy))) <= radius
            picture[mask] = np.roll(skin, (round(index * step[1]), round(index * step[0])), axis=(0, 1))[mask]
            ids[index][mask] = number
        # A camera's noise is another in every frame.
        picture += dice.normal(0, 4, picture.shape)
        frames.append(picture.clip(0, 255).astype(np.uint8))
    return np.stack(frames), ids


def _leaves(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Things of all sizes in front of each other, each with its shading: (height, width, 3) float.

    Such "dead leaves" have the edges, the occlusions and the statistics of photographs (Lee, Mumford and Huang 2001).
    """
    image = Image.new("RGB", (width, height), (120, 120, 120))
    drawn = ImageDraw.Draw(image)
    for radius in 3 / np.sqrt(dice.uniform(0.005, 1, 600)):
        x, y = dice.uniform(0, width), dice.uniform(0, height)
        across, down = radius * dice.uniform(0.5, 1, 2)
        colour = (dice.normal(120, 40) + dice.normal(0, 18, 3)).clip(0, 255).astype(int)
        drawn.ellipse((x - across, y - down, x + across, y + down), fill=tuple(colour.tolist()))
    grained: np.ndarray = np.asarray(image, np.float64) + 9 * _clouds(dice, height, width)
    return grained


def _clouds(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise that falls with the frequency, as in photographs, mostly grey: (height, width, 3) of deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    noise = dice.normal(size=(3, height, width)) * 0.3 + dice.normal(size=(height, width))
    clouds = np.fft.irfft2(np.fft.rfft2(noise) / np.maximum(frequency, 1 / max(height, width)), (height, width))
    return np.moveaxis(clouds / clouds.std(axis=(1, 2), keepdims=True), 0, 2)
