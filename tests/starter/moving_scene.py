"""A small video whose content is known exactly: textured discs over a textured, moving ground."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH, NUM_FRAMES = 128, 192, 14


def texture(seed: int, height: int, width: int, tint: tuple[float, float, float]) -> np.ndarray:
    """Blotches of about eight pixels around a colour: (height, width, 3) float."""
    dice = np.random.default_rng(seed)
    coarse = dice.normal(size=(height // 8 + 2, width // 8 + 2, 3))
    fine = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width]
    return np.asarray(tint) + 25 * fine


class Scene:
    """Two discs that move over a ground, then, after a cut, another ground alone."""

    def __init__(self, num_frames: int = NUM_FRAMES, cut: int | None = None) -> None:
        self.cut = num_frames if cut is None else cut
        grounds = [texture(1, HEIGHT + 40, WIDTH + 40, (70, 120, 60)), texture(2, HEIGHT, WIDTH, (180, 170, 200))]
        skins = [texture(3, 80, 80, (210, 60, 50)), texture(4, 80, 80, (60, 70, 200))]
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        self.frames = np.zeros((num_frames, HEIGHT, WIDTH, 3), np.uint8)
        self.ids = np.zeros((num_frames, HEIGHT, WIDTH), np.int32)
        for index in range(num_frames):
            if index >= self.cut:
                self.frames[index] = np.clip(grounds[1], 0, 255)
                continue
            picture = grounds[0][index : index + HEIGHT, index : index + WIDTH].copy()
            for number, (x, y, radius) in enumerate([(48 + 3 * index, 84, 32), (144 - 2 * index, 34 + index, 26)]):
                inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
                skin = skins[number][(rows - y) % 80, (columns - x) % 80]
                picture[inside] = skin[inside]
                self.ids[index][inside] = number + 1
            self.frames[index] = np.clip(picture, 0, 255)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0
