"""Tensors that stay in their file: those of a file of torch.save, read one at a time and without torch.

Results of whole data sets are published as one such file of many gigabytes. Only its pickle is read, by a reader that
knows tensors and plain containers and nothing else; the numbers are read from the archive when they are asked for.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.zoo.pickles import StrangeError, modern, reading_pickle, refuse_far_places
from singleout.zoo.sniff import check_is_weights

Values = npt.NDArray[Any]
_BFLOAT16 = "bfloat16"
_KINDS = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as it lies in the file.

    entry: of the archive. kind: numpy's name of the numbers, "bfloat16" for those that numpy does not know. start,
    strides: in numbers. checksum: of the entry, 0 where the file was written without.
    """

    file: Path
    entry: str
    kind: str
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    checksum: int

    def rows(self) -> Iterator[Values]:
        """The parts along the first axis, one in memory at a time. Raises InputError where the file is damaged."""
        if self.strides != _dense(self.shape):
            yield from self._spread()
            return
        count = math.prod(self.shape[1:])
        size = count * self._stored.itemsize
        try:
            with zipfile.ZipFile(self.file) as archive, archive.open(self.entry) as opened:
                if self.start:
                    opened.seek(self.start * self._stored.itemsize)
                for _ in range(self.shape[0]):
                    content = opened.read(size)
                    if len(content) != size:
                        raise ValueError(f"{self.entry} is cut off")
                    yield self._numbers(np.frombuffer(content, self._stored)).reshape(self.shape[1:])
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error

    def array(self) -> Values:
        """The whole tensor."""
        if not self.shape:
            return next(StoredTensor(self.file, self.entry, self.kind, self.start, (1,), (1,), self.checksum).rows())[
                ()
            ]
        return np.stack(list(self.rows())) if self.shape[0] else np.zeros(self.shape)

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype("<u2" if self.kind == _BFLOAT16 else f"<{self.kind}")

    def _numbers(self, stored: Values) -> Values:
        if self.kind != _BFLOAT16:
            return stored
        return (stored.astype(np.uint32) << 16).view(np.float32)

    def _spread(self) -> Iterator[Values]:
        """Where the numbers do not lie in order, all that they lie among are read first."""
        try:
            with zipfile.ZipFile(self.file) as archive:
                flat = self._numbers(np.frombuffer(archive.read(self.entry), self._stored))
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error
        last = self.start + sum((side - 1) * step for side, step in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape or min(self.start, *self.strides) < 0 or last >= len(flat):
            raise self._damaged("a tensor lies outside of its numbers")
        steps = tuple(step * flat.itemsize for step in self.strides)
        yield from np.lib.stride_tricks.as_strided(flat[self.start :], self.shape, steps, writeable=False)

    def _damaged(self, why: object) -> InputError:
        return InputError(f"{self.file} is damaged: {why}; fetch or make it again")


def read_stored(file: Path) -> Any:
    """The content of a file of torch.save with a `StoredTensor` in the place of each tensor.

    Raises InputError where it is missing, damaged, of the form that torch wrote until 2020, or names anything that
    tensors and plain containers do not need.
    """
    if not file.is_file():
        raise InputError(f"{file} is not there: give the path of a file of torch.save")
    if check_is_weights(file) != "torch":
        raise InputError(f"{file} is not of the form that torch.save writes today: load it and save it again")
    with reading_pickle(file):
        return StoredReader.of(file).load()


@dataclass(frozen=True)
class _Storage:
    entry: str
    kind: str
    checksum: int


class StoredReader(pickle.Unpickler):
    """Builds containers, and tensors as places in the file."""

    def __init__(self, file: Path, top: str, entries: dict[str, zipfile.ZipInfo], content: io.BytesIO) -> None:
        super().__init__(content, encoding="utf-8")
        self._file, self._top, self._entries = file, top, entries

    @classmethod
    def of(cls, file: Path) -> Self:
        """The reader of an archive's pickle; to be called inside of `reading_pickle`."""
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            inside = next(name for name in entries if name.endswith("/data.pkl"))
            content = io.BytesIO(archive.read(inside))
        refuse_far_places(content)
        return cls(file, inside.removesuffix("data.pkl"), entries, content)

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """What tensors are made of."""
        name = f"{modern(module_name)}.{global_name}"
        if name == "collections.OrderedDict":
            return OrderedDict
        if name == "torch._utils._rebuild_tensor_v2":
            return self._tensor
        if module_name == "torch" and global_name in _KINDS:
            return _KINDS[global_name]
        raise StrangeError(name)

    def persistent_load(self, pid: Any, /) -> _Storage:
        """The numbers of a tensor: which entry of the archive, and of which kind."""
        word, kind, key, *_ = pid
        entry = f"{self._top}data/{key}"
        if word != "storage" or kind not in _KINDS.values():
            raise ValueError(f"a storage of {kind!r:.40}")
        return _Storage(entry, kind, self._entries[entry].CRC)

    def _tensor(self, storage: _Storage, start: int, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        return StoredTensor(
            self._file,
            storage.entry,
            storage.kind,
            int(start),
            tuple(int(side) for side in shape),
            tuple(int(step) for step in strides),
            storage.checksum,
        )


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
