"""What a replayer works with: an opened golden, its comparisons, and the places where frames and side files lie.

A golden is an ``.npz`` (arrays and a JSON string ``spec``) or a ``.json`` (numbers in nested objects) that an official
system wrote. It is opened through `Context.open`, which keeps account of every array: what was neither compared nor
read as an input when the replay ends is a failure. So a golden can never be looked at in part.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]


class CannotReplayError(Exception):
    """A golden that cannot be replayed: a frame or side file is missing, a case or an array is unknown."""


@dataclass(frozen=True)
class Comparison:
    """Our values beside the official ones.

    ``name`` is the array's name in the golden, by which `limits.limit_for` finds what is allowed. Both values are
    numbers, texts, booleans or arrays of the same shape.
    """

    name: str
    ours: Any
    golden: Any


class Golden:
    """One golden file. Nested names of a json file are joined by slashes: ``davis16-semi/global/J-Mean``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec: dict[str, Any] = {}
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                self._values = {name: arrays[name] for name in arrays.files}
            if "spec" in self._values:
                self.spec = json.loads(str(self._values.pop("spec")))
        elif path.suffix == ".json":
            self._values = dict(_leaves(json.loads(path.read_text(encoding="utf-8"))))
        else:
            raise CannotReplayError(f"{path.name} is no golden file: .npz and .json are")
        self._unseen = dict.fromkeys(self._values)

    def names(self, prefix: str = "") -> list[str]:
        """Names of the arrays that begin with `prefix`, in the file's order."""
        return [name for name in self._values if name.startswith(prefix)]

    def parts(self, prefix: str = "") -> list[str]:
        """What stands next after `prefix` in the names, up to a slash, each once: the cases, the objects."""
        return list(dict.fromkeys(name[len(prefix) :].split("/", 1)[0] for name in self.names(prefix)))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def input(self, name: str) -> Values:
        """An array that the replay needs and does not have to reproduce."""
        self._seen(name)
        found: Values = self._values[name]
        return found

    def compare(self, name: str, ours: Any, *, golden: Any = None) -> Comparison:
        """Set our value beside an array of the file.

        Where ``spec["sampled"]`` says that only every n-th number is stored, `ours` is the whole array, and its shape
        is held as well. `golden` is the stored array in another form, such as unpacked bits.
        """
        self._seen(name)
        stored = self._values[name] if golden is None else golden
        sampled = self.spec.get("sampled", {}).get(name)
        if sampled is not None:
            ours = np.asarray(ours)
            if list(ours.shape) != list(sampled["shape"]):
                raise CannotReplayError(f"{name}: our shape is {list(ours.shape)}, the official {sampled['shape']}")
            # An array that is small enough is stored whole, in its own shape.
            if stored.shape != ours.shape:
                ours = ours.reshape(-1)[:: sampled["stride"]]
        return Comparison(name, ours, stored)

    def unseen(self) -> list[str]:
        """Names of the arrays that were neither compared nor read as inputs so far."""
        return list(self._unseen)

    def _seen(self, name: str) -> None:
        if name not in self._values:
            raise CannotReplayError(f"the golden has no array {name}")
        self._unseen.pop(name, None)


def spec_of(path: Path) -> dict[str, Any]:
    """The spec of an ``.npz`` golden, without its arrays; empty where there is none or the file cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            spec = json.loads(str(arrays["spec"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    return spec if isinstance(spec, dict) else {}


def arrays_of(path: Path) -> frozenset[str]:
    """Names of the arrays of an ``.npz`` golden, ``spec`` among them; none where the file cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return frozenset(arrays.files)
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile):
        return frozenset()


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Values]]:
    """Numbers and texts of a json file; a list of plain values is one array, any other list is numbered."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}{key}/")
    elif isinstance(node, list) and any(isinstance(entry, dict | list) for entry in node):
        for index, value in enumerate(node):
            yield from _leaves(value, f"{prefix}{index}/")
    else:
        values = [np.nan if value is None else value for value in (node if isinstance(node, list) else [node])]
        yield prefix.removesuffix("/"), np.asarray(values if isinstance(node, list) else values[0])


@dataclass
class Context:
    """Where frames and side files are, and the goldens that the present replay has opened."""

    shared: Path
    opened: list[Golden] = field(default_factory=list)

    def open(self, path: Path) -> Golden:
        """Open a golden and keep account of it."""
        golden = Golden(path)
        self.opened.append(golden)
        return golden

    def frame(self, sequence: str, name: str) -> Path:
        """A picture of ``davis16/JPEGImages/480p``; `name` as the golden has it, such as ``00020.jpg``."""
        return _there(self.shared / "davis16" / "JPEGImages" / "480p" / sequence / name)

    def annotation(self, sequence: str, name: str) -> Path:
        """A true mask of ``davis16/Annotations/480p``, 0 and 255."""
        return _there(self.shared / "davis16" / "Annotations" / "480p" / sequence / name)

    def annotations(self, sequence: str) -> list[Path]:
        """All true masks of a sequence in order; one that is missing, going by numbers and pictures, is an error."""
        root = self.shared / "davis16"
        folder = _there(root / "Annotations" / "480p" / sequence)
        pictures = [*folder.glob("*.png"), *(root / "JPEGImages" / "480p" / sequence).glob("*.jpg")]
        last = max((int(path.stem) for path in pictures), default=-1)
        return [_there(folder / f"{index:05d}.png") for index in range(last + 1)]

    def side_file(self, golden: Path, part: str, name: str) -> Path:
        """A file that goes with a golden: beside it, else under ``reference/PART``."""
        beside = golden.parent / name
        return beside if beside.exists() else _there(self.shared / "reference" / part / name)


def _there(path: Path) -> Path:
    if not path.exists():
        raise CannotReplayError(f"{path} is missing")
    return path
