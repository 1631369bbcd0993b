"""SOC with a tiny random network and a tokenizer of letters, as a model of its own."""

from __future__ import annotations

from tests.soc.tiny import tiny_network
from tiny_referformer import with_letters

from singleout.systems.soc.inference import Soc


def load() -> Soc:
    """The system."""
    return with_letters(Soc(tiny_network(), name="tiny", tokenizer=None))
