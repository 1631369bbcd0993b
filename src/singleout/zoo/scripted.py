"""The numbers in a TorchScript archive, such as OpenAI publishes CLIP in; the program in it is neither read nor run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.zoo.pickles import reading_pickle
from singleout.zoo.stored import StoredReader, StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

# Deeper than any network; a module inside of itself would have no end.
_DEEPEST = 64


class _Module:
    """A module of the program, as a bag of what it holds."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise ValueError("a module that does not hold its parts by name")
        self.held = state


class _ScriptReader(StoredReader):
    """Builds modules as bags, and what tensors are made of."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """See `StoredReader`."""
        if module_name.startswith("__torch__"):
            return _Module
        return super().find_class(module_name, global_name)


def read_scripted(file: Path) -> dict[str, Tensor]:
    """Every tensor of the modules of an archive, by the names that its state dict would have.

    Raises InputError where the archive is damaged, or names anything but modules, tensors and plain containers.
    """
    import torch

    with reading_pickle(file):
        found = dict(_tensors(_ScriptReader.of(file).load()))
    return {name: torch.from_numpy(stored.array().copy()) for name, stored in found.items()}


def _tensors(node: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, StoredTensor]]:
    if depth > _DEEPEST:
        raise ValueError("modules inside of each other without an end")
    if isinstance(node, StoredTensor):
        yield prefix.removesuffix("."), node
    elif isinstance(node, _Module):
        for name, held in node.held.items():
            yield from _tensors(held, f"{prefix}{name}.", depth + 1)
