"""The tokenizer of a system by itself, for weights that are here already."""

from __future__ import annotations

from pathlib import Path

from singleout.errors import InputError
from singleout.systems.catalog import find_system, system_names
from singleout.zoo.places import is_offline
from singleout.zoo.tokenizers import copy_tokenizer, has_tokenizer, keep_tokenizer, kept_tokenizer
from singleout.zoo.towers import CLIP, TEXT_TOWER


def add_tokenizer(name: str, source: Path | None, *, offline: bool = False) -> Path:
    """Keep the tokenizer of a system in the cache, where every model of that system finds it; returns its folder.

    name: of the system or of one of its checkpoints. source: a folder with the tokenizer's files, or CLIP's table of
    byte pairs; None fetches them from the hub. Raises InputError for a system that has none, files that are not there,
    and a hub that gives nothing.
    """
    system = name.partition("/")[0]
    if system not in (*system_names(), CLIP):
        known = ", ".join((*system_names(), CLIP))
        raise InputError(f"{name} is of no system that singleout runs: expected one of {known}")
    repository = TEXT_TOWER.tokenizer if system == CLIP else find_system(system).tokenizer
    if repository is None:
        raise InputError(f"{system} reads no sentences, so it has no tokenizer")
    kept = kept_tokenizer(repository)
    if source is not None:
        copy_tokenizer(source, kept)
    elif not has_tokenizer(kept):
        if offline or is_offline():
            raise InputError(
                f"the tokenizer {repository} is not here, and no network may be used: give --tokenizer FOLDER"
            )
        keep_tokenizer(repository)
    return kept
