"""Sizes that ReferFormer (Wu et al. 2022) and the networks built on it have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from singleout.errors import InputError
from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.text.roberta import RobertaSize


@dataclass(frozen=True)
class ReferringConfig:
    """Shape of the network; the defaults are what all published variants share."""

    backbone: BackboneConfig  #: what turns frames into maps of four strides
    text: RobertaSize = field(default_factory=RobertaSize)  #: what turns sentences into vectors
    num_classes: int = 1  #: rows of the class heads; one says only whether a query is the object
    num_queries: int = 5  #: candidates in each frame
    width: int = 256  #: channels of everything after the backbone
    num_heads: int = 8  #: of every attention
    encoder_layers: int = 4  #: layers in which the maps of a frame see each other
    decoder_layers: int = 4  #: layers in which the queries look at them
    feedforward: int = 2048  #: width of the feed-forward parts
    num_points: int = 4  #: places that a head looks at on each level
    mask_width: int = 256  #: channels of the map that masks are read from
    mask_channels: int = 8  #: of the convolutions that a query makes up
    dropout: float = 0.1  #: in training


Config = TypeVar("Config", bound=ReferringConfig)


def find_variant(system: str, variants: Mapping[str, Config], variant: str, settings: Mapping[str, Any]) -> Config:
    """The shape of a variant with as many classes as its weights have.

    settings: ``num_classes``, or nothing. Raises InputError for a variant or settings that are not there.
    """
    if variant not in variants:
        raise InputError(f"{system} has no variant {variant!r}; it has: {', '.join(variants)}")
    classes = settings.get("num_classes", 1)
    if settings.keys() - {"num_classes"} or not isinstance(classes, int) or classes < 1:
        raise InputError(f"the configuration of {system} takes num_classes, a number from 1 on; got {dict(settings)}")
    return replace(variants[variant], num_classes=classes)
