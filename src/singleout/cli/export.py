"""``singleout export``: the tracks of a run in the formats of other tools."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.exports import FORMATS

DESCRIPTION = """\
Write the tracks of a finished run in other formats, without the model and without the video. Each format gets a
folder of its own, masks/FORMAT in the run's folder, or FORMAT in --out.
"""
EXAMPLES = """\
examples:
  singleout export out/ --as davis
  singleout export out/ --as ytvis,coco --out for-training/
  singleout export out/tracks.json --as yolo --out labels/

formats:
""" + "\n".join(f"  {name:<14} {form.summary}" for name, form in FORMATS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", nargs="+", metavar="OUT", help="output folder of a run, of several, or a tracks.json")
    parser.add_argument(
        "--as", dest="formats", action="append", required=True, metavar="FORMATS", help="formats, separated by commas"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default: masks/ in the folder of the run)")
    parser.add_argument("--json", action="store_true", help="print a summary for programs on stdout")


def run(args: argparse.Namespace) -> int:
    """Export each run; returns the exit code."""
    from singleout.exports import trackfile
    from singleout.runs.folder import RunFolder, files_in, read_run
    from singleout.runs.products import MASKS_FOLDER, export, parse_formats
    from singleout.runs.segmenting import TRACKS_FILE

    names = parse_formats(args.formats)
    files = [file for given in args.run for file in _track_files(Path(given), TRACKS_FILE)]
    done: list[dict[str, Any]] = []
    for file in files:
        tracks = trackfile.read(file)
        run_record = read_run(file.parent) if file.name == TRACKS_FILE and not args.out else None
        with ExitStack() as stack:
            folder = None
            if run_record is not None:
                folder = stack.enter_context(RunFolder(file.parent, run_record["identity"]))
            root = Path(args.out) if args.out else file.parent / MASKS_FOLDER
            if args.out and len(files) > 1:
                root /= file.parent.name or tracks.video_name
            for name in names:
                product = f"{MASKS_FOLDER}/{name}"
                target = folder.target(product, product) if folder else root / name
                export(tracks, name, target, overwrite=folder is not None)
                if folder:
                    folder.add(product, files_in(target))
                done.append({"tracks": str(file), "format": name, "folder": str(target)})
                if not args.json:
                    print(target)
    if args.json:
        print(json.dumps({"exports": done}, indent=2))
    return 0


def _track_files(given: Path, tracks_file: str) -> list[Path]:
    if given.is_file():
        return [given]
    if (given / tracks_file).is_file():
        return [given / tracks_file]
    below = sorted(given.glob(f"*/{tracks_file}"))
    if below:
        return below
    if not given.exists():
        raise InputError(f"{given}: there is no such folder; give the --out of a run")
    raise InputError(f"{given} holds no {tracks_file}: give the --out of a run that has finished")
