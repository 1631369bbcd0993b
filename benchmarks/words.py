"""What words cost, and how far a sentence that is asked once is from one that goes through all templates.

    python benchmarks/words.py --tower univs/regionclip-text-encoder
    python benchmarks/words.py --tower lang_encoder.pth --tokenizer bpe/ --names names.txt --count 200

Without published weights a tower can be random: ``--tower random``; its times are those of a real one, its distances
are not. The official way is every text with all 77 tokens. Seconds are those of the processor, all threads.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

from singleout.nn.text.clip import ClipTextSize, ClipTextTower
from singleout.nn.text.tokens import ClipTokenizer
from singleout.nn.text.words import UNIVS, ClipWords
from singleout.vocabularies import packaged_names, read_names
from singleout.zoo.tokenizers import copy_tokenizer
from singleout.zoo.words import find_tower, open_words
from timing import calibration

_SENTENCES = (
    "a man is playing ice hockey",
    "the white dog on the left",
    "a person in a red shirt riding a bicycle behind a car",
    "the second zebra from the right",
    "a child holding an umbrella",
    "a black cat sleeping on the sofa",
)


@torch.inference_mode()
def official_seconds(words: ClipWords, sentence: str) -> float:
    """Seconds of the processor for one sentence in all templates, all 77 tokens of each."""
    ids = torch.zeros(len(words.asking.templates), words.tower.size.context, dtype=torch.int64)
    for row, found in zip(ids, words.tokens([each.format(sentence) for each in words.asking.templates]), strict=True):
        row[: len(found)] = torch.as_tensor(found)
    start = time.process_time()
    words.tower(ids)
    return time.process_time() - start


def open_tower(name: str, tokenizer: Path | None) -> ClipWords:
    """The tower of a name, or a random one of UniVS's size."""
    if name != "random":
        return open_words(find_tower(name), UNIVS, tokenizer=tokenizer, keep=False)
    if tokenizer is None:
        raise SystemExit("--tower random needs --tokenizer: a folder, or CLIP's table of byte pairs")
    with tempfile.TemporaryDirectory() as folder:
        copy_tokenizer(tokenizer, Path(folder) / "tokenizer")
        found = ClipTokenizer.find(Path(folder) / "tokenizer")
    assert found is not None
    torch.manual_seed(0)
    return ClipWords(ClipTextTower(ClipTextSize()).eval().requires_grad_(False), found)


def main() -> None:
    """Print the distances and the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tower", default="univs/regionclip-text-encoder")
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--sentences", type=Path, help="one a line")
    parser.add_argument("--names", type=Path, help="one a line; LVIS's by default")
    parser.add_argument("--count", type=int, default=100, help="names that are read")
    given = parser.parse_args()
    words = open_tower(given.tower, given.tokenizer)
    sentences = read_names(given.sentences) if given.sentences else _SENTENCES
    print(calibration())

    official = official_seconds(words, sentences[0])
    start = time.process_time()
    whole = words.embed_sentences(sentences).sentences
    each = (time.process_time() - start) / len(sentences)
    start = time.process_time()
    once = words.embed_sentences(sentences, once=True).sentences
    single = (time.process_time() - start) / len(sentences)
    print(f"a sentence: {official:.2f} s the official way, {each:.2f} s ours, {single:.3f} s once")
    near = F.normalize(once, dim=-1) @ F.normalize(whole, dim=-1).t()
    own, others = near.diagonal(), near - 2 * torch.eye(len(near))
    print(f"once to all templates: cosine {own.min():.4f} at least, {own.mean():.4f} in the mean")
    print(f"once to other sentences: cosine {others.max():.4f} at most")
    found = int((near.argmax(1) == torch.arange(len(near))).sum())
    print(f"nearest to itself: {found} of {len(near)}")

    names = (read_names(given.names) if given.names else packaged_names("lvis"))[: given.count]
    start = time.process_time()
    words.embed_names(names)
    seconds = time.process_time() - start
    print(f"{len(names)} names: {seconds:.1f} s, {1000 * seconds / len(names):.0f} ms each")


if __name__ == "__main__":
    main()
