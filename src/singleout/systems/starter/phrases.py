"""Reads what a user says by rules: which noun is meant, and what is said of its colour, clothes, place and number.

The rules know a closed list of the small words of English (articles, prepositions, colours, positions) and take every
other word for a noun until a preposition or a verb form ends the first noun phrase; its last noun is the head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from singleout.systems.starter import lexicon
from singleout.systems.starter.lexicon import singular


@dataclass(frozen=True)
class Part:
    """Something said of the thing asked for: `relation` is "wearing", "with", "behind", "riding", …

    noun: singular, empty for "in blue". phrase: all its words. colors: those of the part.
    """

    relation: str
    noun: str
    phrase: str
    colors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A phrase, taken apart. Every text has a head; the rest is empty where nothing was said.

    head: the noun that is meant, singular; "thing" where there is none ("the largest one"). phrase: its noun phrase
    without articles, colours and positions, singular ("mountain goat"). colors: of the thing itself. attributes: what
    belongs to it ("in a red sweatshirt", "with blonde hair"). context: other things that it stands in relation to
    ("behind the tree"). positions: of left, right, top, bottom, middle, front, back, largest, smallest. ordinal: 2 for
    "second from the left" (-1 for "last"), counted from `positions[0]`, or from the left. plural: several are meant
    ("all dogs", "the cars"). negated: things said to be absent ("without a hat").
    """

    text: str
    head: str
    phrase: str
    colors: tuple[str, ...] = ()
    attributes: tuple[Part, ...] = ()
    context: tuple[Part, ...] = ()
    positions: tuple[str, ...] = ()
    ordinal: int | None = None
    plural: bool = False
    negated: tuple[str, ...] = ()


def parse(text: str) -> Asked:
    """Take a phrase apart, such as "the second man in a red shirt from the left". Never fails; case is ignored."""
    return _Reader(text).read()


