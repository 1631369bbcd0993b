"""Sizes of the starter, the small model that ships inside the package."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.nn.backbones.efficientnet_lite import CHANNELS


@dataclass(frozen=True)
class StarterConfig:
    """Widths of the network and the shape of its memory; the published starter is the default."""

    widths: tuple[int, int, int, int] = (48, 96, 128, 128)  #: channels of the neck at strides 4, 8, 16, 32
    key_width: int = 64  #: learned part of the keys that are matched over the whole picture, at stride 16
    value_width: int = 48  #: of what is read from memory, per object, at stride 16
    local_width: int = 48  #: learned part of the keys that are matched in a window of the last frame, at stride 8
    local_radius: int = 7  #: of that window, in cells of 8 pixels
    text_width: int = 128  #: of the text tower's vectors
    recent_frames: int = 4  #: memory frames kept beside the first one
    memory_gap: int = 3  #: every how many frames one joins the memory
    top_k: int = 40  #: memory cells that a cell reads from

    @property
    def key_channels(self) -> int:
        """Width of the whole keys at stride 16: what the backbone sees and what is learned."""
        return self.key_width + CHANNELS[16]

    @property
    def local_channels(self) -> int:
        """Width of the whole keys at stride 8."""
        return self.local_width + CHANNELS[8]
