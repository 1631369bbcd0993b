"""Converted folders: ``config.json``, ``model.safetensors``, a card ``README.md``, and ``tokenizer/`` where needed.

``config.json`` states the form of the folder, the system and its variant, what the network is built from, the size
and SHA-256 of the weights, and the file that they were converted from.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.media.atomic import atomic_folder
from singleout.version import __version__
from singleout.zoo.fetching import sha256_of

if TYPE_CHECKING:
    from torch import Tensor, nn

FORM = "singleout-model"
VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


@dataclass(frozen=True)
class Converted:
    """The content of a converted folder. state: our names, on the CPU."""

    system: str
    variant: str
    config: dict[str, Any]
    state: dict[str, Tensor]


def is_converted(folder: Path) -> bool:
    """Whether a folder looks like one of ours; it may still be damaged."""
    return (folder / CONFIG).is_file()


def write_converted(
    folder: Path,
    network: nn.Module,
    *,
    system: str,
    variant: str,
    config: dict[str, Any],
    source: dict[str, Any],
    card: str,
    tokenizer: Path | None,
    overwrite: bool = False,
) -> None:
    """Write a folder as a whole or not at all.

    source: what the weights were converted from, for config.json. tokenizer: a folder of tokenizer files to copy.
    Raises InputError where the folder holds something and is not to be overwritten, or cannot be written.
    """
    from safetensors.torch import save_file

    from singleout.zoo.tokenizers import TOKENIZER, copy_tokenizer

    with atomic_folder(folder, overwrite=overwrite) as made:
        save_file(_once_each(network), made / WEIGHTS, metadata={"format": "pt", "system": system, "variant": variant})
        stated = {
            "form": FORM,
            "form_version": VERSION,
            "system": system,
            "variant": variant,
            "config": config,
            "weights": {"bytes": (made / WEIGHTS).stat().st_size, "sha256": sha256_of(made / WEIGHTS)},
            "source": source,
            "singleout": __version__,
        }
        (made / CONFIG).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
        # safetensors writes for the user alone; the weights are for whoever may read the folder.
        shutil.copymode(made / CONFIG, made / WEIGHTS)
        (made / CARD).write_text(card, encoding="utf-8")
        if tokenizer is not None:
            copy_tokenizer(tokenizer, made / TOKENIZER)


def read_config(folder: Path) -> dict[str, Any]:
    """The content of ``config.json``. Raises InputError where it is not one of ours or of a later version."""
    file = folder / CONFIG
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if not isinstance(stated, dict) or stated.get("form") != FORM:
        raise InputError(f'{file} is not of singleout: expected "form": "{FORM}"')
    if stated.get("form_version") != VERSION:
        raise InputError(f"{file} is of version {stated.get('form_version')}, this singleout reads {VERSION}")
    kinds = {"system": str, "variant": str, "config": dict, "weights": dict}
    for key, kind in kinds.items():
        if not isinstance(stated.get(key), kind):
            raise InputError(f"{file} is damaged: {key} is missing or no {kind.__name__}")
    return stated


def read_converted(folder: Path) -> Converted:
    """A converted folder with its weights held against their checksum. Raises InputError where it is damaged."""
    from singleout.zoo.reading import read_weights

    stated = read_config(folder)
    file = folder / WEIGHTS
    if not file.is_file():
        raise InputError(f"{file} is missing: convert the official file again")
    size, expected = file.stat().st_size, stated["weights"].get("bytes")
    if size != expected:
        raise InputError(f"{file} is damaged: {size} bytes, {expected} are expected; convert the official file again")
    if sha256_of(file) != stated["weights"].get("sha256"):
        raise InputError(f"{file} is damaged: its SHA-256 is not that of {CONFIG}; convert the official file again")
    return Converted(stated["system"], stated["variant"], stated["config"], read_weights(file).state)


def _once_each(network: nn.Module) -> dict[str, Tensor]:
    """Every tensor under the first of its names: safetensors holds none twice."""
    kept: dict[int, str] = {}
    state: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if tensor.numel() and kept.setdefault(tensor.data_ptr(), name) != name:
            continue
        state[name] = tensor.contiguous()
    return state
