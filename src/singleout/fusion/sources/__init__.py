"""Masks of sentences that were made elsewhere, read frame by frame: files of torch.save, arrays, pictures.

Three forms are known: ``.pth`` files as the challenge's programs write them, ``{video: {sentence: {"mask_logits": (num_
frames, height, width), "class_info": a score for each frame}}}``, one or a folder of them; a folder of arrays,
``<video>/<sentence>.npz`` with ``masks`` and perhaps ``scores``; and a folder of pictures,
``<video>/<sentence>/<frame>.png``. Nothing of a file is run.
"""

from __future__ import annotations

from pathlib import Path

from singleout.errors import InputError
from singleout.fusion.sources.arrays import ArraySource
from singleout.fusion.sources.base import Source
from singleout.fusion.sources.pictures import PictureSource
from singleout.fusion.sources.torch_files import TorchSource

__all__ = ["Source", "open_source"]


def open_source(path: Path) -> Source:
    """Find out what a file or folder is. Raises InputError for one that is missing or of no known form."""
    if path.is_file():
        return TorchSource(path, [path])
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; it should hold the masks of a member")
    parts = sorted(path.glob("*.pth"))
    if parts:
        return TorchSource(path, parts)
    folder = path / "Annotations" if (path / "Annotations").is_dir() else path
    if next(folder.glob("*/*.npz"), None) is not None:
        return ArraySource(folder)
    if next(folder.glob("*/*/*.png"), None) is not None:
        return PictureSource(folder)
    raise InputError(
        f"{path} holds no masks: expected .pth files, <video>/<sentence>.npz or <video>/<sentence>/<frame>.png"
    )
