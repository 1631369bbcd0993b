"""A pipeline file: read, checked, and put in an order in which every step comes after those that it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.settings import Settings, shown
from singleout.fusion.steps.base import Step
from singleout.fusion.steps.export import ExportStep
from singleout.fusion.steps.key_frames import KeyFramesStep
from singleout.fusion.steps.members import MasksStep
from singleout.fusion.steps.models import ModelStep
from singleout.fusion.steps.pairs import PairStep
from singleout.fusion.steps.predict import PredictStep
from singleout.fusion.steps.propagate import PropagateStep
from singleout.fusion.steps.vote import VoteStep
from singleout.fusion.tools import Model
from singleout.fusion.written import read_yaml, switched
from singleout.runs.folder import fingerprint_of

LAYOUTS = ("ref-youtube-vos", "mevis")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KINDS: tuple[type[Any], ...] = (
    PredictStep,
    MasksStep,
    KeyFramesStep,
    PropagateStep,
    PairStep,
    VoteStep,
    ExportStep,
)


@dataclass(frozen=True)
class Quirk:
    """Something that is done as published though it could be done better. active: whether it is; about: what it is."""

    active: bool
    about: str


@dataclass(frozen=True)
class Pipeline:
    """See the module.

    layout, split: of the data. steps: by name, each after those that it needs. source: what messages call the file.
    identity: a hash of all that it says of models and steps. models: those that it names.
    """

    title: str
    layout: str
    split: str | None
    quirks: Mapping[str, Quirk]
    steps: Mapping[str, Step]
    about: str = ""
    source: str = ""
    identity: str = ""
    models: Mapping[str, Model] = field(default_factory=dict)

    def wanted(self) -> list[str]:
        """The steps that the exports need, in order; all where there is no export."""
        exports = [name for name, step in self.steps.items() if isinstance(step, ExportStep)]
        return self.up_to(exports or list(self.steps))

    def up_to(self, names: Sequence[str]) -> list[str]:
        """These steps and all that they need, in order. Raises InputError for a name that is not there."""
        needed: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in self.steps:
                raise InputError(f"there is no step {name!r} in {self.source}; it has: {', '.join(self.steps)}")
            if name not in needed:
                needed.add(name)
                left += self.steps[name].needs
        return [name for name in self.steps if name in needed]


def shipped() -> dict[str, str]:
    """The pipelines that come with the package: the text of each by its name."""
    folder = resources.files("singleout.fusion") / "pipelines"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in files}


def load_pipeline(
    source: str | Path,
    *,
    quirks: Mapping[str, bool] | None = None,
    models: Mapping[str, str] | None = None,
    weights: Mapping[str, str] | None = None,
) -> Pipeline:
    """Read a pipeline from a file, or one that comes with the package by its name.

    quirks: those that are switched otherwise than the file says. models, weights: of models that the file names, in
    place of its own. Raises InputError, naming the part of the file, for whatever is unknown, missing or circular.
    """
    return parse_pipeline(text_of(source), str(source), quirks=quirks, models=models, weights=weights)


def text_of(source: str | Path) -> str:
    """The text of a pipeline file, or of one that comes with the package. Raises InputError where there is none."""
    path = Path(source)
    if not path.is_file():
        known = shipped()
        if str(source) in known:
            return known[str(source)]
        raise InputError(
            f"{source}: there is no such pipeline file, nor does one come with singleout under this name; it has: "
            f"{', '.join(known)}"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def parse_pipeline(
    content: str,
    source: str,
    *,
    quirks: Mapping[str, bool] | None = None,
    models: Mapping[str, str] | None = None,
    weights: Mapping[str, str] | None = None,
) -> Pipeline:
    """See `load_pipeline`. content: the text. source: what messages call it."""
    top = Settings(source, read_yaml(content, source))
    title = top.maybe("title", reading_of.text, "a line of text", source)
    about = top.maybe("about", reading_of.text, "text", "")
    data = Settings(f"{source}, data", top.mapping("data", "layout and split"))
    layout = data.one_of("layout", LAYOUTS, LAYOUTS[0])
    split = data.maybe("split", reading_of.text, "the name of a split", "") or None
    data.done()
    switches = _quirks(source, top.mapping("quirks", "quirks by name"), quirks or {})
    active = {name: quirk.active for name, quirk in switches.items()}
    known = switched(top.mapping("models", "models by name"), active, f"{source}, models")
    named = _models(source, known, models or {}, weights or {})
    listed = top.take("steps", reading_of.mapping, "steps by name")
    top.done()
    if not listed:
        raise InputError(f"{source}, steps: there is none")
    steps: dict[str, Step] = {}
    declared = {name: switched(entry, active, f"{source}, step {name}") for name, entry in listed.items()}
    for name, entry in declared.items():
        if not _NAME.fullmatch(name):
            raise InputError(f"{source}, step {shown(name)}: a name has letters, digits, - and _ only")
        where = f"{source}, step {name}"
        steps[name] = _step(where, name, entry, named)
    _check_names(source, steps)
    ordered = _ordered(source, steps)
    _keep_soft(source, ordered)
    said = {name: [model.model, model.weights, model.options] for name, model in named.items()}
    identity = fingerprint_of({"models": said, "steps": declared})
    return Pipeline(title, layout, split, switches, ordered, about, source, identity, named)


def _step(where: str, name: str, entry: Any, models: Mapping[str, Model]) -> Step:
    given = Settings(where, entry)
    kinds = [kind for kind in _KINDS if kind.word in given]
    if len(kinds) != 1:
        words = ", ".join(kind.word for kind in _KINDS)
        raise InputError(f"{where}: expected one of {words}, found {len(kinds) or 'none'} of them")
    known = (models,) if issubclass(kinds[0], ModelStep) else ()
    step: Step = kinds[0].read(name, given, *known)
    return step


def _check_names(source: str, steps: Mapping[str, Step]) -> None:
    for name, step in steps.items():
        for needed, gives in step.needs.items():
            if needed not in steps:
                raise InputError(
                    f"{source}, step {name}: there is no step {needed!r}; steps that give {gives}: "
                    f"{', '.join(one for one, other in steps.items() if other.gives == gives) or 'none'}"
                )
            if steps[needed].gives != gives:
                found = steps[needed].gives or "nothing that steps can use"
                raise InputError(f"{source}, step {name}: {needed} gives {found}, expected {gives}")


def _ordered(source: str, steps: Mapping[str, Step]) -> dict[str, Step]:
    """In the order of the file wherever that can be."""
    done: dict[str, Step] = {}
    left = dict(steps)
    while left:
        ready = next((name for name, step in left.items() if all(needed in done for needed in step.needs)), None)
        if ready is None:
            raise InputError(f"{source}: the steps need each other in a circle: {' needs '.join(_circle(left))}")
        done[ready] = left.pop(ready)
    return done


def _circle(steps: Mapping[str, Step]) -> list[str]:
    """The names along a circle; every step here needs another one that is here."""
    path = [next(iter(steps))]
    while path[-1] not in path[:-1]:
        path.append(next(needed for needed in steps[path[-1]].needs if needed in steps))
    return path[path.index(path[-1]) :]


def _keep_soft(source: str, steps: Mapping[str, Step]) -> None:
    """Let members keep probabilities where a vote looks at them."""
    for step in steps.values():
        if not isinstance(step, VoteStep) or not step.soft:
            continue
        for member in (steps[name] for name in step.members):
            if isinstance(member, (MasksStep, PredictStep)):
                if member.threshold != 0.5:
                    raise InputError(
                        f"{source}, step {member.name}: threshold means nothing where a vote ({step.name}) looks at "
                        "probabilities: leave it out, and give the vote a threshold"
                    )
                member.soft = not (isinstance(member, MasksStep) and member.holds == "masks")


def _quirks(source: str, given: Mapping[str, Any], chosen: Mapping[str, bool]) -> dict[str, Quirk]:
    found = {}
    for name, entry in given.items():
        part = Settings(f"{source}, quirk {name}", entry)
        active = part.maybe("active", reading_of.flag, "true or false", True)
        about = part.take("about", reading_of.text, "a sentence on what it is")
        part.done()
        found[name] = Quirk(chosen.get(name, active), " ".join(about.split()))
    strange = [name for name in chosen if name not in found]
    if strange:
        raise InputError(f"--quirk {strange[0]}: {source} has no such quirk; it has: {', '.join(found) or 'none'}")
    return found


def _models(
    source: str, given: Mapping[str, Any], chosen: Mapping[str, str], weights: Mapping[str, str]
) -> dict[str, Model]:
    found = {}
    for name, entry in given.items():
        part = Settings(f"{source}, model {name}", {"model": entry} if isinstance(entry, str) else entry)
        model = part.take("model", reading_of.text, "the name of a model")
        files = part.maybe("weights", reading_of.text, "a file or folder of weights", "") or None
        options = part.mapping("options", "options of the model")
        part.done()
        # Another model has other options than those that were meant for this one.
        kept = {} if name in chosen else {key.replace("-", "_"): value for key, value in options.items()}
        own = None if name in chosen else files
        found[name] = Model(chosen.get(name, model), weights.get(name, own), kept)
    for option, names in (("--model", chosen), ("--weights", weights)):
        strange = [name for name in names if name not in found]
        if strange:
            raise InputError(f"{option} {strange[0]}: {source} names no such model; it names: {', '.join(found)}")
    return found
