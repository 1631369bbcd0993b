"""Segmenters made of Segmenters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singleout.combine.clicks import ClicksFirst, takes_clicks
    from singleout.combine.find_then_follow import FindThenFollow
    from singleout.combine.renaming import rename_tracks

__all__ = ["ClicksFirst", "FindThenFollow", "rename_tracks", "takes_clicks"]

_HOMES = {
    "ClicksFirst": "clicks",
    "FindThenFollow": "find_then_follow",
    "rename_tracks": "renaming",
    "takes_clicks": "clicks",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"singleout.combine.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
