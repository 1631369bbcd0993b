"""OV2Seg with a tiny random network: a model by itself, and a system whose weights come in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.ov2seg.tiny import TINY, tiny_system
from torch import Tensor, nn

from singleout.nn.naming import Conversion
from singleout.systems.ov2seg.inference import OV2Seg
from singleout.systems.ov2seg.network import OV2SegNetwork
from singleout.systems.ov2seg.system import OV2SegSystem


def load() -> OV2Seg:
    """The system."""
    return tiny_system()


class TinyOV2Seg(OV2SegSystem):
    """OV2Seg for files of the tiny network under our own names."""

    def recognise(self, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        return "resnet-50" if "decoder.query_features" in shapes else None

    def configure(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        return {}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        return OV2SegNetwork(TINY)

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        return Conversion(dict(state))


SYSTEM = TinyOV2Seg()
