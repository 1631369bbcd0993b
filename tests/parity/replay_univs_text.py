"""UniVS's text encoder: tokens of names and sentences in 81 templates, and their vectors (section 3 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, Values, arrays_of, spec_of
from tests.parity.text_towers import univs_words
from tests.parity.weights import shapes_of

from singleout.nn.text.clip import ClipTextTower, convert_names, find_tower
from singleout.nn.text.words import ClipWords
from singleout.vocabularies import REGIONCLIP, bare_words

PART = "univs"
CASE = "text encoder on BPE tokens"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.name.startswith("keys-"):
        # A whole CLIP has pictures as well, and is another system's.
        shapes = shapes_of(path)
        found = find_tower(shapes)
        return found is not None and found[0] == "" and not any(name.startswith("visual.") for name in shapes)
    return "name_tokens" in arrays_of(path) and spec_of(path).get("case") == CASE


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if path.name.startswith("keys-"):
        yield from _names(golden, shapes_of(path))
        return
    spec = golden.spec
    words = univs_words(path, context, spec["salt"], spec["keys"])
    for kind in ("names", "expressions"):
        # Blanks at the ends are no token, and ours takes them off.
        cleaned = np.array([text.strip() for text in spec[f"{kind}_cleaned"]])
        yield Comparison(f"{kind}_cleaned", np.array([bare_words(text) for text in spec[kind]]), cleaned)
    yield golden.compare("name_tokens", _tokens(words, spec["names"]))
    yield golden.compare("name_embeddings", words.embed_names(spec["names"]).numpy())
    yield golden.compare("expression_tokens", _tokens(words, spec["expressions"]))
    features = words.embed_sentences(spec["expressions"])
    places, channels = _strides(spec, "expression_word_feats", 2)
    yield golden.compare("expression_word_feats", features.words[:, ::places, ::channels].numpy())
    yield golden.compare("expression_sentence_feats", features.sentences.numpy())
    first = bare_words(spec["expressions"][0])
    with torch.no_grad():
        vectors = words.tower.texts(words.tokens([template.format(first) for template in REGIONCLIP]))
    (every,) = _strides(spec, "first_expression_eot_templates", 1)
    yield golden.compare("first_expression_eot_templates", vectors[:, ::every].numpy())


def _names(golden: Golden, shapes: dict[str, tuple[int, ...]]) -> Iterator[Comparison]:
    """Every official name has its place in the tower, and no place is left."""
    for name in golden.names():
        golden.input(name)
    found = find_tower(shapes)
    assert found is not None
    with torch.device("meta"):
        own = ClipTextTower(found[1]).state_dict()
    conversion = convert_names({name: torch.empty(shape, device="meta") for name, shape in shapes.items()})
    theirs, ours = (
        np.array(sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in state.items()))
        for state in (conversion.state, own)
    )
    yield Comparison("names and shapes", ours, theirs)
    yield Comparison("names without a place", len(conversion.ignored), 0)


def _strides(spec: dict[str, Any], name: str, count: int) -> list[int]:
    """The steps at which an array is stored, as its description has them: "positions [::3], channels [::4]"."""
    found = [int(step) for step in re.findall(r"\[::(\d+)\]", spec["arrays"][name])]
    if len(found) != count:
        raise CannotReplayError(f"{name} is stored as {spec['arrays'][name]!r}")
    return found


def _tokens(words: ClipWords, texts: list[str]) -> Values:
    """Ids of each text in each template, filled up with zeros."""
    filled = [template.format(bare_words(text)) for text in texts for template in REGIONCLIP]
    rows = np.zeros((len(filled), words.tower.size.context), np.uint16)
    for row, ids in zip(rows, words.tokens(filled), strict=True):
        row[: len(ids)] = ids
    return rows.reshape(len(texts), len(REGIONCLIP), -1)
