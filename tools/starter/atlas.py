"""The zip of `prepare` as tensors: people, street cut-outs, sprites and backgrounds, and what their pixels show."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

CELL = 320  # side of the square that a person is stored in
SMALL = 160  # side of the square of sprites and street cut-outs
PHOTO = (448, 640)

STREET = (
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "tree",
    "traffic sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
GROUPS = ("nothing", "unknown photo", "unknown street photo", "void", "person", "cyclist", *STREET[:9])
"""What a pixel can be beside a sprite: the first four are backgrounds of which little is known."""


@dataclass
class Layers:
    """Cut-outs. pictures: (count, 4, side, side) uint8, RGB and alpha. parts: (count, side, side) uint8 garment labels
    (0 none) or None. things: (count,) int64 thing classes."""

    pictures: Tensor
    things: Tensor
    parts: Tensor | None = None


@dataclass
class Backgrounds:
    """Whole pictures. pictures: (count, 3, height, width) uint8. things, parts: (count, height, width) uint8/int16."""

    pictures: Tensor
    things: Tensor
    parts: Tensor


@dataclass
class Atlas:
    """All training pictures, on one device. `classes` names the thing classes: GROUPS, then the sprites' names.

    sprites are drawn, stamps are photographed.
    """

    people: Layers
    street: Layers | None
    sprites: Layers
    stamps: Layers
    photos: Backgrounds
    streets: Backgrounds | None
    fashion: Backgrounds
    street_val: Backgrounds | None
    classes: list[str]
    kinds: list[str]
    garments: list[str]


def paste(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Put (h, w, c) in the middle of a square of zeros, (side, side, c); larger ones are cut."""
    image = image[:side, :side]
    out = np.zeros((side, side, image.shape[2]), np.uint8)
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    out[top : top + image.shape[0], left : left + image.shape[1]] = image
    return out


def cover(image: Image.Image, resample: Image.Resampling) -> Image.Image:
    """Scale to cover a background's size and cut the middle."""
    height, width = PHOTO
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), resample)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def mirror(image: Image.Image, resample: Image.Resampling) -> npt.NDArray[np.uint8]:
    """A tall picture of a person as a wide background: its middle, with its sides mirrored outwards."""
    height, width = PHOTO
    inner = 420
    tall = max(height, round(image.height * inner / image.width))
    array = np.asarray(image.resize((inner, tall), resample))
    top, side = (tall - height) // 3, (width - inner) // 2
    array = array[top : top + height]
    return np.pad(array, [(0, 0), (side, side)] + [(0, 0)] * (array.ndim - 2), mode="symmetric")


