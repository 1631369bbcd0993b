"""OV2Seg with a tiny random network, as a model of its own."""

from __future__ import annotations

from tests.ov2seg.tiny import tiny_system

from singleout.systems.ov2seg.inference import OV2Seg


def load() -> OV2Seg:
    """The system."""
    return tiny_system()
