"""A fusion from end to end on DAVIS-2016 with sentences: three members, propagation, two rounds of votes, scores.

    python benchmarks/fusion_davis16.py [FOLDER] --out OUT [--sequences dog,camel] [--frames 6] [--sentences 2] …

FOLDER is that of the sequences (default: ../shared/davis16). Its sentences, frames and masks are laid out in OUT/data
as Ref-YouTube-VOS is, then ``singleout fuse benchmarks/fusion_davis16.yaml`` runs in OUT/run. What follows ``--`` goes
to that command, such as ``-- --explain`` or ``-- --model third=SYSTEM/VARIANT``. Given again it goes on where it was.
The third member, a tiny SOC with random weights, is one of the tests'.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence as Many
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sequences import Sequence, open_sequences
from singleout.cli.main import main as singleout
from singleout.segmenter import Segmenter

HERE = Path(__file__).parent


def main() -> int:
    """Lay out, fuse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parents[1] / "shared" / "davis16")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sequences", default="blackswan,dog", help="names with commas between; all for all")
    parser.add_argument("--frames", type=int, default=6, help="of each sequence; 0 for all")
    parser.add_argument("--sentences", type=int, default=2, help="of each sequence, at most 4")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:split])
    chosen = open_sequences(given.folder, None if given.sequences == "all" else given.sequences)
    whole = [one for one in chosen if one.sentences]
    if not whole:
        raise SystemExit("none of these sequences has a sentence for its one object")
    lay_out(whole, given.out / "data", given.frames, given.sentences)
    command = ["fuse", HERE / "fusion_davis16.yaml", "--data", given.out / "data", "--out", given.out / "run"]
    return singleout([*map(str, command), *words[split + 1 :]])


def untrained() -> Segmenter:
    """The third member: a tiny SOC with random weights that reads any sentence, letter by letter."""
    sys.path.insert(0, str(HERE.parent))
    from tests.cli.tiny_referformer import with_letters
    from tests.soc.tiny import TINY, tiny_network

    from singleout.systems.soc.inference import Soc

    network = tiny_network(replace(TINY, text=replace(TINY.text, positions=514)))
    return with_letters(Soc(network, name="untrained", tokenizer=None))


def lay_out(chosen: Many[Sequence], root: Path, num_frames: int, num_sentences: int) -> None:
    """Write the sequences as Ref-YouTube-VOS has its videos, with their masks as truth; files that fit stay."""
    listed = {}
    for sequence in chosen:
        files = sorted(sequence.frames.glob("*.jpg"))[: num_frames or None]
        for index, file in enumerate(files):
            frame = root / "valid" / "JPEGImages" / sequence.name / file.name
            mask = root / "valid" / "Annotations" / sequence.name / f"{file.stem}.png"
            for path in (frame, mask):
                path.parent.mkdir(parents=True, exist_ok=True)
            if not frame.is_file():
                shutil.copyfile(file, frame)
            if not mask.is_file():
                Image.fromarray(sequence.truth(index).astype(np.uint8)).save(mask)
        texts = sequence.sentences[:num_sentences]
        expressions = {str(key): {"exp": text, "obj_id": 1} for key, text in enumerate(texts)}
        listed[sequence.name] = {"frames": [file.stem for file in files], "expressions": expressions}
    meta = root / "meta_expressions" / "valid" / "meta_expressions.json"
    meta.parent.mkdir(parents=True, exist_ok=True)
    meta.write_text(json.dumps({"videos": listed}))


if __name__ == "__main__":
    sys.exit(main())
