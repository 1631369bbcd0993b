"""The catalogue of checkpoints that others publish, read from ``checkpoints.json``.

Addresses and figures stand there as their authors publish them. ``verified`` says whether somebody has opened the
address, measured the file and entered its size and checksum; no entry is verified so far. ``SINGLEOUT_CATALOGUE``
names a further file of the same form, for checkpoints of one's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.zoo.places import cache_folder

KINDS = {
    "model": "a checkpoint of a whole system",
    "part": "a part of a system or where its training starts",
    "folder": "a page with several files, to be opened in a browser",
}


@dataclass(frozen=True)
class Figure:
    """One score as the authors publish it, in per cent as they print it; nothing here was measured by this project."""

    benchmark: str
    metric: str
    value: float


@dataclass(frozen=True)
class Publisher:
    """Who publishes the checkpoints of one system.

    licence_code: SPDX name of the licence of the authors' code, None where we have not seen one stated. terms: of
    weights or data, what users are told whenever they load such a model; None where there is nothing to tell.
    """

    title: str
    repository: str
    paper: str
    licence_code: str | None
    licence_data: str
    trained_on: tuple[str, ...]
    terms: str | None = None


@dataclass(frozen=True)
class Checkpoint:
    """One published file.

    name: ``SYSTEM/…``. variant: of the system, None for what is no whole model. trained: data and stage. file: its
    name here (the authors' own where they state one). url: None where no address is published. sources: the documents
    that list it. default: whether ``SYSTEM/VARIANT`` alone means this one. also: variants that the file holds besides;
    ``SYSTEM/VARIANT`` of one means this entry as well. size in bytes, sha256 and sha256_starts (its first digits, where
    the published file name holds them) are None where nobody states them.
    """

    name: str
    kind: str
    trained: str
    publisher: Publisher
    variant: str | None = None
    file: str = ""
    url: str | None = None
    sources: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    default: bool = False
    also: tuple[str, ...] = ()
    verified: bool = False
    size: int | None = None
    sha256: str | None = None
    sha256_starts: str | None = None

    @property
    def system(self) -> str:
        """The name of the system that it belongs to."""
        return self.name.partition("/")[0]

    @property
    def folder(self) -> Path:
        """Where it is kept on this computer, with its tokenizer and a record of the download beside it."""
        system, _, rest = self.name.partition("/")
        return cache_folder() / "checkpoints" / system / rest

    @property
    def path(self) -> Path:
        """The file itself, there or not."""
        return self.folder / self.file


def checkpoints() -> tuple[Checkpoint, ...]:
    """Every entry: ours, then those of ``SINGLEOUT_CATALOGUE``. Raises InputError where that file is broken."""
    own = os.environ.get("SINGLEOUT_CATALOGUE")
    if not own:
        return _published()
    entries = read_catalogue(Path(own))
    names = {one.name for one in entries}
    return (*(one for one in _published() if one.name not in names), *entries)


def find_checkpoint(name: str) -> Checkpoint:
    """The entry of this name, or the one that ``SYSTEM/VARIANT`` stands for. Raises InputError where there is none."""
    entries = checkpoints()
    for found in (
        [one for one in entries if one.name == name],
        [one for one in entries if one.default and f"{one.system}/{one.variant}" == name],
        [replace(one, variant=other) for one in entries for other in one.also if f"{one.system}/{other}" == name],
    ):
        if found:
            return found[0]
    system, _, variant = name.partition("/")
    same = [one.name for one in entries if one.system == system]
    variants = [one.name for one in entries if one.system == system and one.variant == variant]
    near = variants or get_close_matches(name, [one.name for one in entries], n=3, cutoff=0.6) or same[:3]
    hint = f": did you mean {', '.join(near)}?" if near else ""
    raise InputError(f"there is no checkpoint {name!r} in the catalogue{hint} (singleout models lists them)")


def terms_of(system: str) -> str | None:
    """What users of a system's published weights have to be told at every load, None where there is nothing."""
    return next((one.publisher.terms for one in checkpoints() if one.system == system), None)


@cache
def _published() -> tuple[Checkpoint, ...]:
    return read_catalogue(resources.files("singleout.zoo") / "checkpoints.json")  # type: ignore[arg-type]


def read_catalogue(file: Path) -> tuple[Checkpoint, ...]:
    """The entries of a file of the form of ``checkpoints.json``. Raises InputError for what cannot be one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the catalogue {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"the catalogue {file} is not JSON: {error}") from error
    try:
        publishers = {name: Publisher(**_tuples(facts)) for name, facts in content["systems"].items()}
        return tuple(_entry(entry, publishers) for entry in content["checkpoints"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"the catalogue {file} is not of the expected form: {error}") from error


def _entry(entry: dict[str, Any], publishers: Mapping[str, Publisher]) -> Checkpoint:
    system, slash, rest = entry["name"].partition("/")
    # The name becomes a folder in the cache, and the file a file in it.
    safe = rest and slash and all(part not in ("", ".", "..") for part in (system, rest)) and "\\" not in entry["name"]
    if not safe or "/" in rest or "/" in entry.get("file", "") or "\\" in entry.get("file", ""):
        raise ValueError(
            f"{entry['name']!r} with file {entry.get('file')!r}: expected SYSTEM/NAME and a plain file name"
        )
    if entry["kind"] not in KINDS:
        raise ValueError(f"{entry['name']} is of kind {entry['kind']!r}: expected one of {', '.join(KINDS)}")
    if not entry.get("file") and entry["kind"] != "folder":
        raise ValueError(f"{entry['name']} has no file name")
    figures = tuple(Figure(**figure) for figure in entry.get("figures", ()))
    known = {field.name for field in fields(Checkpoint)} - {"figures", "publisher"}
    given = {key: value for key, value in _tuples(entry).items() if key != "figures"}
    if strange := given.keys() - known:
        raise ValueError(f"{entry['name']} has the unknown entry {min(strange)!r}")
    return Checkpoint(**given, figures=figures, publisher=publishers[system])


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def figures_by_benchmark(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """The figures in the order of their benchmarks, as tables print them."""
    grouped: dict[str, list[Figure]] = {}
    for figure in figures:
        grouped.setdefault(figure.benchmark, []).append(figure)
    return grouped
