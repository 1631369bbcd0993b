"""A pipeline file as plain values: YAML, and what its quirks decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from singleout.errors import InputError
from singleout.fusion.settings import shown

_SWITCH = {"when", "then", "else"}
_LEFT_OUT = object()


def read_yaml(content: str, source: str) -> Any:
    """The values of a text. source: what messages call it. Raises InputError where it is no YAML."""
    try:
        # A loader that makes plain values only, as yaml.safe_load does.
        return yaml.load(content, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{source}{line} is no YAML: {getattr(error, 'problem', None) or error}") from error


def switched(value: Any, active: Mapping[str, bool], where: str) -> Any:
    """The same with every ``{when: QUIRK, then: …, else: …}`` decided; without else the setting is left out."""
    if isinstance(value, dict):
        if "when" in value:
            name = value["when"]
            if not isinstance(name, str) or name not in active or not {"then"} <= value.keys() <= _SWITCH:
                raise InputError(
                    f"{where}: when: {shown(name)}: expected one of the file's quirks ({', '.join(active) or 'none'}), "
                    "then: a value, and perhaps else: another one"
                )
            if active[name]:
                return switched(value["then"], active, where)
            return switched(value["else"], active, where) if "else" in value else _LEFT_OUT
        decided = {key: switched(each, active, where) for key, each in value.items()}
        return {key: each for key, each in decided.items() if each is not _LEFT_OUT}
    if isinstance(value, list):
        return [each for each in (switched(one, active, where) for one in value) if each is not _LEFT_OUT]
    return value


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a name that comes twice, of which YAML would silently take the last."""


def _mapping_once(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    written = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for place, key in enumerate(written):
        if any(key.value == other.value for other in written[:place]):
            raise yaml.constructor.ConstructorError(None, None, f"{key.value!r:.40} comes twice", key.start_mark)
    # Names that are merged in (<<) may come again: what is written here counts.
    loader.flatten_mapping(node)
    return {
        _name(loader.construct_object(key, deep=True), key): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


def _name(key: Any, node: yaml.Node) -> Any:
    if isinstance(key, (list, dict)):
        raise yaml.constructor.ConstructorError(None, None, f"{key!r:.40} is no name", node.start_mark)
    return key


# A date is no value of a pipeline, but may be the name of something.
_Loader.yaml_implicit_resolvers = {
    start: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for start, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_once)
