"""Brings category names as data sets write them to the words that a person would say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from singleout.errors import InputError


def clean_name(name: str) -> str:
    """The name as a person would say it: "traffic_light" and "Traffic-Light(red)" become "traffic light".

    Takes off what stands in brackets, what follows a comma or a slash (further names of the same thing) and "-other",
    "-merged" or "-stuff" at the end, as COCO's panoptic names have them. Raises InputError where nothing is left.
    """
    plain = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", name)
    plain = re.split(r"[,;/|]", plain.strip(" ,;/|"))[0]
    plain = re.sub(r"(-(other|merged|stuff))+\s*$", "", plain)
    # A hyphen is part of a word after one letter (t-shirt) and in the name of a person met by chance (passer-by).
    plain = re.sub(r"_+|(?<=\w{2})-(?!by\b)(?=\w)", " ", plain)
    plain = " ".join(plain.lower().split())
    if not re.search(r"\w", plain):
        raise InputError(f"category name {name!r} has no word in it: give it a name")
    return plain


def clean_names(names: Iterable[str]) -> list[str]:
    """Each name cleaned, in the same order. Raises InputError where two of them become the same."""
    cleaned: dict[str, str] = {}
    for name in names:
        plain = clean_name(name)
        if plain in cleaned:
            raise InputError(f"category names {cleaned[plain]!r} and {name!r} both mean {plain!r}: rename one of them")
        cleaned[plain] = name
    return list(cleaned)


def bare_words(text: str) -> str:
    """A name or sentence as UniVS brings it to its text tower: lower-case words and blanks.

    "traffic_light (2)" becomes "traffic light". Digits go as well, as published, so "2CV" becomes "cv"; nothing may be
    left. See the tokens of golden-text-encoder (MinghanLI/UniVS).
    """
    plain = re.sub(r"[\d()]", "", text.replace("_", " ")).lower()
    plain = re.sub(r"[.,'!?\"()*#:;]", "", plain)
    return " ".join(re.sub(r"[-/+]", " ", plain).split())
