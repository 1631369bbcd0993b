"""Pack the classifier that names cut-outs: the published ImageNet weights, and what each class may be called.

    python -m tools.starter.build_namer --backbone efficientnet-lite0-57934424.pth --wordnet FOLDER

`--wordnet` holds `data.noun` and `index.noun` of WordNet 3.0 (Debian's `wordnet-base`). Writes `namer.safetensors`
(half precision, batch norm of the head folded) and `namer.json` beside the starter's weights.
`names/imagenet.txt` lists the WordNet numbers of the 1000 classes of ILSVRC 2012 in their order.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from singleout.nn.backbones.efficientnet_lite import from_published
from singleout.systems.starter.namer import NamerNetwork
from singleout.systems.starter.words import WEIGHTS
from tools.starter.wordnet import WordNet

CLASSES = Path(__file__).parent / "names" / "imagenet.txt"
# Meanings that so much falls under that nobody asks for them.
TOO_WIDE = frozenset(CLASSES.with_name("too-wide.txt").read_text().splitlines())


def above(wordnet: WordNet, offset: str) -> Iterator[str]:
    """A meaning and all those above it, by every way up."""
    yield offset
    for parent in wordnet.synsets[offset].parents:
        yield from above(wordnet, parent)


def names_of(wordnet: WordNet, offset: str) -> list[str]:
    """Everything that a class may be called, its own names first.

    A word counts only for what it means first: "boxer" is not a dog to most who type it. Groups that WordNet names in
    the plural ("cows") are also called by the singular.
    """
    names: dict[str, None] = {}
    for meaning in above(wordnet, offset):
        for lemma in wordnet.synsets[meaning].lemmas:
            name = lemma.lower()
            if name not in TOO_WIDE and wordnet.senses[name][0] == meaning:
                names.setdefault(name)
            single = wordnet.singular(name) if " " not in name else None
            if single is not None and name not in wordnet.irregular and single not in TOO_WIDE:
                names.setdefault(single)
    return list(names)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Pack the classifier that names cut-outs.")
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    published = torch.load(options.backbone, map_location="cpu", weights_only=True)
    network = NamerNetwork()
    network.backbone.load_state_dict(from_published(published))
    scale = published["_bn1.weight"] / (published["_bn1.running_var"] + 1e-3).sqrt()
    with torch.no_grad():
        network.head.weight.copy_(published["_conv_head.weight"] * scale[:, None, None, None])
        assert network.head.bias is not None
        network.head.bias.copy_(published["_bn1.bias"] - published["_bn1.running_mean"] * scale)
        network.classes.weight.copy_(published["_fc.weight"])
        network.classes.bias.copy_(published["_fc.bias"])
    state = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file({name: value.half().contiguous() for name, value in state.items()}, options.out / "namer.safetensors")
    wordnet = WordNet(options.wordnet)
    names = [names_of(wordnet, line.strip().removeprefix("n")) for line in CLASSES.read_text().splitlines()]
    text = ",\n".join(json.dumps(called) for called in names)
    (options.out / "namer.json").write_text(f'{{"names": [\n{text}\n]}}\n', encoding="utf-8")
    print(len(names), "classes,", len({name for called in names for name in called}), "names")


if __name__ == "__main__":
    main()
