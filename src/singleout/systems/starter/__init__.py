"""The starter: the small system that ships inside the package, for every kind of prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from singleout.segmenter import Segmenter


def load() -> Segmenter:
    """The starter with the weights of the package."""
    from singleout.systems.starter.checkpoint import load_network
    from singleout.systems.starter.inference import Starter
    from singleout.systems.starter.known import Known
    from singleout.systems.starter.words import Words

    return Starter(load_network(), Known.load(Words.load()))
