"""MUTR with a tiny random network and a tokenizer of letters, as a model of its own."""

from __future__ import annotations

from tests.mutr.tiny import tiny_network
from tiny_referformer import with_letters

from singleout.systems.mutr.inference import Mutr


def load() -> Mutr:
    """The system."""
    return with_letters(Mutr(tiny_network(), name="tiny", tokenizer=None))