def load(path: Path, garments: list[str], *, streets: bool, device: torch.device) -> Atlas:
    """Read the zip. `streets` False leaves out everything of CamVid."""
    archive = zipfile.ZipFile(path)
    names = set(archive.namelist())
    blobs = {name: archive.read(name) for name in names}
    pool = ThreadPoolExecutor(16)

    def picture(name: str) -> Image.Image:
        return Image.open(io.BytesIO(blobs[name]))

    def stems(folder: str) -> list[str]:
        return sorted(name[:-4] for name in names if name.startswith(f"{folder}/") and name.endswith(".jpg"))

    group = {name: index for index, name in enumerate(GROUPS)}

    def person(stem: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        image, labels = np.asarray(picture(f"{stem}.jpg")), np.asarray(picture(f"{stem}.png"))
        return paste(np.dstack([image, (labels > 0).astype(np.uint8) * 255]), CELL), paste(labels[..., None], CELL)[
            ..., 0
        ]

    def fashion(stem: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        image = mirror(picture(f"{stem}.jpg"), Image.Resampling.BILINEAR)
        return image, mirror(picture(f"{stem}.png"), Image.Resampling.NEAREST)

    fashion_stems = stems("ccp")
    people = list(pool.map(person, fashion_stems))
    whole = list(pool.map(fashion, fashion_stems))
    parts = np.stack([labels for _, labels in whole])
    things = np.where(parts > 0, group["person"], group["unknown street photo"]).astype(np.int16)
    fashion_set = Backgrounds(stack([image for image, _ in whole]), torch.from_numpy(things), torch.from_numpy(parts))

    sprites = json.loads(blobs["sprites.json"])
    classes, kinds = list(GROUPS), ["" for _ in GROUPS]
    index_of: dict[str, int] = {}
    for entry in sprites:
        if entry["name"] not in index_of:
            index_of[entry["name"]] = len(classes)
            classes.append(entry["name"])
            kinds.append(entry["kind"])
    sprite_pictures = [
        paste(np.asarray(picture(f"sprites/{index:04d}.webp").convert("RGBA")), SMALL) for index in range(len(sprites))
    ]
    drawn, photographed = (
        Layers(
            stack([sprite_pictures[row] for row in rows]),
            torch.tensor([index_of[sprites[row]["name"]] for row in rows]),
        )
        for rows in ([row for row, entry in enumerate(sprites) if entry["photo"] is photo] for photo in (False, True))
    )

    photos = [np.asarray(picture(f"{stem}.jpg")) for stem in stems("photos")]
    unknown = torch.full((len(photos), *PHOTO), group["unknown photo"], dtype=torch.int16)
    photo_set = Backgrounds(stack(photos), unknown, torch.zeros((len(photos), *PHOTO), dtype=torch.uint8))

    street_layers = street_set = street_val = None
    if streets:
        lookup = np.array([group.get(name, 0) for name in STREET] + [group["void"]], np.int16)
        lookup[STREET.index("pedestrian")] = group["person"]
        lookup[STREET.index("bicyclist")] = group["cyclist"]

        def street(stem: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
            image = np.asarray(cover(picture(f"{stem}.jpg"), Image.Resampling.BILINEAR))
            return image, np.asarray(cover(picture(f"{stem}.png"), Image.Resampling.NEAREST))

        def backgrounds(stems_: list[str]) -> Backgrounds:
            loaded = list(pool.map(street, stems_))
            labels = np.stack([lookup[labels] for _, labels in loaded])
            zeros = torch.zeros(labels.shape, dtype=torch.uint8)
            return Backgrounds(stack([image for image, _ in loaded]), torch.from_numpy(labels), zeros)

        train_stems = stems("camvid-train")
        street_set, street_val = backgrounds(train_stems), backgrounds(stems("camvid-val"))
        cuts, cut_things = [], []
        for stem in train_stems:
            image, labels = np.asarray(picture(f"{stem}.jpg")), np.asarray(picture(f"{stem}.png"))
            for name, least in (("car", 900), ("bicyclist", 500), ("pedestrian", 400)):
                numbered, count = ndimage.label(labels == STREET.index(name))
                for number, where in enumerate(ndimage.find_objects(numbered, count), start=1):
                    inside = numbered[where] == number
                    if inside.sum() < least or min(inside.shape) < 14:
                        continue
                    cut = Image.fromarray(np.dstack([image[where], inside.astype(np.uint8) * 255]))
                    cut.thumbnail((SMALL, SMALL))
                    cuts.append(paste(np.asarray(cut), SMALL))
                    cut_things.append(int(lookup[STREET.index(name)]))
        street_layers = Layers(stack(cuts), torch.tensor(cut_things))

    def move(value: Layers | Backgrounds | None) -> None:
        if value is not None:
            for name in ("pictures", "things", "parts"):
                tensor = getattr(value, name)
                if tensor is not None:
                    setattr(value, name, tensor.to(device))

    people_layers = Layers(
        stack([image for image, _ in people]),
        torch.full((len(people),), group["person"]),
        torch.from_numpy(np.stack([labels for _, labels in people])),
    )
    for value in (people_layers, street_layers, drawn, photographed, photo_set, street_set, fashion_set, street_val):
        move(value)
    pool.shutdown()
    return Atlas(
        people_layers,
        street_layers,
        drawn,
        photographed,
        photo_set,
        street_set,
        fashion_set,
        street_val,
        classes,
        kinds,
        garments,
    )


def stack(images: list[npt.NDArray[np.uint8]]) -> Tensor:
    """(h, w, c) pictures to (count, c, h, w) uint8."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
