"""From names and files to systems that are ready: recognising, building, filling, reporting."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.systems.catalog import (
    HoldsSeveral,
    HoldsTower,
    ReadsWords,
    System,
    find_system,
    model_names,
    system_names,
)
from singleout.systems.catalog import load as load_ready
from singleout.zoo.catalogue import checkpoints, find_checkpoint, terms_of
from singleout.zoo.fetching import by_hand, fetch, find_fetched, sha256_of
from singleout.zoo.folders import WEIGHTS, is_converted, read_converted
from singleout.zoo.reading import RawWeights, read_weights
from singleout.zoo.report import LoadReport
from singleout.zoo.tokenizers import TOKENIZER, has_tokenizer, kept_tokenizer
from singleout.zoo.towers import TEXT_TOWER

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter

_ENDINGS = (".pth", ".pt", ".pkl", ".safetensors", ".bin")


@dataclass(frozen=True)
class Opened:
    """A network filled from a file or a converted folder.

    config: what `System.build` was given. source: the file or folder. tokenizer: the folder where its tokenizer is, or
    would have to be; None for a system that reads no sentences.
    """

    system: System
    variant: str
    config: dict[str, Any]
    network: nn.Module
    report: LoadReport
    source: Path
    tokenizer: Path | None

    def segmenter(self, name: str | None = None) -> Segmenter:
        """Ready to use. name: what it calls itself, by default ``SYSTEM/VARIANT``.

        A warning tells the terms of weights and data where there are some that users have to know.
        """
        called = name or f"{self.system.name}/{self.variant}"
        terms = terms_of(self.system.name)
        if terms is not None:
            warnings.warn(terms, UserWarning, stacklevel=2)
        if isinstance(self.system, HoldsTower):
            from singleout.zoo.embeddings import LazyEmbeddings

            file = self.source / WEIGHTS if self.source.is_dir() else self.source
            kept = LazyEmbeddings(file, self.system.asking)
            return self.system.segmenter(self.network, self.variant, name=called, tokenizer=self.tokenizer, kept=kept)
        if isinstance(self.system, ReadsWords):
            from singleout.zoo.words import FoundWords

            folder = self.source if self.source.is_dir() else self.source.parent
            words = FoundWords(self.system.text_tower, self.system.name_table, folder, self.tokenizer)
            return self.system.segmenter(self.network, self.variant, name=called, tokenizer=self.tokenizer, words=words)
        return self.system.segmenter(self.network, self.variant, name=called, tokenizer=self.tokenizer)


def load(
    model: str | os.PathLike[str] | Segmenter = "starter",
    *,
    weights: str | os.PathLike[str] | None = None,
    system: str | System | None = None,
    strict: bool = True,
    download: bool = False,
) -> Segmenter:
    """A system, loaded and ready.

    model: a name of ``singleout models`` (``starter``; a checkpoint of the catalogue, once fetched; ``SYSTEM/VARIANT``
    for the one that it stands for), a folder of ``singleout convert``, a file as its authors publish it,
    ``package.module:name`` of a system of your own, or a `Segmenter`, which is returned as it is. weights: a file or
    folder for a ``SYSTEM``, ``SYSTEM/VARIANT``, or ``package.module:NAME`` of a `System`, given as model. system: whose
    a file is, where its names do not tell. strict: whether names in the file that no rule knows are an error. download:
    fetch a checkpoint that is not here yet. Raises InputError for what is not known, damaged, of another system or not
    complete.
    """
    from singleout.segmenter import Segmenter

    if isinstance(model, Segmenter):
        return model
    name = os.fspath(model)
    if weights is not None:
        return _with_weights(name, Path(weights), system, strict)
    path = Path(name)
    if not isinstance(model, str) or (name not in model_names() and _means_file(name)):
        return open_weights(path, system=system, strict=strict).segmenter()
    if name in model_names() or ":" in name:
        return load_ready(name)
    if "/" not in name:
        known = ", ".join(model_names())
        more = f"; {name} alone is not enough, singleout models {name} lists its checkpoints" * (name in system_names())
        raise InputError(
            f"there is no model {name!r}{more}: expected {known}, a checkpoint of singleout models, a folder of "
            "singleout convert, a file of weights, or package.module:name of your own"
        )
    checkpoint = find_checkpoint(name)
    if checkpoint.system not in system_names():
        ready = ", ".join((*model_names(), *system_names()))
        raise InputError(
            f"singleout cannot run {checkpoint.publisher.title} yet, only list and fetch it; it runs {ready}"
        )
    if checkpoint.kind != "model":
        raise InputError(f"{checkpoint.name} is not a model by itself: {checkpoint.trained}")
    file = fetch(checkpoint).path if download else find_fetched(checkpoint)
    if file is None:
        raise InputError(
            f"{checkpoint.name} is not here yet: singleout get {checkpoint.name} fetches it; {by_hand(checkpoint)}"
        )
    opened = open_weights(file, system=system or checkpoint.system, variant=checkpoint.variant, strict=strict)
    return opened.segmenter(name)


def open_weights(
    source: Path, *, system: str | System | None = None, variant: str | None = None, strict: bool = True
) -> Opened:
    """The network that a published file or a converted folder holds, filled, with the report of names.

    system, variant: what it must be; found out from its names where they are not given. Raises InputError where it
    cannot be read, is of another system or variant, lacks a tensor, or, if strict, has names that no rule knows.
    """
    if source.is_dir():
        return _open_folder(source, system, variant, strict)
    return _open_file(source, system, variant, strict)


def fingerprint(model: str, weights: str | os.PathLike[str] | None = None) -> str:
    """What a run calls its model: the name, and where the weights are a file or folder, a digest of their content.

    So a run does not go on with other weights than it began with. Raises InputError where they cannot be read.
    """
    source = Path(weights) if weights is not None else Path(model)
    if weights is None and (model in model_names() or ":" in model or not _means_file(model)):
        return model
    file = source / WEIGHTS if source.is_dir() else source
    if source.is_dir() and not file.is_file():
        raise InputError(f"{source} is not a folder of singleout convert: it has no {WEIGHTS}")
    if not file.is_file():
        raise InputError(f"{source} is not there: give a file of weights, or a folder of singleout convert")
    return f"{model} with {file.name} sha256:{sha256_of(file)}"


def _with_weights(name: str, weights: Path, system: str | System | None, strict: bool) -> Segmenter:
    if ":" in name:
        return open_weights(weights, system=find_system(name), strict=strict).segmenter()
    if name in model_names():
        raise InputError(
            f"{name} brings its own weights: leave out those of {weights}, or name a system such as SYSTEM/VARIANT"
        )
    owner, _, rest = name.partition("/")
    found = find_system(owner) if system is None else system
    if isinstance(found, str):
        found = find_system(found)
    named = [one.variant for one in checkpoints() if one.name == name]
    variant = named[0] if named else rest or None
    return open_weights(weights, system=found, variant=variant, strict=strict).segmenter(name)


def _means_file(name: str) -> bool:
    path = Path(name)
    return path.is_file() or path.is_dir() or (path.suffix in _ENDINGS and ":" not in name)


def _open_file(file: Path, system: str | System | None, variant: str | None, strict: bool) -> Opened:
    raw = read_weights(file)
    shapes = {name: tuple(tensor.shape) for name, tensor in raw.state.items()}
    owner, found = _recognise(file, shapes, system)
    if variant is not None and variant != found:
        if not _alike(owner, found, variant, owner.configure(found, shapes)):
            raise InputError(f"{file} holds {owner.title} as {found}, not as {variant}")
        found = variant
    try:
        config = owner.configure(found, shapes)
        network = owner.build(found, config)
        if isinstance(owner, HoldsSeveral):
            conversion = owner.convert_variant(found, raw.state)
        else:
            conversion = owner.convert_names(raw.state)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    except (KeyError, IndexError) as error:
        raise InputError(f"{file} is no complete checkpoint of {owner.title}: {error} is missing") from error
    except RuntimeError as error:
        # Shapes that nobody can hold or that do not go together.
        raise InputError(f"{file} is no checkpoint of {owner.title}: {str(error).splitlines()[0]}") from error
    report = fill(network, conversion.state, ignored=(*conversion.ignored, *raw.others))
    _judge(file, owner, report, strict)
    return Opened(owner, found, config, network, report, file, _tokenizer_near(file.parent, owner))


def _open_folder(folder: Path, system: str | System | None, variant: str | None, strict: bool) -> Opened:
    if not is_converted(folder):
        raise InputError(f"{folder} is not a folder of singleout convert: it has no config.json with its weights")
    converted = read_converted(folder)
    # A folder from somewhere must not choose which module is imported, so only known systems go by their name.
    if system is None and converted.system == TEXT_TOWER.name:
        system = TEXT_TOWER
    if system is None and converted.system not in system_names():
        raise InputError(
            f"{folder} is for the system {converted.system!r}, which this singleout does not have; "
            "for a system of your own, name it (system=, or --system)"
        )
    owner = _as_system(converted.system if system is None else system)
    found, asked = converted.variant, variant or converted.variant
    if owner.name != converted.system or (asked != found and not _alike(owner, found, asked, converted.config)):
        wanted = f"{owner.name}/{variant}" if variant else owner.name
        raise InputError(f"{folder} holds {converted.system}/{converted.variant}, not {wanted}")
    try:
        network = owner.build(asked, converted.config)
    except InputError as error:
        raise InputError(f"{folder / 'config.json'}: {error}") from error
    report = fill(network, RawWeights(converted.state).state)
    _judge(folder, owner, report, strict)
    tokenizer = _tokenizer_near(folder, owner)
    return Opened(owner, asked, converted.config, network, report, folder, tokenizer)


def fill(network: nn.Module, state: Mapping[str, Tensor], *, ignored: tuple[str, ...] = ()) -> LoadReport:
    """Copy tensors into a network by name, wherever name and shape fit, and report on every name.

    A tensor that the network uses under several names needs to be there under one of them.
    """
    import torch

    own = network.state_dict(keep_vars=True)
    fits = {name for name in own.keys() & state.keys() if own[name].shape == state[name].shape}
    misshapen = sorted((own.keys() & state.keys()) - fits)
    with torch.no_grad():
        for name in fits:
            own[name].copy_(state[name])
    filled = {own[name].data_ptr() for name in fits}
    missing = sorted(
        name for name in own.keys() - state.keys() if not (own[name].numel() and own[name].data_ptr() in filled)
    )
    network.eval().requires_grad_(False)
    return LoadReport(
        used=tuple(sorted(fits)),
        ignored=tuple(sorted(ignored)),
        missing=tuple(missing),
        unexpected=tuple(sorted(state.keys() - own.keys())),
        misshapen=tuple((name, tuple(state[name].shape), tuple(own[name].shape)) for name in misshapen),
    )


def _judge(source: Path, owner: System, report: LoadReport, strict: bool) -> None:
    problem = report.problem(strict=strict)
    if problem is not None:
        raise InputError(f"{source} does not fit {owner.title}: {problem} ({report.summary()})")
    if report.unexpected:
        warnings.warn(f"{source}: {report.summary()}", UserWarning, stacklevel=2)


def _alike(owner: System, found: str, variant: str, config: Mapping[str, Any]) -> bool:
    """Whether two variants have the same tensors, so that no file can tell which of them it is."""
    import torch

    if variant not in owner.variants():
        return False
    with torch.device("meta"):
        states = [owner.build(name, config).state_dict() for name in (found, variant)]
    first, second = ({name: tensor.shape for name, tensor in state.items()} for state in states)
    return first == second


def _as_system(system: str | System) -> System:
    return find_system(system) if isinstance(system, str) else system


def _recognise(file: Path, shapes: dict[str, tuple[int, ...]], system: str | System | None) -> tuple[System, str]:
    asked = [_as_system(system)] if system is not None else [find_system(name) for name in system_names()]
    found = [(one, variant) for one in asked if (variant := one.recognise(shapes)) is not None]
    if not found and system is None and (tower := TEXT_TOWER.recognise(shapes)) is not None:
        return TEXT_TOWER, tower
    if len(found) == 1:
        return found[0]
    if found:
        fits = ", ".join(f"{one.name}/{variant}" for one, variant in found)
        raise InputError(f"{file} fits several systems ({fits}): say which (system=, or --system)")
    first = Counter(name.partition(".")[0] for name in shapes).most_common(4)
    names = ", ".join(f"{start} ({count})" for start, count in first)
    titles = " or ".join(one.title for one in asked) or "any system that singleout runs"
    raise InputError(f"{file} is no checkpoint of {titles}: its {len(shapes)} names begin with {names}")


def _tokenizer_near(folder: Path, owner: System) -> Path | None:
    if owner.tokenizer is None:
        return None
    beside = folder / TOKENIZER
    kept = kept_tokenizer(owner.tokenizer)
    return kept if not has_tokenizer(beside) and has_tokenizer(kept) else beside
