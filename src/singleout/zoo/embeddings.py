"""Vectors of names on disk: those that were computed here before, and tables as others publish them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.atomic import atomic_path
from singleout.nn.text.tables import Table, as_table, read_npy
from singleout.zoo.places import cache_folder

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = (".npy", ".pth", ".pt", ".safetensors")


@dataclass
class LazyEmbeddings:
    """`KeptEmbeddings` of a tower inside of a file, whose content is looked at when the first name is asked."""

    file: Path
    asking: str

    @cached_property
    def _embeddings(self) -> KeptEmbeddings:
        from singleout.zoo.fetching import sha256_of

        return KeptEmbeddings(sha256_of(self.file), self.asking)

    def get(self, name: str) -> Tensor | None:
        """See `KeptEmbeddings.get`."""
        return self._embeddings.get(name)

    def put(self, name: str, vector: Tensor) -> None:
        """See `KeptEmbeddings.put`."""
        self._embeddings.put(name, vector)


@dataclass
class KeptEmbeddings:
    """Vectors of names in the cache folder, one file each, under the content that they depend on.

    tower: SHA-256 of the tower's weights. asking: digest of the templates and of what else is done to a name. A cache
    that cannot be written is left alone.
    """

    tower: str
    asking: str
    _refused: bool = field(default=False, repr=False)

    @property
    def folder(self) -> Path:
        """Where the vectors of this tower lie, asked in this way."""
        return cache_folder() / "embeddings" / f"{self.tower[:16]}-{self.asking}"

    def get(self, name: str) -> Tensor | None:
        """The vector of a name, None where it was not kept or its file is damaged."""
        import torch

        try:
            vector = np.load(self._file(name), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        good = vector.ndim == 1 and vector.dtype == np.float32 and bool(np.isfinite(vector).all())
        return torch.from_numpy(vector) if good else None

    def put(self, name: str, vector: Tensor) -> None:
        """Keep the vector of a name."""
        if self._refused:
            return
        try:
            with atomic_path(self._file(name)) as file, file.open("wb") as opened:
                np.save(opened, vector.numpy().astype(np.float32))
        except (InputError, OSError):
            self._refused = True

    def _file(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()}.npy"


def read_table(file: Path) -> Table:
    """A table of vectors, (num_names, width) float32, from a file of `ENDINGS`; nothing in it is run.

    Raises InputError for a file that is missing, damaged, or holds anything but one table of finite numbers.
    """
    if not file.is_file():
        raise InputError(f"{file} is not there: expected a table of vectors, {', '.join(ENDINGS)}")
    values = read_npy(file) if file.suffix == ".npy" else _read_tensor(file)
    return as_table(file, values)


def write_table(file: Path, table: Table) -> None:
    """Write a table whole or not at all, in the form that its ending says: ``.npy`` of numpy, ``.pth`` a bare tensor.

    Raises InputError for any other ending and a place that cannot be written.
    """
    check_ending(file)
    with atomic_path(file) as made:
        if file.suffix == ".npy":
            with made.open("wb") as opened:
                np.save(opened, table)
            return
        import torch

        if file.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file({"embeddings": torch.from_numpy(table)}, made)
        else:
            torch.save(torch.from_numpy(table), made)


def check_ending(file: Path) -> None:
    """Raises InputError for a file that no table can be written as."""
    if file.suffix not in ENDINGS:
        raise InputError(f"{file}: a table is written as {', '.join(ENDINGS)}; give one of these endings")


def _read_tensor(file: Path) -> npt.NDArray[Any]:
    import torch

    from singleout.zoo.pickles import check_sums, read_torch_file
    from singleout.zoo.sniff import check_is_weights

    kind = check_is_weights(file)
    if kind == "safetensors":
        from singleout.zoo.reading import read_weights

        content: Any = list(read_weights(file).state.values())
        content = content[0] if len(content) == 1 else None
    elif kind in ("torch", "legacy"):
        if kind == "torch":
            check_sums(file)
        content = read_torch_file(file, kind)
    else:
        content = None
    if not isinstance(content, torch.Tensor) or content.layout is not torch.strided or content.is_quantized:
        raise InputError(f"{file} holds no table of vectors: expected one tensor and nothing else")
    return content.detach().float().numpy() if content.is_floating_point() else content.detach().numpy()


@dataclass(frozen=True)
class Distance:
    """How far two tables are apart.

    cosine: of each pair of rows. largest, mean: of the differences between their numbers as they stand. equal: whether
    all bits are. alike: the share of rows whose nearest row in the other table, by cosine, is their own.
    """

    cosine: npt.NDArray[np.float64]
    largest: float
    mean: float
    equal: bool
    alike: float


def compare_tables(one: Table, other: Table, called: tuple[str, str] = ("the first", "the second")) -> Distance:
    """Row by row. Raises InputError where the tables have other shapes than each other."""
    if one.shape != other.shape:
        raise InputError(
            f"{called[0]} is of {one.shape[0]} rows with {one.shape[1]} numbers, {called[1]} of {other.shape[0]} with "
            f"{other.shape[1]}: only tables of the same names in the same space can be compared"
        )
    first, second = _unit(one), _unit(other)
    difference = np.abs(one.astype(np.float64) - other)
    found = 0
    # Rows against all rows, a part at a time, so that memory does not grow with the square of the names.
    for start in range(0, len(first), 1024):
        nearest = np.argmax(first[start : start + 1024] @ second.T, axis=1)
        found += int(np.count_nonzero(nearest == np.arange(start, start + len(nearest))))
    return Distance(
        cosine=np.einsum("nc,nc->n", first, second),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        equal=bool(np.array_equal(one, other)),
        alike=found / len(first),
    )


def _unit(table: Table) -> npt.NDArray[np.float64]:
    exact = table.astype(np.float64)
    unit: npt.NDArray[np.float64] = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12)
    return unit
