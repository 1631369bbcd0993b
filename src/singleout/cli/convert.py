"""``singleout convert``: an official file of weights becomes a folder that needs no pickle."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from singleout.media.atomic import atomic_path

DESCRIPTION = """\
Turn a file of weights, as its authors publish it, into a folder with config.json, model.safetensors, a card and the
tokenizer. The system is recognised by the names in the file; every name must find its place. Nothing in it is run.

--model FOLDER and singleout.load("FOLDER") then take the folder.
"""
EXAMPLES = """\
examples:
  singleout convert ytvos_joint_video_swin_base.pth --to models/referformer
  singleout convert referformer/video-swin-b --to models/referformer         once it was fetched by singleout get
  singleout convert checkpoint.pth --to models/mine --report names.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("official", metavar="OFFICIAL", help="a .pth, .pt, .pkl or .safetensors file, or a checkpoint")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="where to write; made if it does not exist")
    parser.add_argument("--system", metavar="NAME", help="whose it is, or package.module:NAME of a system of your own")
    parser.add_argument(
        "--tokenizer", metavar="FOLDER", help="take the tokenizer from this folder, or from CLIP's table of byte pairs"
    )
    parser.add_argument("--allow-unexpected", action="store_true", help="leave out names that the system does not know")
    parser.add_argument("--report", metavar="FILE", help="write every name used, ignored or unexpected as JSON")
    parser.add_argument("--overwrite", action="store_true", help="replace what --to holds")


def run(args: argparse.Namespace) -> int:
    """Convert; returns the exit code."""
    from singleout.zoo import convert

    opened = convert(
        args.official,
        Path(args.to),
        system=args.system,
        tokenizer=Path(args.tokenizer) if args.tokenizer else None,
        strict=not args.allow_unexpected,
        overwrite=args.overwrite,
        say=_say,
    )
    if args.report:
        with atomic_path(args.report) as file:
            file.write_text(json.dumps(opened.report.as_json(), indent=2) + "\n", encoding="utf-8")
    _say(f"{args.to} holds {opened.system.title}, {opened.variant}: {opened.report.summary()}")
    return 0


def _say(message: str) -> None:
    print(f"singleout: {message}", file=sys.stderr)
