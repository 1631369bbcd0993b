"""Saved states: tensors and a header of plain values, as the bytes of one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from singleout.errors import InputError

SYSTEM = "singleout.starter"
VERSION = 1


def pack(kind: str, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    """Bytes that `unpack` reads. kind: "stream" or "session". header: anything that json can hold."""
    from safetensors.torch import save

    text = json.dumps({"system": SYSTEM, "version": VERSION, "kind": kind, **header})
    named = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    return bytes(save(named, metadata={"state": text}))


def unpack(kind: str, state: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
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
    if found != (SYSTEM, VERSION, kind):
        raise InputError(
            f"the saved state is of {found[0]} version {found[1]} ({found[2]}), expected {SYSTEM} version {VERSION} "
            f"({kind}); start again without it"
        )
    return header, tensors


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under names that begin with ``prefix.``."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `prefixed`."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
