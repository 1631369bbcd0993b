"""Segmenters made of Segmenters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singleout.combine.clicks import ClicksFirst, takes_clicks
    from singleout.combine.find_then_follow import FindThenFollow

__all__ = ["ClicksFirst", "FindThenFollow", "takes_clicks"]

_HOMES = {"ClicksFirst": "clicks", "FindThenFollow": "find_then_follow", "takes_clicks": "clicks"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"singleout.combine.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
