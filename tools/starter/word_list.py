"""Chooses the words of the starter's table: frequent English, nouns for visible things, names it is trained with."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.starter.wordnet import WordNet

NAMES = Path(__file__).parent / "names"
PLAIN = re.compile(r"[a-z]{2,}(-[a-z]+)*")


def training_names() -> list[str]:
    """Every name that the starter is trained with, so that each has a vector of its own, and the words in them."""
    things: dict[str, dict[str, list[str]]] = json.loads((NAMES / "names.json").read_text(encoding="utf-8"))
    sprites: list[dict[str, str]] = json.loads((NAMES / "sprites.json").read_text(encoding="utf-8"))
    names = [name for thing in things.values() for name in thing["names"]] + [sprite["name"] for sprite in sprites]
    names = [name.lower() for name in names]
    return list(dict.fromkeys(names + [word for name in names for word in name.split() if PLAIN.fullmatch(word)]))


def read_levels(scowl: Path) -> dict[str, int]:
    """SCOWL's level of each word: 10 for the most common English, 60 for what a dictionary has."""
    level: dict[str, int] = {}
    for number in (10, 20, 35, 40, 50, 55, 60):
        for kind in ("english", "american", "british"):
            for word in (scowl / f"{kind}-words.{number}").read_text(encoding="latin-1").split():
                level.setdefault(word, number)
    return level


def common_words(wordnet: WordNet, tokens: list[str], level: dict[str, int], count: int) -> list[str]:
    """The words that span the space: training names, frequent English, visible nouns, pairs such as "fire engine".

    tokens: of the sentence encoder, frequent ones first. Names of people and places are left out, and plurals whose
    singular is there.
    """
    words: dict[str, None] = dict.fromkeys(training_names())
    for word in tokens:
        is_common = word in level or _lemma_as_written(wordnet, word)
        if PLAIN.fullmatch(word) and is_common and (word in wordnet.senses or not wordnet.singular(word)):
            words.setdefault(word)
    nouns = [word for word in wordnet.senses if PLAIN.fullmatch(word) and _visible(wordnet, word)]
    for word in sorted((word for word in nouns if word in level), key=lambda word: (level[word], word)):
        words.setdefault(word)
    pairs = [word for word in wordnet.senses if word.count(" ") == 1 and _is_fixed_pair(wordnet, word, words)]
    for word in sorted(pairs, key=lambda word: (-wordnet.counted[word], word)):
        words.setdefault(word)
    return list(words)[:count]


def table_words(wordnet: WordNet, common: list[str]) -> list[str]:
    """The words that the table ships: the nouns among the common ones, and short forms such as SUV."""
    names = set(training_names())
    words = dict.fromkeys(
        word for word in common if word in names or word in wordnet.senses or wordnet.singular(word) is not None
    )
    short = [word for word in wordnet.senses if len(word) <= 4 and PLAIN.fullmatch(word)]
    words |= dict.fromkeys(sorted(word for word in short if _is_abbreviation(wordnet, word)))
    return list(words)


def _lemma_as_written(wordnet: WordNet, word: str) -> bool:
    return any(word in wordnet.synsets[offset].lemmas for offset in wordnet.senses.get(word, ()))


def _visible(wordnet: WordNet, word: str) -> bool:
    return any(
        wordnet.synsets[offset].visible and word in wordnet.synsets[offset].lemmas for offset in wordnet.senses[word]
    )


def _is_abbreviation(wordnet: WordNet, word: str) -> bool:
    """Whether it stands for something made by people: SUV, ATM, UFO."""
    synsets = [wordnet.synsets[offset] for offset in wordnet.senses[word]]
    return any(synset.lexfile == "06" and word.upper() in synset.lemmas for synset in synsets)


def _is_fixed_pair(wordnet: WordNet, pair: str, words: dict[str, None]) -> bool:
    """Whether two words mean what neither says alone: a "ski boot" is a boot, but a "fire engine" is no engine."""
    parts = pair.split(" ")
    if not all(part in words for part in parts) or not _visible(wordnet, pair):
        return False
    meaning = next(offset for offset in wordnet.senses[pair] if wordnet.synsets[offset].visible)
    above = {lemma for offset, _ in wordnet.ancestors(meaning) for lemma in wordnet.synsets[offset].lemmas}
    return parts[-1] not in above or wordnet.counted[pair] > 0
