"""The tokenizer that stands beside weights, as files that transformers' ``AutoTokenizer`` opens without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

from singleout.errors import InputError
from singleout.media.atomic import atomic_folder
from singleout.zoo.bpe_table import read_bpe_table
from singleout.zoo.places import cache_folder

# The folder's name beside a checkpoint and in a converted folder.
TOKENIZER = "tokenizer"
# config.json tells AutoTokenizer the kind of model, which older repositories state nowhere else.
_FILES = [
    "config.json",
    "merges.txt",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
]
# Each is enough by itself.
_ENOUGH = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",))
_EXPECTED = "expected " + ", or ".join(" and ".join(names) for names in _ENOUGH)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds the files of a tokenizer."""
    return any(all((folder / name).is_file() for name in names) for names in _ENOUGH)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the files of a tokenizer, and nothing else, into a new folder.

    source: a folder, or the table of CLIP's tokenizer, ``bpe_simple_vocab_16e6.txt.gz``. Raises InputError where source
    has none.
    """
    if source.is_file():
        with atomic_folder(folder, overwrite=True) as made:
            for name, content in read_bpe_table(source).items():
                (made / name).write_text(content, encoding="utf-8")
        return
    if not has_tokenizer(source):
        raise InputError(f"{source} has no tokenizer: {_EXPECTED}")
    with atomic_folder(folder, overwrite=True) as made:
        for name in _FILES:
            if (source / name).is_file():
                shutil.copyfile(source / name, made / name)


def kept_tokenizer(repository: str) -> Path:
    """Where the cache keeps the tokenizer of a repository on the hub, there or not."""
    return cache_folder() / "tokenizers" / repository.replace("/", "--")


def keep_tokenizer(repository: str) -> Path:
    """The tokenizer of a repository on the hub, kept in the cache; it is fetched where it is not there yet.

    Raises InputError where the hub cannot be reached or has none there.
    """
    kept = kept_tokenizer(repository)
    if not has_tokenizer(kept):
        from singleout.zoo.hub import fetch_hub_files

        with atomic_folder(kept, overwrite=True) as made:
            fetch_hub_files(repository, _FILES, made)
            if not has_tokenizer(made):
                raise InputError(f"{repository} on the hub has no tokenizer: {_EXPECTED}")
    return kept
