"""UniVS with a tiny random network and vectors of names that are drawn from their letters, as a model of its own."""

from __future__ import annotations

from tests.univs.sharp import LetterWords, sharp_network

from singleout.systems.univs.inference import UniVS


def load() -> UniVS:
    """The system."""
    return UniVS(sharp_network(), name="tiny", words=LetterWords())
