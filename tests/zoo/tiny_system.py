"""Two systems of a few numbers, as a stranger would write them, and official files of the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from singleout.errors import InputError
from singleout.nn.naming import Conversion, rename
from singleout.prompts import Phrase, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.tracks import FrameMasks, ObjectInfo

WIDTHS = {"small": 4, "large": 6}


class TinyNetwork(nn.Module):
    """A linear layer, a head, and a second name for the head."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(3, width)
        self.head = nn.Linear(width, num_classes)
        self.again = self.head


class TinySegmenter(Segmenter):
    """Everything redder than the bias of the stem is the object."""

    abilities = Abilities(frozenset({Phrase}), frozenset({"referring"}), 0)

    def __init__(self, network: TinyNetwork, name: str, tokenizer: Path | None) -> None:
        self.network, self.name, self.tokenizer = network, name, tokenizer

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        has_words = self.tokenizer is not None and (self.tokenizer / "vocab.txt").is_file()
        if not has_words and "token_ids" not in options:
            raise InputError(f"{self.name} has no tokenizer: put one into {self.tokenizer}")
        limit = float(self.network.stem.bias[0])

        def frames():
            for index, frame in enumerate(video.frames()):
                logits = (frame[None, ..., 0].astype("float32") - limit) / 10
                yield FrameMasks(index, [1], [0.9], logits > 0, video.height, video.width)

        return Stream(frames(), {1: ObjectInfo(1, label="red", prompt=prompts[0].text, score=0.9)})


@dataclass(frozen=True)
class TinySystem:
    name: str = "tiny"
    title: str = "Tiny"
    tokenizer: str | None = "acme/tiny-words"
    start: str = "stem"

    def variants(self) -> tuple[str, ...]:
        return tuple(WIDTHS)

    def recognise(self, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        shape = shapes.get(f"net.{self.start}.weight")
        return None if shape is None else {width: name for name, width in WIDTHS.items()}.get(shape[0])

    def configure(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        return {"num_classes": shapes["net.cls.weight"][0]}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        if not isinstance(config.get("num_classes"), int):
            raise InputError(f"num_classes is {config.get('num_classes')!r}, expected a number")
        return TinyNetwork(WIDTHS[variant], config["num_classes"])

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        rules = ((rf"net\.{self.start}\.", "stem."), (r"net\.cls\.", "head."))
        return rename(state, rules, spare=(r".*total_ops$",), tied=((r"net\.copy\.", "net.cls."),))

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        assert isinstance(network, TinyNetwork)
        return TinySegmenter(network, name, tokenizer)


TINY = TinySystem()
OTHER = TinySystem("other", "Other", None, start="trunk")


def official_state(variant: str = "small", num_classes: int = 2, start: str = "stem") -> dict[str, Tensor]:
    """Names and tensors as the authors of Tiny would publish them, with a tied copy and a profiler's left-over."""
    width = WIDTHS[variant]
    head = torch.arange(num_classes * width, dtype=torch.float32).reshape(num_classes, width)
    return {
        f"net.{start}.weight": torch.arange(width * 3, dtype=torch.float32).reshape(width, 3),
        f"net.{start}.bias": torch.full((width,), 128.0),
        "net.cls.weight": head,
        "net.cls.bias": torch.zeros(num_classes),
        "net.copy.weight": head,
        "net.copy.bias": torch.zeros(num_classes),
        f"net.{start}.total_ops": torch.zeros(1),
    }
