"""Tables of vectors of names, one row a name, in files of numpy. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Table = npt.NDArray[np.float32]


def read_npy(file: Path) -> npt.NDArray[Any]:
    """What a ``.npy`` file holds; nothing in it is run. Raises InputError for a file that cannot be read."""
    try:
        found: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} cannot be read as a table of numpy: {str(error).splitlines()[0]}") from error
    return found


def as_table(file: Path, values: npt.NDArray[Any]) -> Table:
    """The values of a file as a table, (num_names, width) float32.

    Raises InputError for anything but one table of finite numbers.
    """
    if getattr(values, "ndim", 0) != 2 or values.dtype.kind != "f" or 0 in values.shape:
        raise InputError(
            f"{file} holds numbers of the shape {list(getattr(values, 'shape', []))}: expected a table with one row of "
            "decimals a name"
        )
    table = values.astype(np.float32)
    if not np.isfinite(table).all():
        raise InputError(f"{file} holds what is no number in row {int(np.argmin(np.isfinite(table).all(1)))}")
    return table
