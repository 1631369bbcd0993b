"""Saved states of systems: tensors and a header of plain values, as the bytes of one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from singleout.errors import InputError


@dataclass(frozen=True)
class StateFormat:
    """Who writes a state; another system's, or another version's, is refused. system: such as ``singleout.starter``."""

    system: str
    version: int

    def pack(self, kind: str, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
        """Bytes that `unpack` reads. kind: "stream" or "session". header: anything that json can hold."""
        from safetensors.torch import save

        text = json.dumps({"system": self.system, "version": self.version, "kind": kind, **header})
        named = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        return bytes(save(named, metadata={"state": text}))

    def unpack(self, kind: str, state: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a state. Raises InputError for bytes of another system, version or kind."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            length = int.from_bytes(state[:8], "little")
            header = json.loads(json.loads(state[8 : 8 + length])["__metadata__"]["state"])
            tensors = dict(load(state))
        except (ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError("the saved state is damaged or of another program; start again without it") from error
        found = (header.get("system"), header.get("version"), header.get("kind"))
        if found != (self.system, self.version, kind):
            raise InputError(
                f"the saved state is of {found[0]} version {found[1]} ({found[2]}), expected {self.system} version "
                f"{self.version} ({kind}); start again without it"
            )
        return header, tensors


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under names that begin with ``prefix.``."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `prefixed`."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
