"""VSPW: ``data/<video>/{origin/*.jpg,mask/*.png}`` and ``<split>.txt`` with a video a line."""

from __future__ import annotations

from pathlib import Path

from singleout.data.files import first_of, paths_for, read_names, stems, the_folder
from singleout.data.records import MaskedVideo


def read(root: Path, *, split: str = "val") -> tuple[MaskedVideo, ...]:
    """The videos of a split in the order of its list; in masks 0 is other, 255 void and 1 to 124 the classes.

    Frames are those of origin and mask together. Raises InputError where list or folder are missing.
    """
    names = read_names(first_of(root, [f"{split}.txt"], "the videos of the split, one a line"))
    the_folder(root / "data", "a folder for each video")
    return tuple(_video(root / "data" / name) for name in names)


def _video(folder: Path) -> MaskedVideo:
    images, masks = folder / "origin", folder / "mask"
    names = stems(images, masks)
    return MaskedVideo(folder.name, names, paths_for(images, names, ".jpg"), paths_for(masks, names, ".png"))
