"""The table that CLIP's tokenizer comes as, turned into the files that transformers reads a tokenizer from."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

from singleout.errors import InputError

# CLIP takes as many lines as make 49408 tokens of them, with the bytes, the bytes that end a word, and two marks.
_TOKENS = 49408
_BYTES = 256
_MARKS = ("<|startoftext|>", "<|endoftext|>")
_MERGES = _TOKENS - 2 * _BYTES - len(_MARKS)
# Bytes that are letters of their own; the others are written as the letters from U+0100 on.
_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))


def read_bpe_table(table: Path) -> dict[str, str]:
    """``vocab.json`` and ``merges.txt`` of a ``bpe_simple_vocab_16e6.txt.gz``, by name.

    Raises InputError for a file that is damaged or something else.
    """
    try:
        lines = gzip.decompress(table.read_bytes()).decode("utf-8").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as CLIP's table of byte pairs: {error}") from error
    merges = lines[1 : _MERGES + 1]
    if len(merges) != _MERGES or any(len(line.split(" ")) != 2 for line in merges):
        raise InputError(
            f"{table} is not CLIP's table of byte pairs: expected {_MERGES} lines of two, as in "
            "bpe_simple_vocab_16e6.txt.gz"
        )
    others = [byte for byte in range(_BYTES) if byte not in _PRINTED]
    letters = [*map(chr, _PRINTED), *(chr(_BYTES + place) for place in range(len(others)))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(line.split()) for line in merges), *_MARKS]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return {"vocab.json": json.dumps(vocabulary), "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}
