"""Video in and out: reading frames, shot cuts, mask images, and writing files whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singleout.media.images import read_ids
    from singleout.media.samples import demo_clip
    from singleout.media.shots import detect_shots
    from singleout.media.sources import DamagedError
    from singleout.media.video import Video

__all__ = ["DamagedError", "Video", "demo_clip", "detect_shots", "read_ids"]

_HOMES = {
    "DamagedError": "sources",
    "Video": "video",
    "demo_clip": "samples",
    "detect_shots": "shots",
    "read_ids": "images",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"singleout.media.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
