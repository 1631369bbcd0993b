"""Says precisely what is missing or wrong in a download of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from singleout.data.datasets import DATA_SETS, DataSet
from singleout.data.expected import Expected, Finding, examine
from singleout.data.files import base_split
from singleout.errors import InputError

__all__ = ["Checking", "Finding"]


class Checking:
    """A look at one split of a data set; `num_files` is known at once, findings come as they are found.

    name: of the data set. root: its folder. split: None for the usual one. Raises InputError for a name, split or
    folder that is not there, and for a list that cannot be read: without it nothing can be said of the rest.
    """

    def __init__(self, name: str, root: Path, split: str | None = None) -> None:
        self.data_set = data_set_of(name)
        self.split = split or self.data_set.splits[0]
        if self.split not in self.data_set.splits and base_split(self.split) not in self.data_set.splits:
            known = ", ".join(self.data_set.splits)
            raise InputError(f"{self.data_set.title} has no split {self.split!r}: choose one of {known}")
        if not root.is_dir():
            raise InputError(f"{root} is no folder: give the folder of {self.data_set.title}")
        self.root = root
        self._expected: list[Expected] = list(self.data_set.files(root, self.split))
        self.num_files = len(self._expected)
        self.num_groups = len({each.group for each in self._expected})

    def findings(self, *, thorough: bool = False, on_file: Callable[[], None] = lambda: None) -> Iterator[Finding]:
        """Everything that is missing or wrong. thorough: decode every picture and look at its numbers too."""
        if not self._expected:
            yield Finding(self.root, f"the split {self.split} names no file", "download the data set again")
        yield from examine(self.root, self._expected, thorough=thorough, on_file=on_file)
        published = self.data_set.published.get(self.split)
        if published is not None and published != self.num_groups:
            yield Finding(
                self.root,
                f"{self.split} has {self.num_groups} {self.data_set.unit}, {published} are published",
                "this is fine for a part of it; for published numbers take the whole",
                note=True,
            )


def data_set_of(name: str) -> DataSet:
    """A data set by its name. Raises InputError that lists the names."""
    if name not in DATA_SETS:
        raise InputError(f"there is no data set {name!r}: choose one of {', '.join(DATA_SETS)}")
    return DATA_SETS[name]
