"""The word part of `davis16.py`: sentences by the Ref-DAVIS rule, listening, and words that were never trained."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import singleout
from sequences import SHOWS, Sequence
from singleout.evaluation.metrics.boundary import contour_accuracy
from singleout.evaluation.metrics.region import region_similarity
from singleout.media import Video
from singleout.segmenter import Segmenter

LISTENING = (
    "person",
    "man",
    "woman",
    "girl",
    "boy",
    "guy",
    "car",
    "bicycle",
    "horse",
    "dog",
    "cow",
    "camel",
    "goat",
    "swan",
)
# Words of tools/starter/names/names.json that are held out: no training met them.
SYNONYMS = {
    "parkour": ("person", ("guy", "gentleman", "fellow", "adult", "athlete")),
    "car-roundabout": ("car", ("hatchback", "motorcar", "coupe", "suv", "minivan")),
}


def phrase_scores(
    segmenter: Segmenter, sequence: Sequence, texts: tuple[str, ...], options: dict[str, Any], step: int = 1
) -> dict[str, dict[str, float]]:
    """J and F over all frames (every `step`-th) and the number of frames with a mask, for each sentence on its own."""
    video = Video(sequence.frames)
    phrases = [singleout.Phrase(text, object_id=number + 1) for number, text in enumerate(texts)]
    values: dict[int, list[tuple[float, float, bool]]] = {number + 1: [] for number in range(len(texts))}
    stream = segmenter.stream(video, phrases, **options)
    for found in stream:
        if found.frame % step:
            continue
        masks = dict(zip(found.ids.tolist(), found.binary(), strict=True))
        truth = sequence.truth(found.frame)
        empty = np.zeros_like(truth)
        for number, collected in values.items():
            # A sentence may get a new id after a cut; these are one answer here.
            own = [
                mask for key, mask in masks.items() if stream.objects[key].label == texts[number - 1] or key == number
            ]
            mask = np.logical_or.reduce(own) if own else empty
            collected.append((region_similarity(mask, truth), contour_accuracy(mask, truth), bool(mask.any())))
    out = {}
    for number, text in enumerate(texts):
        j, f, seen = np.mean(np.array(values[number + 1], dtype=float), axis=0)
        out[text] = {"J": float(j), "F": float(f), "J&F": float(j + f) / 2, "share_of_frames": float(seen)}
    return out


def sentences(segmenter: Segmenter, chosen: list[Sequence], options: dict[str, Any]) -> dict[str, Any]:
    """All sentences of the whole-object sequences, every frame; the mean over the four annotators."""
    rows, means = {}, {}
    for sequence in chosen:
        if not sequence.sentences:
            continue
        asked = tuple(dict.fromkeys(" ".join(text.split()) for text in sequence.sentences))
        scores = phrase_scores(segmenter, sequence, asked, options)
        by_annotator = [scores[" ".join(text.split())] for text in sequence.sentences]
        for annotator, (text, score) in enumerate(zip(sequence.sentences, by_annotator, strict=True)):
            rows[f"{sequence.name} {annotator}"] = {**score, "sentence": text.strip()}
        means[sequence.name] = {
            key: float(np.mean([score[key] for score in by_annotator])) for key in ("J", "F", "J&F")
        }
        print(f"{sequence.name}: J {means[sequence.name]['J']:.3f}", file=sys.stderr)
    people = [means[name]["J"] for name in ("breakdance", "dance-twirl", "parkour") if name in means]
    result: dict[str, Any] = {"each": rows, "sequences": means}
    if people:
        result["people_J"] = float(np.mean(people))
    return result


def listening(segmenter: Segmenter, chosen: list[Sequence], options: dict[str, Any]) -> dict[str, Any]:
    """Names asked in sequences that do not show them must find nothing; those that are shown are counted beside."""
    silent, found, wrong = 0, 0, []
    pairs = shown = 0
    for sequence in chosen:
        video = Video(sequence.frames)
        phrases = [singleout.Phrase(f"a {name}", object_id=number + 1) for number, name in enumerate(LISTENING)]
        stream = segmenter.stream(video, phrases, **options)
        seen: set[str] = set()
        for masks in stream:
            seen.update(stream.objects[number].label for number in masks.ids.tolist())
        for name in LISTENING:
            answered = f"a {name}" in seen
            if name in SHOWS[sequence.name]:
                shown += 1
                found += answered
            else:
                pairs += 1
                silent += not answered
                if answered:
                    wrong.append(f"{name} in {sequence.name}")
        print(f"{sequence.name}: answered {sorted(seen)}", file=sys.stderr)
    return {
        "pairs_not_shown": pairs,
        "silent": silent,
        "share_silent": silent / max(1, pairs),
        "pairs_shown": shown,
        "found": found,
        "answered_wrongly": ", ".join(wrong),
    }


def synonyms(segmenter: Segmenter, chosen: list[Sequence], options: dict[str, Any]) -> dict[str, Any]:
    """J of words that the training never met, against J of the trained word, in every fourth frame."""
    rows = {}
    for sequence in chosen:
        if sequence.name not in SYNONYMS:
            continue
        trained, others = SYNONYMS[sequence.name]
        scores = phrase_scores(
            segmenter, sequence, (f"a {trained}", *(f"a {other}" for other in others)), options, step=4
        )
        reference = scores[f"a {trained}"]["J"]
        for text, score in scores.items():
            rows[f"{sequence.name} {text}"] = {
                "J": score["J"], "ratio": score["J"] / reference if reference else float("nan")
            }  # fmt: skip
    return {"words": rows} if rows else {}