def tokens(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits, with hyphens and apostrophes inside them."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return [re.sub(r"'s$|'$", "", word) for word in re.findall(r"[^\W_]+(?:[-'][^\W_]+)*'?", plain)]


class _Reader:
    """Walks over the words once, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        self.words = tokens(self.text)
        self.at = 0
        self.positions: list[str] = []
        self.attributes: list[Part] = []
        self.context: list[Part] = []
        self.negated: list[str] = []
        self.ordinal: int | None = None
        self.plural = False

    def read(self) -> Asked:
        nouns, colors = self._noun_phrase(main=True)
        while self.at < len(self.words):
            self._clause()
        head = nouns[-1] if nouns else ("thing" if self.words else self.text)
        self.plural = self.plural or head in lexicon.PLURAL_NOUNS
        self.plural = self.plural or (head not in lexicon.ALWAYS_PLURAL and singular(head) != head)
        nouns = [*nouns[:-1], singular(head)]
        return Asked(
            self.text,
            singular(head),
            " ".join(nouns),
            tuple(colors),
            tuple(self.attributes),
            tuple(self.context),
            tuple(dict.fromkeys(self.positions)),
            self.ordinal,
            self.plural,
            tuple(self.negated),
        )

    def _noun_phrase(self, main: bool) -> tuple[list[str], list[str]]:
        """Nouns (with modifiers that are no colours) and colours up to the next boundary; notes numbers and places."""
        nouns: list[str] = []
        colors: list[str] = []
        has_noun = False
        while self.at < len(self.words):
            word = self.words[self.at]
            if word == "and" and colors and not has_noun:
                self.at += 1
                continue
            if self._ends(word, has_noun):
                break
            self.at += 1
            following = self._peek()
            if word in lexicon.ARTICLES:
                continue
            if f"{word} {following}" in lexicon.FIXED:
                nouns.append(word)
                continue
            if word in lexicon.GROUPS and following == "of":
                self.at += 1
                self.plural = self.plural or (main and word in lexicon.PLURAL_GROUPS)
                nouns, colors, has_noun = [], [], False
            elif word in lexicon.QUANTIFIERS:
                self.plural = self.plural or (main and word in lexicon.PLURAL_WORDS)
            elif word in lexicon.ORDINALS:
                self.ordinal = lexicon.ORDINALS[word] if main else self.ordinal
            elif word in lexicon.POSITIONS and not (word in lexicon.ALSO_NOUNS and not nouns and self._ends_here()):
                if main:
                    self.positions.append(lexicon.POSITIONS[word])
            elif word.endswith("haired"):
                hair = (*colors[-1:], *lexicon.colors_of(word.removesuffix("haired").strip("-")))
                self.attributes.append(Part("with", "hair", "hair", hair))
                colors = colors[:-1]
            elif named := lexicon.colors_of(word):
                colors += named
            elif word in lexicon.EMPTY or (has_noun and word.endswith(lexicon.ADJECTIVE_ENDINGS)):
                continue
            else:
                nouns.append(word)
                # An adjective behind a noun is a noun itself: "traffic light".
                has_noun = has_noun or not (word in lexicon.NO_NOUNS or word.endswith(lexicon.ADJECTIVE_ENDINGS))
        if not nouns and colors and self.words[self.at - 1] in lexicon.COLORS_THAT_ARE_THINGS:
            colors.pop()
            nouns = [self.words[self.at - 1]]
        return nouns, colors

    def _ends_here(self) -> bool:
        """Whether nothing follows in this phrase, so that "top" or "back" must be the noun itself."""
        return self.at >= len(self.words) or self._ends(self.words[self.at], False)

    def _ends(self, word: str, has_noun: bool) -> bool:
        if word in lexicon.PREPOSITIONS or word in lexicon.LINKS:
            return True
        if not has_noun:
            return False
        if word in lexicon.VERBS or word in lexicon.POSITIONS:
            return True
        following = self._peek(1)
        goes_on = following in lexicon.PREPOSITIONS or following in lexicon.LINKS
        if word.endswith("ing") and word not in lexicon.NOUNS_IN_ING:
            return True
        if word in lexicon.ALSO_VERBS:
            return goes_on or following in lexicon.ARTICLES
        if word.endswith("ed") and len(word) > 4 and not word.endswith(lexicon.ADJECTIVE_ENDINGS):
            return goes_on or following == ""
        return False

    def _peek(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def _clause(self) -> None:
        """One preposition or verb and the noun phrase behind it; always takes at least one word."""
        word = self.words[self.at]
        start = self.at
        if self._place():
            return
        self.at += 1
        if word in ("without", "not", "no"):
            if self.at < len(self.words) and self.words[self.at] in ("wearing", "in", "with"):
                self.at += 1
            nouns, _ = self._noun_phrase(main=False)
            self.negated += [singular(nouns[-1])] if nouns else []
            return
        relation = self._relation(word, start)
        nouns, colors = self._noun_phrase(main=False)
        if not nouns and not colors:
            return
        noun = singular(nouns[-1]) if nouns else ""
        part = Part(relation, noun, " ".join([*nouns[:-1], noun]).strip(), tuple(colors))
        worn = noun in lexicon.GARMENTS or not noun
        if relation == "and":
            last = self.attributes[-1] if self.attributes else None
            relation = last.relation if last and (worn or last.relation == "with") else "and"
            part = Part(relation, part.noun, part.phrase, part.colors)
        if relation == "in" and worn:
            part = Part("wearing", part.noun, part.phrase, part.colors)
        if part.relation in ("wearing", "with"):
            self.attributes.append(part)
        elif part.noun:
            self.context.append(part)

    def _relation(self, word: str, start: int) -> str:
        rest = self.words[start:]
        for phrase, meaning in lexicon.RELATIONS:
            if rest[: len(phrase)] == phrase:
                self.at = start + len(phrase)
                return meaning
        if word in ("dressed", "clad") and self.at < len(self.words) and self.words[self.at] in ("in", "as"):
            self.at += 1
            return "wearing"
        return word

    def _place(self) -> bool:
        """Take "on the left (side)", "in front", "from the right", "to the left", "closest to the camera"."""
        rest = self.words[self.at :]
        for count in range(min(7, len(rest)), 0, -1):
            found = lexicon.PLACE.fullmatch(" ".join(rest[:count]))
            if found:
                position = lexicon.POSITIONS[found.group("place")]
                following = rest[count] if count < len(rest) else ""
                if following == "of":
                    return False
                if found.group("from") and self.ordinal is not None:
                    self.positions.insert(0, position)
                else:
                    self.positions.append(position)
                self.at += count
                return True
        return False
