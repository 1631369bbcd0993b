"""OVSeg with a tiny random network: a model by itself, and a system whose weights come in a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.ovseg.tiny import TINY, tiny_segmenter
from torch import Tensor, nn

from singleout.nn.naming import Conversion
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.systems.ovseg.system import OVSegSystem


def load() -> OVSeg:
    """The model, whose tokenizer is read before its folder goes."""
    with tempfile.TemporaryDirectory() as folder:
        system = tiny_segmenter(Path(folder))
        assert system.words is not None
        return system


class TinyOVSeg(OVSegSystem):
    """OVSeg for files of the tiny network under our own names."""

    def recognise(self, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        return "r101c" if "no_object" in shapes else None

    def configure(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        return {}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        return OVSegNetwork(TINY)

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        return Conversion(dict(state))


SYSTEM = TinyOVSeg()
