"""``vote``: from the masks of several steps to one mask for each sentence, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.bits import Bool
from singleout.fusion.settings import Settings, shown
from singleout.fusion.steps.base import GROUPS_OF, MASKS_OF, Step, Work
from singleout.fusion.steps.pairs import groups_in
from singleout.fusion.store import MaskReader, reading, writing
from singleout.fusion.tools import Tools
from singleout.fusion.votes import SOFT, Ballot, find_vote, read_vote_settings


@dataclass(frozen=True)
class Alone:
    """What happens to a sentence without a partner.

    take: a step whose mask it gets as it is, "" for a vote. options: settings of that vote, none for the usual ones.
    """

    take: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


class VoteStep(Step):
    """See the module.

    members: steps that give masks. vote, options: see `votes`. pairs: the step that says which sentences vote together,
    "" for each by itself. weights: of members, 1 where none is given. by_score: members whose vote counts by their
    score in the frame.
    """

    word = "vote"

    def __init__(
        self,
        name: str,
        vote: str,
        members: tuple[str, ...],
        *,
        options: Mapping[str, Any],
        pairs: str = "",
        alone: Alone | None = None,
        weights: Mapping[str, float] | None = None,
        by_score: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        self.vote, self.members, self.options, self.pairs = vote, members, dict(options), pairs
        self.alone, self.weights, self.by_score = alone or Alone(), dict(weights or {}), tuple(by_score)

    @classmethod
    def read(cls, name: str, given: Settings) -> VoteStep:
        """From the pipeline file."""
        vote = given.take("vote", reading_of.text, "the name of a vote, such as count")
        find_vote(vote, given.where)
        members = given.take("of", reading_of.names, "names of steps that give masks")
        if len(set(members)) < len(members):
            raise InputError(f"{given.where}: of names a step twice; give it a weight of 2 instead")
        pairs = given.maybe("pairs", reading_of.text, "the name of a step of pairs", "")
        weights = given.mapping("weights", "a number for each member")
        for member, weight in weights.items():
            good = isinstance(weight, (int, float)) and not isinstance(weight, bool) and weight >= 0
            if member not in members or not good:
                raise InputError(
                    f"{given.where}: weights: {member}: {shown(weight)}, expected one of {', '.join(members)} and a "
                    "number from 0 on"
                )
        by_score = given.names("by-score", "names of members that have scores")
        strange = [member for member in by_score if member not in members]
        if strange:
            raise InputError(f"{given.where}: by-score: {strange[0]} is no member, expected {', '.join(members)}")
        alone = given.maybe("alone", partial(_alone, f"{given.where}, alone", vote), "a mapping", Alone())
        if (alone.take or alone.options) and not pairs:
            raise InputError(f"{given.where}: alone means nothing without pairs: leave it out, or name a step of pairs")
        options = read_vote_settings(given.where, vote, given.rest())
        given.done()
        return cls(name, vote, members, options=options, pairs=pairs, alone=alone, weights=weights, by_score=by_score)

    @property
    def soft(self) -> bool:
        """Whether probabilities are looked at."""
        return self.vote in SOFT

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        masks = [*self.members, *([self.alone.take] if self.alone.take else [])]
        return {**dict.fromkeys(masks, MASKS_OF), **({self.pairs: GROUPS_OF} if self.pairs else {})}

    def about(self) -> str:
        """See `Step`."""
        said = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in self.options.items())
        return f"vote {self.vote}{f' ({said})' if said else ''} of {len(self.members)}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        return {
            "vote": self.vote,
            "members": self.members,
            "options": {name: str(value) for name, value in self.options.items()},
            "alone": [self.alone.take, {name: str(value) for name, value in self.alone.options.items()}],
            "weights": self.weights,
            "by_score": self.by_score,
        }

    def make(self, work: Work) -> None:
        """See `Step`."""
        with ExitStack() as stack:
            masks = [name for name, gives in self.needs.items() if gives == MASKS_OF]
            opened = {name: stack.enter_context(reading(work.inputs[name])) for name in masks}
            clip = opened[self.members[0]].clip
            for name in self.members:
                other = opened[name].clip
                if other != clip:
                    raise InputError(
                        f"step {self.name}: {name} has other frames, sentences or sizes for video {clip.video} than "
                        f"{self.members[0]} ({other.size}, {len(other.frames)} frames of {len(other.sentences)} "
                        f"sentences; {clip.size}, {len(clip.frames)} of {len(clip.sentences)}): all must be alike"
                    )
            groups = groups_in(work.inputs[self.pairs]) if self.pairs else [[each] for each in clip.sentences]
            with writing(work.target, clip, work.key) as writer:
                for group in groups:
                    for frame in range(len(clip.frames)):
                        writer.add(group[0], frame, self._decide(group, frame, opened))
                        work.tools.may_stop(work.video.name)
                    for partner in group[1:]:
                        writer.same(partner, group[0])

    def _decide(self, group: Sequence[str], frame: int, opened: Mapping[str, MaskReader]) -> Bool:
        if len(group) == 1 and self.alone.take:
            return opened[self.alone.take].mask(group[0], frame)
        options = self.alone.options if len(group) == 1 and self.alone.options else self.options
        ballots = [self._ballot(opened[name], name, one, frame) for name in self.members for one in group]
        return find_vote(self.vote)(ballots, **options)

    def _ballot(self, reader: MaskReader, name: str, sentence: str, frame: int) -> Ballot:
        weight = self.weights.get(name, 1)
        if name in self.by_score:
            scores = reader.scores(sentence)
            if scores is None:
                raise InputError(
                    f"step {self.name}: {name} has no scores, so its vote cannot count by them: leave it out of "
                    "by-score, or say agreement: true where it is propagated"
                )
            weight = weight * float(scores[frame])
        return Ballot(weight, partial(reader.mask, sentence, frame), partial(reader.probabilities, sentence, frame))


def _alone(where: str, vote: str, given: Any) -> Alone:
    inside = Settings(where, given)
    if "take" in inside:
        take = inside.take("take", reading_of.text, "the name of a step that gives masks")
        inside.done()
        return Alone(take)
    return Alone(options=read_vote_settings(where, vote, inside.rest()))
