"""``pair``: which sentences mean the same object, so that they share what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.exports.layout import read_json
from singleout.fusion import settings as reading_of
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import GROUPS_OF, Step, Work
from singleout.fusion.store import VALUES, read_values, write_values
from singleout.fusion.tools import Tools

CONSECUTIVE, OBJECT, NOBODY, LISTED = "consecutive", "object", "nobody", "list"
Groups = list[list[str]]


class PairStep(Step):
    """See the module.

    rule: "consecutive", the first two sentences of a video, the next two, and so on, as the challenge took them;
    "object", sentences for which the data set names the same objects; "nobody"; or "list", those of a JSON file,
    ``{video: [[sentence, sentence], …]}``, where a sentence that is not named is alone.
    """

    word = "pair"
    gives = GROUPS_OF
    suffix = VALUES

    def __init__(self, name: str, rule: str, file: str) -> None:
        super().__init__(name)
        self.rule, self.file = rule, file
        self._listed: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, name: str, given: Settings) -> PairStep:
        """From the pipeline file."""
        rule = given.one_of("pair", (CONSECUTIVE, OBJECT, NOBODY, LISTED), CONSECUTIVE)
        file = given.take("file", reading_of.text, "a JSON file of pairs") if rule == LISTED else ""
        given.done()
        return cls(name, rule, file)

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return {}

    def about(self) -> str:
        """See `Step`."""
        return f"pairs of {self.file}" if self.file else f"pairs by the rule {self.rule}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        return {}

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """See `Step`."""
        return self._groups(video, tools)

    def check(self, videos: Sequence[ReferringVideo], tools: Tools) -> None:
        """See `Step`."""
        for video in videos:
            self._groups(video, tools)

    def make(self, work: Work) -> None:
        """See `Step`."""
        write_values(work.target, work.key, {"groups": self._groups(work.video, work.tools)})

    def _groups(self, video: ReferringVideo, tools: Tools) -> Groups:
        sentences = [each.id for each in video.sentences]
        if self.rule == CONSECUTIVE:
            return [sentences[start : start + 2] for start in range(0, len(sentences), 2)]
        if self.rule == OBJECT:
            return _by_object(video)
        if self.rule == NOBODY:
            return [[each] for each in sentences]
        if self._listed is None:
            self._listed = _read_list(tools.members / self.file)
        return _listed(self._listed.get(video.name, []), sentences, f"{tools.members / self.file}: video {video.name}")


def groups_in(product: Path) -> Groups:
    """The groups that a step of pairs gives for a video."""
    groups: Groups = read_values(product)["groups"]
    return groups


def _by_object(video: ReferringVideo) -> Groups:
    found: dict[tuple[Any, ...], list[str]] = {}
    for sentence in video.sentences:
        meant = (*sorted(sentence.object_ids), *sorted(sentence.mask_ids))
        # Of a sentence whose object is not public nothing is known that another one could share.
        found.setdefault(meant or ("sentence", sentence.id), []).append(sentence.id)
    return list(found.values())


def _read_list(path: Path) -> Mapping[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected groups of sentences by the name of the video")
    return content


def _listed(given: Any, sentences: Sequence[str], where: str) -> Groups:
    if not isinstance(given, list) or not all(isinstance(group, list) and group for group in given):
        raise InputError(f'{where}: expected a list of groups such as [["0", "1"], ["2", "3"]]')
    groups = [[str(each) for each in group] for group in given]
    named = [each for group in groups for each in group]
    strange = [each for each in named if each not in sentences]
    if strange:
        raise InputError(f"{where}: there is no sentence {strange[0]}; it has {', '.join(sentences)}")
    twice = [each for each in named if named.count(each) > 1]
    if twice:
        raise InputError(f"{where}: sentence {twice[0]} is named twice")
    return groups + [[each] for each in sentences if each not in named]
