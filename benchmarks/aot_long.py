"""A very long video by AOT-L or DeAOT-L in a bounded memory: time per frame, memory, and going on after a stop.

    python benchmarks/aot_long.py --frames 20000                          one process, from start to end
    python benchmarks/aot_long.py --frames 20000 --stop 10000 --state F   stops there and writes its state to F
    python benchmarks/aot_long.py --frames 20000 --state F                goes on from F, perhaps in another process
    python benchmarks/aot_long.py --frames 400 --budget 0                 without a budget, to compare
    python benchmarks/aot_long.py --plot docs/aot-memory.svg RUN.json …   a picture of such runs

The video is drawn: two squares that go back and forth over grain. Weights are random, the same every time. The
masks of all frames so far go into one digest, which a run that was stopped must reach as well. --json keeps what was
measured, a row for every 50 frames.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes, resident_bytes
from singleout.prompts import Mask
from singleout.systems.aot.config import VARIANTS
from singleout.systems.aot.inference import AOT
from singleout.systems.aot.network import AOTNetwork

_ROW = 50  # frames of a row of the table
_COLOURS = ("#2463eb", "#e07a1f", "#2e9e5b", "#a04bc8")


def frame_at(index: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame (rows, 1.5 rows, 3) uint8 and whose its pixels are."""
    columns, side = rows * 3 // 2, rows // 3
    ground = np.random.default_rng(1).integers(40, 140, (rows, columns, 3), np.uint8)
    ids = np.zeros((rows, columns), np.int32)
    for number, (speed, top) in enumerate(((1, rows // 8), (2, rows * 9 // 16)), 1):
        span = columns - side
        left = abs((speed * index) % (2 * span) - span)
        place = (slice(top, top + side), slice(left, left + side))
        ground[place] = (220, 60, 40) if number == 1 else (40, 90, 230)
        ids[place] = number
    return ground, ids


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", default="aotl", choices=sorted(VARIANTS))
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--budget", type=int, default=8, help="frames in the long-term memory; 0 for no limit")
    parser.add_argument("--rows", type=int, default=32, help="height of the frames")
    parser.add_argument("--stop", type=int, help="stop before this frame and write the state")
    parser.add_argument("--state", type=Path, help="where the state is written to, or gone on from")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--plot", type=Path, nargs="+", metavar="FILE", help="a picture, and the runs that it shows")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    if asked.plot:
        draw(asked.plot[0], asked.plot[1:])
        return
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    system = AOT(AOTNetwork(VARIANTS[asked.variant]).eval().requires_grad_(False), name=asked.variant)
    digest, rows, begin = hashlib.sha256(), [], 0
    if asked.state is not None and asked.stop is None:
        kept = json.loads(asked.state.with_suffix(".json").read_text())
        begin, rows, chain = kept["next"], kept["rows"], kept["digest"]
        session = system.resume_session(asked.state.read_bytes())
    else:
        session = system.session(Mask(frame_at(0, asked.rows)[1]), budget=asked.budget or None)
        chain = ""
    end = asked.frames if asked.stop is None else asked.stop
    began = time.perf_counter()
    for index in range(begin, end):
        (result,) = session.step(frame_at(index, asked.rows)[0])
        digest.update(np.packbits(result.binary()).tobytes() + result.ids.tobytes())
        if (index + 1) % _ROW == 0:
            # A chain of digests, each of the one before and some frames, so that a run can go on.
            chain = hashlib.sha256((chain + digest.hexdigest()).encode()).hexdigest()
            digest, now = hashlib.sha256(), time.perf_counter()
            rows.append({"frame": index + 1, "ms": 1000 * (now - began) / _ROW, "mib": resident_bytes() / 2**20})
            began = now
            if (index + 1) % (20 * _ROW) == 0:
                print(f"{index + 1:>6} {rows[-1]['ms']:6.1f} ms {rows[-1]['mib']:6.0f} MiB {chain[:12]}", flush=True)
    print(f"{asked.variant}: {end} frames, peak {peak_bytes() / 2**20:.0f} MiB, masks {chain}")
    if asked.json:
        about = {"variant": asked.variant, "budget": asked.budget, "rows": rows, "peak": peak_bytes() / 2**20}
        asked.json.write_text(json.dumps(about))
    if asked.stop is not None and asked.state is not None:
        asked.state.write_bytes(session.state())
        asked.state.with_suffix(".json").write_text(json.dumps({"next": end, "rows": rows, "digest": chain}))


def draw(picture: Path, runs: list[Path]) -> None:
    """Time per frame and resident memory of several runs, as SVG."""
    told = [json.loads(path.read_text()) for path in runs]
    last = max(row["frame"] for run in told for row in run["rows"])
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 460" font-family="sans-serif" font-size="12">']
    parts.append('<rect width="700" height="460" fill="white"/>')
    for panel, (key, title) in enumerate((("ms", "milliseconds per frame"), ("mib", "resident memory, MiB"))):
        top, most = 30 + 220 * panel, max(row[key] for run in told for row in run["rows"])
        parts.append(f'<text x="60" y="{top - 8}">{title}</text>')
        for share in (0.0, 0.5, 1.0):
            y = top + 160 * (1 - share)
            parts.append(f'<line x1="60" x2="690" y1="{y}" y2="{y}" stroke="#ddd"/>')
            parts.append(f'<text x="54" y="{y + 4}" text-anchor="end">{share * most:.0f}</text>')
        for index, run in enumerate(told):
            points = " ".join(
                f"{60 + 630 * row['frame'] / last:.1f},{top + 160 * (1 - row[key] / most):.1f}" for row in run["rows"]
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[index]}"/>')
            name = f"{run['variant']}, " + (f"budget {run['budget']}" if run["budget"] else "no budget")
            parts.append(f'<text x="{70 + 160 * index}" y="{top + 180}" fill="{_COLOURS[index]}">{name}</text>')
    parts.append(f'<text x="690" y="{30 + 220 + 180}" text-anchor="end">{last} frames</text></svg>')
    picture.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
