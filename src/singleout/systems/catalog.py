"""The systems by name, and what a system offers so that its published weights can be listed, converted and loaded.

Two kinds of systems: those whose weights ship with the package (``starter``; a module with ``load()`` and a
``weights/card.json``), and those whose weights others publish. Of the latter, the module ``singleout.systems.NAME``
has a `System` under the name ``SYSTEM``; importing it must load neither torch nor transformers. Everything else about
such weights (where they are, downloads, safe reading, folders, the report of names) is the work of `singleout.zoo`.

A card is ``card.json`` beside a system's own weights: ``name``, ``description``, ``size_mb``, ``licence``,
``trained_on`` and ``scores``, a list of ``{"what", "value", "measured_on"}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from singleout.errors import InputError
from singleout.nn.naming import Conversion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.nn.text.words import Kept, Words
    from singleout.segmenter import Segmenter

_MODULES = {"starter": "singleout.systems.starter"}
# Systems whose weights others publish; each module has a `System` named SYSTEM.
_SYSTEMS: dict[str, str] = {
    "referformer": "singleout.systems.referformer",
    "mutr": "singleout.systems.mutr",
    "soc": "singleout.systems.soc",
    "aot": "singleout.systems.aot",
    "univs": "singleout.systems.univs",
    "ov2seg": "singleout.systems.ov2seg",
    "ovseg": "singleout.systems.ovseg",
}

Shape = tuple[int, ...]


@runtime_checkable
class System(Protocol):
    """What a system offers so that weights published by its authors can be used; all methods are free of state.

    name: the first half of names such as ``referformer/video-swin-b``. title: as its authors write it.
    tokenizer: where its tokenizer comes from on the Hugging Face hub, such as ``FacebookAI/roberta-base``, None for
    a system that reads no sentences.
    """

    @property
    def name(self) -> str:
        """The first half of the names of its models."""

    @property
    def title(self) -> str:
        """The name as its authors write it."""

    @property
    def tokenizer(self) -> str | None:
        """Its tokenizer's repository on the hub, None where it needs none."""

    def variants(self) -> tuple[str, ...]:
        """The published variants, such as ``video-swin-b``; loads no torch."""

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """The variant that a file of these official names and shapes holds; None where it is of another system.

        A few telling names and shapes suffice: what is then missing or unexpected is for the report to say.
        """

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """What `build` must know beyond the variant, as JSON values, read off the official shapes (class counts …)."""

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network with whatever weights, all of which the zoo then overwrites; ``state_dict()`` is its format.

        config: of `configure`, perhaps read back from a ``config.json``. Raises InputError for values it cannot take.
        """

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to those of ``build(...).state_dict()``; wrapper keys and ``module.`` are already gone.

        Raises InputError where tied copies differ.
        """

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """The loaded network, in eval mode and on the CPU, as a Segmenter; ``device`` is an option of its calls.

        name: what the Segmenter calls itself. tokenizer: the folder of its tokenizer's files as they are on the hub
        (``tokenizer/`` beside the weights, or in the cache); where they are not there, the folder that they belong
        into. A system that reads sentences then refuses them with InputError, says how to add the tokenizer
        (``singleout get NAME --tokenizer-only``, or its files put into that folder), and takes the option ``token_ids``
        instead: for each sentence, in their order, the numbers that the tokenizer would give, special tokens included.
        """


@runtime_checkable
class ReadsWords(Protocol):
    """What a `System` has besides where a text tower reads names and sentences for it, a checkpoint of its own.

    text_tower: its name in the catalogue of checkpoints. name_table: that of vectors of many names, or None.
    """

    @property
    def text_tower(self) -> str:
        """The checkpoint of the tower."""

    @property
    def name_table(self) -> str | None:
        """The checkpoint of a table of vectors of names."""

    def segmenter(
        self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None, words: Words | None = None
    ) -> Segmenter:
        """See `System`. words: reads names and sentences; None where nobody looked for a tower."""


@runtime_checkable
class HoldsTower(Protocol):
    """What a `System` has besides where the tower that reads names for it is a part of its own weights.

    asking: a digest of how names are put to it, as `singleout.nn.text.words.Asking` has it.
    """

    @property
    def asking(self) -> str:
        """Says in a few letters what makes vectors of two ways different."""

    def segmenter(
        self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None, kept: Kept | None = None
    ) -> Segmenter:
        """See `System`. kept: where vectors of names outlive the program."""


@runtime_checkable
class HoldsSeveral(Protocol):
    """What a `System` has besides where a file may hold several models, of which the variant says which is meant."""

    def convert_variant(self, variant: str, state: Mapping[str, Tensor]) -> Conversion:
        """`System.convert_names` of the model that a variant stands for. Raises InputError where it is not there."""


def model_names() -> tuple[str, ...]:
    """The names of the systems whose weights ship with the package; `load` knows them without a download."""
    return tuple(_MODULES)


def system_names() -> tuple[str, ...]:
    """The systems whose weights others publish and that this package can run."""
    return tuple(_SYSTEMS)


def find_system(name: str) -> System:
    """A system by name, or ``package.module:NAME`` of one of your own. Raises InputError where there is none."""
    if name not in _SYSTEMS and ":" not in name:
        known = ", ".join(_SYSTEMS) or "none yet"
        raise InputError(f"there is no system {name!r}: expected one of {known}, or package.module:NAME of your own")
    found = _find_object("system", name if ":" in name else f"{_SYSTEMS[name]}:SYSTEM")
    if isinstance(found, type) or not isinstance(found, System):
        raise InputError(f"system {name!r} is not a singleout.systems.catalog.System: some of its methods are missing")
    return found


def load(model: str | Segmenter = "starter") -> Segmenter:
    """A system that needs no weights from outside, loaded and ready; `singleout.zoo.load` knows the others too.

    model: a name of `model_names`; or ``package.module:name`` of a system of your own, where ``name`` is a `Segmenter`,
    or a function or class that gives one when called; or a `Segmenter`, which is returned as it is. Raises InputError
    for a name that is not known.
    """
    from singleout.segmenter import Segmenter

    if isinstance(model, Segmenter):
        return model
    if model in _MODULES:
        loaded = import_module(_MODULES[model]).load()
    elif ":" in model:
        found = _find_object("model", model)
        loaded = found() if callable(found) else found
    else:
        known = ", ".join(_MODULES)
        raise InputError(f"there is no model {model!r}: expected {known}, or package.module:name of your own")
    if not isinstance(loaded, Segmenter):
        raise InputError(f"model {model!r} is a {type(loaded).__name__}, expected a singleout Segmenter")
    return loaded


def read_card(name: str) -> dict[str, Any]:
    """The card of a system by name; only its name where no card came with the weights.

    Raises InputError for a name that is not known and for a card that is broken.
    """
    if name not in _MODULES:
        raise InputError(f"there is no model {name!r}: expected {', '.join(_MODULES)}")
    file = resources.files("singleout.systems") / name / "weights" / "card.json"
    if not file.is_file():
        return {"name": name}
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}): install singleout again") from error
    if not isinstance(card, dict):
        raise InputError(f"{file} is damaged: expected an object; install singleout again")
    return {"name": name, **card}


def _find_object(kind: str, where: str) -> Any:
    module_name, _, attribute = where.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{kind} {where!r} cannot be loaded: {error}") from error
