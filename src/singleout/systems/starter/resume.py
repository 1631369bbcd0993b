"""Saved states of the starter; see `singleout.nn.states`."""

from __future__ import annotations

from singleout.nn.states import StateFormat, prefixed, under

__all__ = ["pack", "prefixed", "under", "unpack"]

_FORMAT = StateFormat("singleout.starter", 1)
pack, unpack = _FORMAT.pack, _FORMAT.unpack
