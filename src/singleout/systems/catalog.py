"""The systems that ship with the package, by name: loading them, and their cards.

A card is ``card.json`` beside a system's weights: ``name``, ``description``, ``size_mb``, ``licence``, ``trained_on``
and ``scores``, a list of ``{"what", "value", "measured_on"}``.
"""

from __future__ import annotations

import json
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.segmenter import Segmenter

_MODULES = {"starter": "singleout.systems.starter"}


def model_names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(_MODULES)


def load(model: str | Segmenter = "starter") -> Segmenter:
    """A system, loaded and ready.

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
        loaded = _load_own(model)
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


def _load_own(model: str) -> Any:
    module_name, _, attribute = model.partition(":")
    try:
        found = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"model {model!r} cannot be loaded: {error}") from error
    return found() if callable(found) else found
