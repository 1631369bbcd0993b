"""``singleout get``: fetches a published checkpoint, or takes a file that was fetched by other means."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from singleout.cli.progress import Progress

if TYPE_CHECKING:
    from singleout.zoo.fetching import Fetched

DESCRIPTION = """\
Fetch a checkpoint that others publish, with the tokenizer that its system needs. singleout models lists them. What was
stopped goes on when the same command is given again.

Checkpoints are kept in SINGLEOUT_CACHE (default: singleout in your cache folder). SINGLEOUT_OFFLINE=1 forbids the
network. Addresses are those of the authors, and nobody of singleout could open them: where one is dead, --file takes a
file that you got elsewhere.
"""
EXAMPLES = """\
examples:
  singleout get referformer/video-swin-b
  singleout get mutr/resnet-50 --file ~/Downloads/checkpoint.pth
  singleout get referformer/video-swin-b --tokenizer-only
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("name", metavar="NAME", help="a checkpoint of singleout models")
    parser.add_argument("--file", metavar="FILE", help="take this file as the checkpoint, without a download")
    parser.add_argument(
        "--tokenizer", metavar="FOLDER", help="take the tokenizer from this folder, or from CLIP's table of byte pairs"
    )
    parser.add_argument("--tokenizer-only", action="store_true", help="fetch only the tokenizer of the system")
    parser.add_argument("--offline", action="store_true", help="use no network, like SINGLEOUT_OFFLINE=1")
    parser.add_argument("--json", action="store_true", help="print what there is for programs on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Fetch, or take, and say where it is; returns the exit code."""
    from singleout.zoo import fetch, find_checkpoint, put_in
    from singleout.zoo.tokenizing import add_tokenizer

    if args.tokenizer_only or args.tokenizer:
        folder = add_tokenizer(args.name, Path(args.tokenizer) if args.tokenizer else None, offline=args.offline)
        if args.tokenizer_only:
            print(json.dumps({"tokenizer": str(folder)}, indent=2) if args.json else folder)
            return 0
    checkpoint = find_checkpoint(args.name)
    if args.file:
        fetched = put_in(checkpoint, Path(args.file), offline=args.offline, say=_say)
    else:
        with _Bytes(checkpoint.file, quiet=args.quiet) as progress:
            fetched = fetch(checkpoint, offline=args.offline, on_bytes=progress.show, say=_say)
    if args.json:
        print(json.dumps(_facts(fetched), indent=2))
    else:
        if not args.quiet:
            _say(_summary(fetched))
        print(fetched.path)
    return 0


def _facts(fetched: Fetched) -> dict[str, object]:
    return {
        "name": fetched.checkpoint.name,
        "file": str(fetched.path),
        "bytes": fetched.size,
        "sha256": fetched.sha256,
        "checked": fetched.checked,
        "tokenizer": str(fetched.tokenizer) if fetched.tokenizer else None,
        "was_there": fetched.was_there,
    }


def _summary(fetched: Fetched) -> str:
    checkpoint = fetched.checkpoint
    held = f"{fetched.checked} as published" if fetched.checked else "no size or checksum is published to check it by"
    licence = checkpoint.publisher.licence_code or "not recorded here"
    there = "was there already" if fetched.was_there else "is here"
    return (
        f"{checkpoint.name} {there}: {fetched.size / 1e6:.1f} MB, {held}; licence of its authors' code: {licence}; "
        f"{checkpoint.publisher.licence_data}"
    )


class _Bytes:
    """Shows megabytes as they come."""

    def __init__(self, label: str, *, quiet: bool) -> None:
        self.label, self.quiet = label, quiet
        self.progress: Progress | None = None

    def show(self, done: int, total: int | None) -> None:
        """So many bytes of so many."""
        megabytes = math.ceil(done / 1e6)
        if self.progress is None and total is not None:
            whole = math.ceil(total / 1e6)
            self.progress = Progress(self.label, whole, start=megabytes - 1, quiet=self.quiet, unit="MB")
        if self.progress is not None and megabytes != self.progress.done:
            self.progress.step(megabytes - self.progress.done)

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.close()


def _say(message: str) -> None:
    print(f"singleout: {message}", file=sys.stderr)
