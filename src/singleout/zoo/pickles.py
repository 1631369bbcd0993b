"""Reading pickled weights without running anything that a pickle asks for.

torch's own reader (``weights_only=True``) builds tensors and plain containers. Training also leaves other objects in a
checkpoint: the options of the command line, a configuration, numbers of numpy. Those whose names are listed here are
put aside unread, as `Leftover`; any other name makes the file refused. detectron2's ``.pkl`` hold arrays of numpy,
which are built from their bytes by this module.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.zoo.sniff import Kind

# What training leaves in checkpoints beside tensors. Nothing of it is built; a name stands here only so that it is no
# reason to refuse the file.
_LEFTOVERS = {
    "addict.addict.Dict",
    "argparse.Namespace",
    "builtins.bytes",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "collections.defaultdict",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "detectron2.config.config.CfgNode",
    "easydict.EasyDict",
    "fvcore.common.config.CfgNode",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "types.SimpleNamespace",
    "yacs.config.CfgNode",
}
_LEFTOVER_MODULES = ("omegaconf.", "typing.")
# Whether names of torch are harmless is for torch's own reader to say.
_LEFT_TO_TORCH = {"_codecs.encode", "builtins.bytearray", "builtins.complex", "builtins.set", "collections.Counter"}
# Dictionaries with attributes: the pickle fills them like dictionaries, and so does torch's reader.
_LIKE_DICTIONARIES = ("CfgNode", "EasyDict", "addict.Dict")
# What Python 2 called its modules; pickles of protocol 2 and before still do.
_MODULES_OF_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
# Numbers only: an array of objects could hold anything.
_NUMBERS = "biufc"


class Leftover:
    """Stands where a checkpoint holds an object that is no tensor; takes everything, keeps and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Leftover:
        """Whatever the arguments."""
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Nothing is kept."""

    def extend(self, values: Any) -> None:
        """Nothing is kept."""


def read_torch_file(file: Path, kind: Kind) -> Any:
    """The content of a file of torch.save: tensors, plain containers, and `Leftover` in the place of the rest.

    Tensors of today's format are mapped from the file, so that memory is taken only as they are used. Raises InputError
    where the file is damaged, or names something that no weights need.
    """
    import torch

    leftovers = _check_names(file, kind)
    try:
        with _put_aside(leftovers):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=kind == "torch")
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        # A damaged pickle can fail in any way there is.
        if unknown := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
            raise InputError(strange(file, unknown[1])) from error
        raise InputError(f"{file} is damaged or not of a form that torch reads: {short(error)}") from error


def read_numpy_pickle(file: Path) -> Any:
    """The content of a pickle with arrays of numpy, as detectron2 writes them; arrays are built as numbers only.

    Raises InputError as `read_torch_file`.
    """
    with file.open("rb") as opened, reading_pickle(file):
        refuse_far_places(opened)
        return _ArrayReader(opened, encoding="latin1").load()


def check_sums(file: Path) -> None:
    """Hold every tensor of a file of torch.save against the checksum beside it.

    torch itself does not look. Files can be written without checksums; those are taken as they are. Raises InputError
    where one differs, and for packed tensors, which torch would take for numbers.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{entry.filename} is compressed, which torch.save never does")
                if entry.CRC:
                    with archive.open(entry) as opened:
                        while opened.read(1 << 20):
                            pass
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{file} is damaged: {short(error)}; fetch it again") from error


class StrangeError(Exception):
    """A pickle names something that weights do not need."""


@contextmanager
def reading_pickle(file: Path) -> Iterator[None]:
    """Whatever goes wrong inside of the block is told of the file, as InputError."""
    try:
        yield
    except StrangeError as error:
        raise InputError(strange(file, error)) from error
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        # A damaged pickle can fail in any way there is.
        raise InputError(f"{file} is damaged or cut off: {short(error)}") from error


def strange(file: Path, name: object) -> str:
    """The message for a file that names what no weights need."""
    return (
        f"{file} asks for {name}, which no weights need: nothing of it was run, and it is not read. If you trust "
        "it, load it with its authors' own code, and save only its tensors"
    )


class _NameReader(pickle.Unpickler):
    """Walks through a pickle and looks at the names in it; builds nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")
        self.leftovers: set[str] = set()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuse what is neither torch's business nor a known left-over."""
        name = f"{modern(module_name)}.{global_name}"
        if name == "collections.OrderedDict":
            return OrderedDict
        if name in _LEFTOVERS or name.startswith(_LEFTOVER_MODULES):
            self.leftovers.add(name)
        elif name not in _LEFT_TO_TORCH and not name.startswith("torch."):
            raise StrangeError(name)
        return Leftover

    def persistent_load(self, pid: Any, /) -> Any:
        """Tensors are not looked at."""
        return Leftover()


