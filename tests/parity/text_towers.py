"""CLIP's text towers filled by the rule that the official ones were filled by, with CLIP's own tokenizer."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from tests.bpe_table import MISSING, find_table
from tests.parity.goldens import CannotReplayError, Context
from tests.parity.weights import official_state

from singleout.nn.text.clip import ClipTextTower, convert_names, find_tower
from singleout.nn.text.tokens import ClipTokenizer
from singleout.nn.text.words import UNIVS, Asking, ClipWords
from singleout.zoo.tokenizers import copy_tokenizer


@cache
def tokenizer() -> ClipTokenizer:
    """CLIP's. Raises CannotReplayError where its table is not here."""
    table = find_table()
    if table is None:
        raise CannotReplayError(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        copy_tokenizer(table, Path(folder) / "tokenizer")
        found = ClipTokenizer.find(Path(folder) / "tokenizer")
    assert found is not None
    return found


@cache
def tower(manifest: Path, salt: str = "") -> ClipTextTower:
    """The text tower of a key manifest, filled; what else the manifest lists is left out."""
    from singleout.nn.loading import load_network

    state = official_state(manifest, salt)
    found = find_tower({name: tuple(tensor.shape) for name, tensor in state.items()})
    if found is None:
        raise CannotReplayError(f"{manifest} lists no text tower")
    prefix, size = found
    return load_network(lambda: ClipTextTower(size), convert_names(state, prefix).state)


def univs_words(path: Path, context: Context, salt: str, keys: str = "keys-text-encoder.json") -> ClipWords:
    """UniVS's tower for a golden, with its way of asking."""
    return words_of(context.side_file(path, "univs", keys), salt, UNIVS)


def words_of(manifest: Path, salt: str, asking: Asking) -> ClipWords:
    """The tower of a manifest with a way of asking."""
    return ClipWords(tower(manifest, salt), tokenizer(), asking)
