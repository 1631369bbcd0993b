"""Text towers of CLIP's kind as files of their own: recognised, converted and opened as systems are, for words only.

UniVS keeps its tower outside of its checkpoint, OVSeg's is a part of it, and OpenAI's come alone. `TEXT_TOWER` reads
each of them. A converted model that reads words through a tower has it in its folder ``text``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.naming import Conversion
from singleout.systems.catalog import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter

# The folder's name in that of a converted model.
TEXT = "text"
# What the catalogue calls OpenAI's own checkpoints, whose tokenizer all of these towers have.
CLIP = "clip"


@dataclass(frozen=True)
class ClipTextSystem:
    """What the zoo has to know of a text tower, as a `System` of `singleout.systems.catalog` that segments nothing."""

    name: str = "clip-text"
    title: str = "CLIP's text tower"
    tokenizer: str | None = "openai/clip-vit-base-patch32"

    def variants(self) -> tuple[str, ...]:
        """By the width of the tower; files of one width differ in nothing that could be recognised."""
        return ("width-512", "width-640", "width-768")

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """Any file that has such a tower in it, be it alone or a part of a model."""
        from singleout.nn.text.clip import find_tower

        found = find_tower(shapes)
        return None if found is None else f"width-{found[1].width}"

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The sizes of the tower."""
        from singleout.nn.text.clip import find_tower

        found = find_tower(shapes)
        if found is None:
            raise InputError("there is no text tower of CLIP's kind in it")
        return asdict(found[1])

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """A tower of these sizes with random weights."""
        from singleout.nn.text.clip import ClipTextSize, ClipTextTower

        known = {field.name for field in fields(ClipTextSize)}
        if set(config) != known or not all(isinstance(size, int) and size > 0 for size in config.values()):
            raise InputError(f"the configuration of a text tower takes {', '.join(sorted(known))}; got {dict(config)}")
        return ClipTextTower(ClipTextSize(**config))

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours; all of the file that is not the tower is ignored."""
        from singleout.nn.text.clip import convert_names, find_tower

        found = find_tower({name: tuple(tensor.shape) for name, tensor in state.items()})
        return convert_names(state, "" if found is None else found[0])

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """There is none. Raises InputError."""
        raise InputError(
            f"{name} is a text tower, which segments nothing by itself: put it into the folder {TEXT} of a converted "
            "model (singleout convert), or make a classifier with it (singleout classifier make --tower)"
        )


TEXT_TOWER = ClipTextSystem()
