"""Pairs of regions and nouns from pictures with captions, to adapt CLIP with (section 3.3 of Liang et al. 2023).

A trained model proposes regions, nouns are taken out of the caption, and each noun gets the region that CLIP finds most
like it. The authors' own code for this was never published.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from singleout.errors import InputError
from singleout.media.atomic import atomic_path
from singleout.nn.mask2former.geometry import Picture
from singleout.systems.ovseg.adapting import BACKGROUND
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.options import Options
from singleout.systems.ovseg.pictures import ask_clip, look
from singleout.systems.ovseg.values import Region

Nouns = Callable[[str], Sequence[str]]
"""The nouns of a caption, each once, in their order."""

_SIDE = 224  # pixels of a stored region
_COLOUR = np.array(BACKGROUND, np.uint8)


@dataclass(frozen=True)
class Captioned:
    """picture: (height, width, 3) uint8 RGB. name: of the files that its regions are written to."""

    name: str
    picture: Picture
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """One noun and the region that shows it, (side, side, 3) uint8 RGB, its background of one colour."""

    noun: str
    region: npt.NDArray[np.uint8]


def listed_nouns(words: Collection[str]) -> Nouns:
    """Nouns are the words of a list, which may be of several words each; the longest that fits counts."""
    known = {" ".join(word.lower().split()) for word in words}
    longest = max((len(word.split()) for word in known), default=0)

    def nouns(caption: str) -> list[str]:
        found: dict[str, None] = {}
        said, place = re.findall(r"[\w'-]+", caption.lower()), 0
        while place < len(said):
            spans = range(min(longest, len(said) - place), 0, -1)
            span = next((one for one in spans if " ".join(said[place : place + one]) in known), 0)
            if span:
                found[" ".join(said[place : place + span])] = None
            place += max(span, 1)
        return list(found)

    return nouns


def nltk_nouns() -> Nouns:
    """Nouns by NLTK's tagger, as the paper has it. Raises InputError where NLTK or its data are not installed."""
    try:
        nltk: Any = import_module("nltk")
        nltk.pos_tag(nltk.word_tokenize("a dog"))
    except (ImportError, LookupError) as error:
        raise InputError(
            "nouns by NLTK need the package nltk (pip install 'singleout[nouns]') and its data punkt_tab and "
            "averaged_perceptron_tagger_eng (python -m nltk.downloader): install them, or give a list of words"
        ) from error

    def nouns(caption: str) -> list[str]:
        tagged = nltk.pos_tag(nltk.word_tokenize(caption))
        return list(dict.fromkeys(word.lower() for word, tag in tagged if tag.startswith("NN")))

    return nouns


@torch.inference_mode()
def pairs_of(system: OVSeg, given: Captioned, nouns: Nouns, options: Options | None = None) -> Iterator[Pair]:
    """A pair for each noun of the captions, none where the model proposes no region.

    options: such as mask_prompts=False, which suits a CLIP that is not adapted yet.
    """
    found = list(dict.fromkeys(noun for caption in given.captions for noun in nouns(caption)))
    if not found:
        return
    network = system.network
    config = network.config
    rules = (options or Options(rule="ensemble")).rules(config)
    seen = look(network, given.picture, config.size, config.longest)
    regions, logits = ask_clip(network.clip.images, seen.picture, seen.shares, system.rows(found), rules)
    if not regions:
        return
    pixels = seen.picture.permute(1, 2, 0).round().to(torch.uint8).cpu().numpy()
    for noun, place in zip(found, logits[:, :-1].argmax(0).tolist(), strict=True):
        share = seen.shares[regions[place].query].cpu().numpy()
        yield Pair(noun, _stored(pixels, share > rules.cutting.threshold, regions[place]))


def write_pairs(
    system: OVSeg, pictures: Iterable[Captioned], nouns: Nouns, folder: Path, options: Options | None = None
) -> int:
    """Regions as ``folder/NAME_N.png`` and ``folder/pairs.csv``; returns how many there are.

    The list has the columns filepath and title, tab separated, as OpenCLIP reads it; it appears when all are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (
        atomic_path(folder / "pairs.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(("filepath", "title"))
        for given in pictures:
            for number, pair in enumerate(pairs_of(system, given, nouns, options)):
                name = f"{given.name}_{number}.png"
                with atomic_path(folder / name) as picture:
                    Image.fromarray(pair.region).save(picture, format="PNG")
                table.writerow((name, pair.noun))
                count += 1
    return count


def _stored(pixels: npt.NDArray[np.uint8], inside: npt.NDArray[np.bool_], region: Region) -> npt.NDArray[np.uint8]:
    left, top, right, bottom = region.box
    part = np.where(inside[top:bottom, left:right, None], pixels[top:bottom, left:right], _COLOUR)
    whole = Image.fromarray(part).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    mask = Image.fromarray(inside[top:bottom, left:right]).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    # Resizing blends the colour at the edges; what is background is to have it exactly.
    return np.where(np.asarray(mask)[..., None], np.asarray(whole), _COLOUR)
