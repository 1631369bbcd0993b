"""``singleout info``: what is known of a video before anything is done with it."""

from __future__ import annotations

import argparse
import json

DESCRIPTION = "Show what is known of a video, an image or a folder of frames."
EXAMPLES = """\
examples:
  singleout info street.mp4
  singleout info frames/ --json
  singleout info demo
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("video", nargs="+", metavar="VIDEO", help="video, image, folder or zip of frames, or demo")
    parser.add_argument(
        "--no-shots", action="store_true", help="do not look for cuts: they take a pass over all frames"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the facts of each video; returns the exit code."""
    from singleout.cli.inputs import find_videos
    from singleout.media import Video

    described = []
    for path in find_videos(args.video):
        with Video(path) as video:
            facts = video.info()
            if not args.no_shots:
                facts["shots"] = [[int(start), int(stop)] for start, stop in video.shots()]
            described.append(facts)
    if args.json:
        print(json.dumps(described[0] if len(described) == 1 else described, indent=2))
        return 0
    for facts in described:
        width = max(len(key) for key in facts)
        for key, value in facts.items():
            print(f"{key.replace('_', ' '):<{width}}  {_shots(value) if key == 'shots' else _shown(value)}")
        if facts is not described[-1]:
            print()
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _shots(shots: list[list[int]]) -> str:
    """Shots as first and last frame, for people: 0-29, 30-75."""
    return ", ".join(f"{start}-{stop - 1}" for start, stop in shots)
