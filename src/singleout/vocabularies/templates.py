"""Sentences that a name is put in before a text tower reads it, after the habit of CLIP (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

PLAIN = ("{}",)
PHOTO = ("a photo of {a} {}.", "a blurry photo of {a} {}.", "{a} {} in a video.", "there is {a} {} in the scene.")


def with_article(name: str) -> str:
    """The name behind "a" or "an", or behind nothing where it looks like a plural ("trees")."""
    article = _article(name)
    return f"{article} {name}" if article else name


def fill(templates: Sequence[str], name: str) -> list[str]:
    """The sentences of a name, one per template: {} is the name, {a} its article.

    Raises KeyError for a template that asks for anything else.
    """
    return [" ".join(template.format(name, a=_article(name)).split()) for template in templates]


def _article(name: str) -> str:
    last = name.rsplit(maxsplit=1)[-1] if name.split() else ""
    if last.endswith("s") and not last.endswith(("ss", "us", "is")):
        return ""
    sounds_closed = name.lower().startswith(("uni", "use", "one", "eu"))
    return "an" if name[:1].lower() in "aeiou" and name and not sounds_closed else "a"
