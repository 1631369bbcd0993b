"""``singleout rename``: the objects of a finished run under names that another model gives them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from singleout.cli.inputs import find_videos, read_cut, read_options
from singleout.cli.progress import Progress
from singleout.errors import InputError

DESCRIPTION = """\
Give the objects of a finished run new names. The model looks at each object in some frames, and the frames vote; masks
stay as they are. It must be one that can say what a given mask shows, such as ovseg/swin-b.

--out then holds tracks.json with the new names, the overlay, a contact sheet and the masks.
"""
EXAMPLES = """\
examples:
  singleout rename out/ street.mp4 --names "tram,van,cyclist" --model ovseg/swin-b --out named/
  singleout rename out/tracks.json street.mp4 --names tram,van --model ovseg/r101c --frames 4 --out named/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", metavar="OUT", help="output folder of a run, or a tracks.json")
    parser.add_argument("video", metavar="VIDEO", help="the video that the run was made from")
    parser.add_argument("--names", action="append", required=True, metavar="A,B", help="names to choose from")
    parser.add_argument("--model", required=True, metavar="NAME", help="see singleout models")
    parser.add_argument("--weights", metavar="FILE", help="published file or converted folder for --model")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where to write; made if it does not exist")
    parser.add_argument("--overwrite", action="store_true", help="replace what another run of singleout left in --out")
    parser.add_argument(
        "--frames", type=int, default=8, metavar="N", help="frames in which each object is looked at (default: 8)"
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model; may be repeated"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    cut = parser.add_argument_group("as they were given to the run")
    cut.add_argument("--start", metavar="TIME", help="leave out what comes before")
    cut.add_argument("--end", metavar="TIME", help="leave out what comes after")
    cut.add_argument("--every", type=int, default=1, metavar="K", help="take each K-th frame only")
    cut.add_argument("--resize", type=int, metavar="PIXELS", help="length of the short side")
    parser.add_argument("--json", action="store_true", help="print a summary for programs on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Look, vote and write; returns the exit code."""
    from singleout.combine.renaming import Namer, rename_tracks
    from singleout.exports import trackfile
    from singleout.media import Video
    from singleout.prompts import Categories
    from singleout.runs.products import save_tracks
    from singleout.runs.segmenting import TRACKS_FILE
    from singleout.zoo import load

    cut = read_cut(args)
    if args.frames < 1:
        raise InputError(f"--frames {args.frames}: expected 1 or more")
    names = [name for given in args.names for name in Categories(given).names]
    given = Path(args.run)
    file = given / TRACKS_FILE if given.is_dir() else given
    if not file.is_file():
        raise InputError(f"{file} is not there: give the --out of a run that has finished, or its {TRACKS_FILE}")
    out = Path(args.out)
    if out.resolve() == file.parent.resolve():
        raise InputError(f"--out {out} is the folder of the run itself: choose another one")
    tracks = trackfile.read(file)
    videos = find_videos([args.video])
    if len(videos) != 1:
        raise InputError(f"{args.video} holds {len(videos)} videos: name the one that the run was made from")
    with Video(videos[0], **cut) as video:
        model = load(args.model, weights=args.weights)
        if not isinstance(model, Namer):
            raise InputError(f"{model.name} cannot say what a given mask shows: take a model that can, ovseg/swin-b")
        options = read_options(args.option) | ({} if args.device == "auto" else {"device": args.device})
        shown: list[Progress] = []

        def on_frame(done: int, total: int) -> None:
            if not shown:
                shown.append(Progress(f"{video.name}, naming", total, quiet=args.quiet))
            shown[0].step(done - shown[0].done)

        try:
            named = rename_tracks(tracks, video, model, names, frames_of_each=args.frames, on_frame=on_frame, **options)
        finally:
            for progress in shown:
                progress.close()
        save_tracks(named, out, video=video, overwrite=args.overwrite)
    if args.json:
        objects = [
            {"id": one, "label": info.label, "score": round(float(info.score), 4), "was": tracks.objects[one].label}
            for one, info in sorted(named.objects.items())
        ]
        print(json.dumps({"objects": objects, "tracks": str(out / TRACKS_FILE)}, indent=1))
    elif not args.quiet:
        said = ", ".join(f"{one} {named.objects[one].label}".rstrip() for one in named.ids)
        print(f"singleout: {len(named.ids)} object{'s' * (len(named.ids) != 1)}: {said}", file=sys.stderr)
        print(out)
    return 0
