"""Names and shapes of OVSeg's official checkpoints, and of its CLIP alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from tests.parity.goldens import Comparison, Context
from tests.parity.weights import shapes_of
from torch import Tensor

from singleout.nn.clip_towers import SPARE, Clip, clip_rules, find_clip
from singleout.nn.naming import rename
from singleout.systems.ovseg.system import SYSTEM

PART = "ovseg"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if not path.name.startswith("keys-"):
        return False
    shapes = shapes_of(path)
    return SYSTEM.recognise(shapes) is not None or find_clip(shapes) is not None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    for name in golden.names():
        golden.input(name)
    shapes = shapes_of(path)
    official = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    variant = SYSTEM.recognise(shapes)
    if variant is None:
        size = find_clip(shapes)
        assert size is not None
        with torch.device("meta"):
            own = Clip(size).state_dict()
        conversion = rename(official, clip_rules(), spare=SPARE)
    else:
        told = "r101c" if "r101c" in path.stem else "swin-b" if "swinb" in path.stem else variant
        yield Comparison("variant", variant, told)
        with torch.device("meta"):
            own = SYSTEM.build(variant, SYSTEM.configure(variant, shapes)).state_dict()
        conversion = SYSTEM.convert_names(official)
    yield Comparison("names and shapes", _listed(own), _listed(conversion.state))
    spare = sorted(name for name in official if not golden.names(f"keys/{name}"))
    yield Comparison("names that are not needed", np.array(sorted(conversion.ignored)), np.array(spare))


def _listed(state: Mapping[str, Tensor]) -> np.ndarray:
    return np.array([f"{name} {list(one.shape)}" for name, one in sorted(state.items())])
