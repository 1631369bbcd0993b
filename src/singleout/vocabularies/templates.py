"""Sentences that a name is put in before a text tower reads it, after the habit of CLIP (Radford et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

PLAIN = ("{}",)
PHOTO = ("a photo of {a} {}.", "a blurry photo of {a} {}.", "{a} {} in a video.", "there is {a} {} in the scene.")

# The 80 of CLIP's own evaluation on ImageNet (openai/CLIP).
IMAGENET = (
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)
# The 81 that RegionCLIP and UniVS ask (MinghanLI/UniVS): the bare name and the plain photo go first.
REGIONCLIP = ("{}.", "a photo of a {}.", *(template for template in IMAGENET if template != "a photo of a {}."))
# The 14 of ViLD (Gu et al. 2022) that OVSeg asks (facebookresearch/ov-seg); four have no full stop there either.
VILD = (
    "a photo of a {}.",
    "This is a photo of a {}",
    "There is a {} in the scene",
    "There is the {} in the scene",
    "a photo of a {} in the scene",
    *(f"a photo of a {size} {{}}." for size in ("small", "medium", "large")),
    *(f"This is a photo of a {size} {{}}." for size in ("small", "medium", "large")),
    *(f"There is a {size} {{}} in the scene." for size in ("small", "medium", "large")),
)


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