def refuse_far_places(opened: IO[bytes]) -> None:
    """Look through the next pickle for a place that comes before any byte could have filled it.

    Python's reader makes room for all places below the highest: gigabytes for one number. Raises ValueError.
    """
    start = opened.tell()
    for opcode, argument, position in pickletools.genops(opened):
        if "PUT" in opcode.name and isinstance(argument, int) and argument > (position or 0) - start:
            raise ValueError(f"place {argument} is filled at byte {position}")
    opened.seek(start)


def _check_names(file: Path, kind: Kind) -> set[str]:
    """The left-overs that a file of torch.save names; InputError where it names anything stranger."""
    with reading_pickle(file):
        if kind == "torch":
            with zipfile.ZipFile(file) as archive:
                inside = next(entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
                if not inside.CRC:
                    # Written without checksums; None is how the library is told not to look.
                    inside.CRC = None  # type: ignore[assignment]
                content = io.BytesIO(archive.read(inside))
            refuse_far_places(content)
            reader = _NameReader(content)
            reader.load()
            return reader.leftovers
        leftovers: set[str] = set()
        with file.open("rb") as opened:
            # Magic number, version, the writer's machine, the object; storages follow.
            for _ in range(4):
                refuse_far_places(opened)
                reader = _NameReader(opened)
                reader.load()
                leftovers |= reader.leftovers
        return leftovers


@contextmanager
def _put_aside(leftovers: set[str]) -> Iterator[None]:
    """torch's reader puts these names aside inside of the block."""
    from torch.serialization import safe_globals

    def empty(*_: Any) -> OrderedDict[Any, Any]:
        return OrderedDict()

    def stand_in(name: str) -> Any:
        # torch's reader fills dictionaries of its own types only.
        if name == "collections.defaultdict":
            return empty
        return OrderedDict if name.endswith(_LIKE_DICTIONARIES) else Leftover

    with safe_globals([(stand_in(name), name) for name in leftovers]):
        yield


class _ArrayReader(pickle.Unpickler):
    """Builds containers and arrays of numbers."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Our own stand-ins for what arrays are made of."""
        name = f"{modern(module_name)}.{global_name}".replace("numpy._core.", "numpy.core.")
        makers: dict[str, Any] = {
            "collections.OrderedDict": OrderedDict,
            "numpy.core.multiarray._reconstruct": _Array,
            "numpy.ndarray": _Array,
            "numpy.dtype": _Dtype,
            "numpy.core.multiarray.scalar": _scalar,
            "_codecs.encode": _encode,
            "builtins.bytes": _no_bytes,
        }
        if name in makers:
            return makers[name]
        if name in _LEFTOVERS or name.startswith(_LEFTOVER_MODULES):
            return Leftover
        raise StrangeError(name)


class _Dtype:
    """A dtype on its way: a name such as f4, then its byte order."""

    def __init__(self, name: str, *_: Any) -> None:
        self.name, self.order = str(name), "="

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1])

    def made(self) -> np.dtype[Any]:
        """As numpy's, for numbers only."""
        if self.name[:1] not in _NUMBERS or not self.name[1:].isdigit():
            raise ValueError(f"an array of {self.name!r}, expected numbers")
        return np.dtype((self.order if self.order in "<>" else "=") + self.name)


class _Array:
    """An array on its way: made empty, then given shape, dtype and bytes."""

    def __init__(self, *_: Any) -> None:
        self.made: np.ndarray[Any, Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        content = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        flat = np.frombuffer(content, dtype.made())
        self.made = flat.reshape(tuple(shape), order="F" if fortran else "C")


def array_of(value: Any) -> np.ndarray[Any, Any] | None:
    """The array that `read_numpy_pickle` has built in this place, None for anything else."""
    return value.made if isinstance(value, _Array) else None


def _scalar(dtype: Any, raw: Any = b"", *_: Any) -> Any:
    content = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    return np.frombuffer(content, dtype.made())[0]


def _no_bytes() -> bytes:
    # Protocol 2 writes empty bytes as a call; those with content go through `_encode`.
    return b""


def _encode(text: str, encoding: str = "latin1", *_: Any) -> bytes:
    # Protocol 2 writes bytes as text to be encoded by latin1; nothing else is needed.
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def modern(module_name: str) -> str:
    """The name that a module has today."""
    return _MODULES_OF_PYTHON_2.get(module_name, module_name)


def short(error: BaseException) -> str:
    """What a reader of pickles says is wrong, in a few words."""
    # torch puts the reason behind advice to trust the file.
    first = str(error).rpartition("WeightsUnpickler error:")[2].strip().splitlines()
    return (first[0][:160] if first else "") or type(error).__name__
