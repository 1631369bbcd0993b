"""J&F, speed and memory of any Segmenter on the DAVIS-2016 sequences of `shared/davis16`.

    python benchmarks/davis16.py                       the mask of frame 0 given, semi-supervised rule
    python benchmarks/davis16.py --words               by sentences, Ref-DAVIS rule; and whether it listens
    python benchmarks/davis16.py --long 2000           memory on a long video, made by looping a sequence

The data folder is `--shared`, or $SINGLEOUT_SHARED, or ../shared. Speed counts decoding and bringing masks to the
video's size, not their export.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))

import singleout
from davis16_words import listening, sentences, synonyms
from memory import peak_bytes, resident_bytes
from sequences import Sequence, loop_video, open_sequences
from singleout.evaluation.metrics.boundary import contour_accuracy
from singleout.evaluation.metrics.region import region_similarity
from singleout.media import Video
from singleout.segmenter import Segmenter


def main(arguments: list[str] | None = None) -> int:
    """Measure what the options ask for, print a table or json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter", help="what singleout.load takes (default: starter)")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SINGLEOUT_SHARED", "../shared")))
    parser.add_argument("--sequences", help="some of the sequences, with commas between")
    parser.add_argument("--words", action="store_true", help="sentences instead of given masks")
    parser.add_argument("--only", default="sentences,listening,synonyms", help="parts of --words")
    parser.add_argument("--long", type=int, metavar="N", help="memory over N frames of a looped sequence")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the system")
    parser.add_argument("--json", action="store_true", help="print json instead of a table")
    given = parser.parse_args(arguments)
    options = dict(entry.split("=", 1) for entry in given.option)
    segmenter = singleout.load(given.model)
    chosen = open_sequences(given.shared / "davis16", given.sequences)
    if given.long:
        result = long_run(segmenter, chosen[0], given.long, options)
    elif given.words:
        parts = {"sentences": sentences, "listening": listening, "synonyms": synonyms}
        result = {name: parts[name](segmenter, chosen, options) for name in given.only.split(",")}
    else:
        result = given_masks(segmenter, chosen, options)
    result["peak_bytes"] = peak_bytes()
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        print_table(result)
    return 0


def given_masks(segmenter: Segmenter, chosen: list[Sequence], options: dict[str, Any]) -> dict[str, Any]:
    """The mask of frame 0 is given; the first and the last frame are left out of the means."""
    rows = {}
    for sequence in chosen:
        video = Video(sequence.frames)
        begun = time.perf_counter()
        masks = dict(_binary(segmenter, video, singleout.Mask(sequence.truth(0).astype(np.int32)), options))
        seconds = time.perf_counter() - begun
        inner = range(1, video.num_frames - 1)
        j = float(np.mean([region_similarity(masks[index], sequence.truth(index)) for index in inner]))
        f = float(np.mean([contour_accuracy(masks[index], sequence.truth(index)) for index in inner]))
        rows[sequence.name] = {
            "frames": video.num_frames, "J": j, "F": f, "J&F": (j + f) / 2, "frames_per_second": len(masks) / seconds
        }  # fmt: skip
        print(f"{sequence.name}: J {j:.3f} F {f:.3f}", file=sys.stderr)
    mean = {key: float(np.mean([row[key] for row in rows.values()])) for key in ("J", "F", "J&F")}
    total = sum(row["frames"] for row in rows.values())
    mean["frames_per_second"] = total / sum(row["frames"] / row["frames_per_second"] for row in rows.values())
    return {"sequences": rows, "mean": {"frames": total, **mean}}


def _binary(
    segmenter: Segmenter, video: Video, prompt: Any, options: dict[str, Any]
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    nothing = np.zeros((1, video.height, video.width), dtype=bool)
    for found in segmenter.stream(video, prompt, **options):
        masks = found.binary()
        yield found.frame, np.logical_or.reduce(masks if len(masks) else nothing, axis=0)


def long_run(segmenter: Segmenter, sequence: Sequence, num_frames: int, options: dict[str, Any]) -> dict[str, Any]:
    """Resident memory every 100 frames of a video that plays a sequence forwards and backwards again and again."""
    resident: dict[int, int] = {}
    with loop_video(sequence, num_frames) as path:
        video = Video(path)
        begun = time.perf_counter()
        for index, _ in _binary(segmenter, video, singleout.Mask(sequence.truth(0).astype(np.int32)), options):
            if index % 100 == 0:
                resident[index] = resident_bytes()
                print(f"frame {index}: {resident[index] / 2**20:.0f} MiB", file=sys.stderr)
        seconds = time.perf_counter() - begun
    later = [value for index, value in resident.items() if index >= 100]
    return {
        "sequence": sequence.name,
        "num_frames": num_frames,
        "frames_per_second": num_frames / seconds,
        "resident_bytes": resident,
        "growth_after_frame_100": max(later, default=0) - (later[0] if later else 0),
    }


def print_table(result: dict[str, Any], title: str = "") -> None:
    """Print nested results: rows of equal keys as a table, single values as lines."""
    for name, value in result.items():
        full = f"{title}{name}"
        if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
            first = next(iter(value.values()))
            if all(not isinstance(cell, dict) for cell in first.values()):
                columns = list(first)
                print(f"\n{full:<22}" + "".join(f"{column:>18}" for column in columns))
                for row, cells in value.items():
                    print(f"{row:<22}" + "".join(f"{_cell(cells.get(column)):>18}" for column in columns))
                continue
        if isinstance(value, dict):
            print_table(value, f"{full}: ")
        else:
            print(f"{full}: {_cell(value)}")


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
