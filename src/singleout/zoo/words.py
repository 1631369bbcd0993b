"""The words that a system is given: its text tower is looked for, and opened, when something is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from singleout.errors import InputError
from singleout.vocabularies.combined import UNIVS_PARTS
from singleout.zoo.catalogue import find_checkpoint
from singleout.zoo.embeddings import KeptEmbeddings, read_table
from singleout.zoo.fetching import by_hand, find_fetched, sha256_of
from singleout.zoo.folders import WEIGHTS, is_converted
from singleout.zoo.loading import open_weights
from singleout.zoo.tokenizers import has_tokenizer, kept_tokenizer
from singleout.zoo.towers import TEXT, TEXT_TOWER

if TYPE_CHECKING:
    from torch import Tensor

    from singleout.nn.text.words import Asking, ClipWords, OnNames, SentenceFeatures

# In the folder ``text`` of a converted model: the vectors of all published lists.
CATEGORIES = "category_embeddings.npy"


def open_words(
    source: Path, asking: Asking | None = None, *, tokenizer: Path | None = None, keep: bool = True
) -> ClipWords:
    """The tower of a file or converted folder with its tokenizer, ready to read words.

    asking: UniVS's way by default. tokenizer: a folder; by default the one beside the tower or in the cache. keep:
    whether vectors of names are kept in the cache folder. Raises InputError where either is missing or damaged.
    """
    from singleout.nn.text.clip import ClipTextTower
    from singleout.nn.text.tokens import ClipTokenizer
    from singleout.nn.text.words import UNIVS, ClipWords

    opened = open_weights(source, system=TEXT_TOWER)
    assert isinstance(opened.network, ClipTextTower) and TEXT_TOWER.tokenizer is not None
    candidates = [tokenizer] if tokenizer is not None else [opened.tokenizer, kept_tokenizer(TEXT_TOWER.tokenizer)]
    folder = next((one for one in candidates if one is not None and has_tokenizer(one)), None)
    found = None if folder is None else ClipTokenizer.find(folder)
    if found is None:
        raise InputError(
            f"CLIP's tokenizer is not here: put the files of {TEXT_TOWER.tokenizer}, or CLIP's own "
            "bpe_simple_vocab_16e6.txt.gz, in by singleout get clip --tokenizer-only --tokenizer FILE_OR_FOLDER"
        )
    way = UNIVS if asking is None else asking
    digest = sha256_of(source / WEIGHTS if source.is_dir() else source)
    return ClipWords(opened.network, found, way, KeptEmbeddings(digest, way.digest) if keep else None)


def find_tower(name: str) -> Path:
    """The file or converted folder of a text tower: a path, or a checkpoint of the catalogue that was fetched.

    Raises InputError where there is none.
    """
    path = Path(name)
    if path.exists():
        return path
    checkpoint = find_checkpoint(name)
    file = find_fetched(checkpoint)
    if file is None:
        raise InputError(
            f"the text encoder {checkpoint.name} is not here: singleout get {checkpoint.name} fetches it; "
            f"{by_hand(checkpoint)}"
        )
    return file


@dataclass
class FoundWords:
    """`singleout.nn.text.words.Words` of a system whose tower is a checkpoint of its own.

    tower, table: names in the catalogue, of the tower and of the vectors of all published lists. folder: that of the
    model; its folder ``text`` is looked into first. tokenizer: the folder of the system's tokenizer.
    """

    tower: str
    table: str | None
    folder: Path
    tokenizer: Path | None = None
    _opened: ClipWords | None = field(default=None, repr=False)
    _table: Tensor | None = field(default=None, repr=False)

    @property
    def width(self) -> int:
        """See `Words`."""
        return self._open().width

    def embed_names(self, names: Sequence[str], *, once: bool = False, on_names: OnNames | None = None) -> Tensor:
        """See `Words`."""
        return self._open().embed_names(names, once=once, on_names=on_names)

    def embed_sentences(self, sentences: Sequence[str], *, clean: bool = True, once: bool = False) -> SentenceFeatures:
        """See `Words`."""
        return self._open().embed_sentences(sentences, clean=clean, once=once)

    def embed_vocabulary(self, key: str) -> Tensor:
        """See `Words`. The published table is taken where it is here; without it the packaged names are read."""
        file = self._find_table()
        if file is None:
            return self._open().embed_vocabulary(key)
        if key not in UNIVS_PARTS:
            raise InputError(f"there is no data set {key!r} among {', '.join(UNIVS_PARTS)}")
        if self._table is None:
            self._table = read_published_table(file)
        part = UNIVS_PARTS[key]
        return self._table[part.offset : part.offset + part.count]

    def _open(self) -> ClipWords:
        if self._opened is None:
            inside = self.folder / TEXT
            source = inside if is_converted(inside) else find_tower(self.tower)
            beside = [inside / "tokenizer", self.tokenizer]
            tokenizer = next((one for one in beside if one is not None and has_tokenizer(one)), None)
            self._opened = open_words(source, tokenizer=tokenizer)
        return self._opened

    def _find_table(self) -> Path | None:
        inside = self.folder / TEXT / CATEGORIES
        if inside.is_file():
            return inside
        return None if self.table is None else find_fetched(find_checkpoint(self.table))


def read_published_table(file: Path) -> Tensor:
    """UniVS's table of all its lists, as ``combined_datasets_cls_emb_rn50x4.pth`` has it: (3938, width).

    Raises InputError for a table that cannot be read or has another number of rows.
    """
    import torch

    table = read_table(file)
    rows = max(part.offset + part.count for part in UNIVS_PARTS.values())
    if len(table) != rows:
        raise InputError(f"{file} has {len(table)} rows where {rows} are due, one for each name: take the whole file")
    return torch.from_numpy(table)
