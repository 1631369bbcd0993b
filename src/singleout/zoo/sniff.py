"""What kind of file one is, by its first bytes: weights in one of their forms, or what came instead of them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from singleout.errors import InputError

Kind = Literal["torch", "legacy", "pickle", "safetensors", "scripted", "numpy"]

# The pickled magic number that torch.save began files with until 2020.
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def check_is_weights(file: Path, called: str | Path | None = None) -> Kind:
    """The form of a file of weights; its content is not read.

    called: what messages call it. Raises InputError for an empty file, a web page, a text, an archive of something
    else, and a file whose end is missing.
    """
    name = called or file
    try:
        with file.open("rb") as opened:
            start = opened.read(512)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    if not start:
        raise InputError(f"{name} is empty: fetch it again")
    if start.startswith(b"PK\x03\x04"):
        return _look_into_zip(file, name)
    if start.lstrip()[:1] == b"<" or b"<html" in start.lower():
        raise InputError(f"{name} is a web page, not weights: the download did not work; fetch it again")
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{name} is a pointer of Git LFS, not the weights: run git lfs pull, or fetch the file itself")
    if start.startswith(b"\x93NUMPY"):
        return "numpy"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32:
        return "safetensors"
    if start[:1] == b"\x80" and start[1] <= 5:
        return "legacy" if _LEGACY in start[:32] else "pickle"
    raise InputError(f"{name} is not a file of weights: expected .pth, .pt, .pkl or .safetensors content")


def _look_into_zip(file: Path, name: str | Path) -> Kind:
    if not zipfile.is_zipfile(file):
        raise InputError(f"{name} is cut off: its end, with the table of contents, is missing; fetch it again")
    try:
        with zipfile.ZipFile(file) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise InputError(f"{name} is damaged: its table of contents cannot be read ({error})") from error
    if any(entry.endswith("/constants.pkl") for entry in inside):
        return "scripted"
    if not any(entry.endswith("/data.pkl") for entry in inside):
        raise InputError(f"{name} is a zip of something else than weights: unpack it, and give the .pth inside")
    return "torch"
