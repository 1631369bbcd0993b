"""The table that queries are compared with: a row for each name, from a file as the authors publish it or from words.

The authors' tables were made once, by a text tower with prompts that were learnt (DetPro), and lie beside their code.
Rows for other names come from the plain tower of CLIP, which has the same width, but is not what was trained against.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.text.tables import as_table, read_npy
from singleout.nn.text.words import Words
from singleout.vocabularies import categories, read_names

# The first digits of the SHA-256 of each published table, the list whose names its rows are of, and how many of them.
_PUBLISHED = {
    "51fb341bdac52ea1": ("lvis_v1", 1203),
    "f84072829c3b3972": ("lvvis", 1196),
    "d2b1cc2405d43f02": ("coco_panoptic", 80),
    "65d1054124fd6f41": ("ytvis_2019", 40),
    "9b83b279d8c55dd2": ("ytvis_2021", 40),
    "a22ed142d0ba6ee9": ("ovis", 25),
}
_SHOWN = 5  # names in a message


def make_classifier(
    names: Sequence[str], width: int, *, words: Words | None, file: Path | None = None, file_names: Path | None = None
) -> Tensor:
    """The rows of names, (num_names, width), of any length, in their order.

    words: makes them where no file is given. file: a ``.npy`` table; of a published one the rows of these names are
    taken, of any other the names are those of `file_names`, one a line, or, without that, exactly the names that are
    asked for. Raises InputError for a file that is damaged, of another width, or without a row for a name, and where
    there is neither a file nor a text tower.
    """
    if file is not None:
        return _from_file(names, width, file, file_names)
    if file_names is not None:
        raise InputError(f"classifier_names {file_names}: give the table that has these rows too, as classifier")
    if words is None:
        raise InputError(
            "there is neither a table of vectors of names nor a text tower: give one as classifier, made by singleout "
            "classifier make, or published with OV2Seg"
        )
    if words.width != width:
        raise InputError(
            f"the text tower gives vectors of {words.width} numbers, where OV2Seg compares with rows of {width}: take "
            "the tower clip/vit-b-32"
        )
    return words.embed_names(names)


def _from_file(names: Sequence[str], width: int, file: Path, file_names: Path | None) -> Tensor:
    if not file.is_file():
        raise InputError(f"classifier {file}: there is no such file; expected a .npy with one row a name")
    table = as_table(file, read_npy(file))
    if table.shape[1] != width:
        raise InputError(
            f"classifier {file} has rows of {table.shape[1]} numbers, where OV2Seg compares with {width}: take a table "
            "of its authors, or make one with the tower clip/vit-b-32"
        )
    listed = _names_of(file, file_names)
    if listed is None:
        if len(table) != len(names):
            raise InputError(
                f"classifier {file} has {len(table)} rows for {len(names)} names: say which names its rows have, by a "
                "text file with one a line as classifier_names"
            )
        return torch.from_numpy(table)
    if len(listed) != len(table):
        raise InputError(f"classifier {file} has {len(table)} rows, but {file_names} has {len(listed)} names")
    rows = {_plain(name): row for row, name in enumerate(listed)}
    unknown = [name for name in names if _plain(name) not in rows]
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise InputError(
            f"classifier {file} has no row for {', '.join(map(repr, unknown[:_SHOWN]))}{more}: leave them out, or make "
            "a table of all names with singleout classifier make"
        )
    return torch.from_numpy(table[[rows[_plain(name)] for name in names]])


def _names_of(file: Path, file_names: Path | None) -> tuple[str, ...] | None:
    """The names of the rows of a file, None where nobody says."""
    if file_names is not None:
        return read_names(file_names)
    found = _PUBLISHED.get(hashlib.sha256(file.read_bytes()).hexdigest()[:16])
    return None if found is None else tuple(each.name for each in categories(found[0])[: found[1]])


def _plain(name: str) -> str:
    """Names are the same whatever their case, and blanks are as good as the underscores of data sets."""
    return " ".join(name.replace("_", " ").split()).casefold()
