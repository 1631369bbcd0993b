"""Checkpoints that others publish: their catalogue, getting and converting them, and loading them as systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singleout.zoo.catalogue import Checkpoint, checkpoints, find_checkpoint
    from singleout.zoo.converting import convert
    from singleout.zoo.fetching import Fetched, fetch, put_in
    from singleout.zoo.loading import Opened, load, open_weights
    from singleout.zoo.report import LoadReport

__all__ = [
    "Checkpoint",
    "Fetched",
    "LoadReport",
    "Opened",
    "checkpoints",
    "convert",
    "fetch",
    "find_checkpoint",
    "load",
    "open_weights",
    "put_in",
]

_HOMES = {
    "Checkpoint": "catalogue",
    "Fetched": "fetching",
    "LoadReport": "report",
    "Opened": "loading",
    "checkpoints": "catalogue",
    "convert": "converting",
    "fetch": "fetching",
    "find_checkpoint": "catalogue",
    "load": "loading",
    "open_weights": "loading",
    "put_in": "fetching",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"singleout.zoo.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
