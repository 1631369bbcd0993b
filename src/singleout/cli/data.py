"""``singleout data``: looks over the download of a data set, cuts development sets, and converts layouts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

DESCRIPTION = """\
Look over the download of a data set, cut a part of it for development, or convert it to another layout.

  check    tells what is missing or wrong, one line each with what to do about it
  split    writes the list of a part: the first videos of a validation set, or two halves of a training set
  convert  writes another layout of it; nothing is downloaded
"""
EXAMPLES = """\
examples:
  singleout data check davis2017 DAVIS/
  singleout data check vipseg VIPSeg_720P/ --split train --thorough
  singleout data split lv-vis LV-VIS/ --share 0.2
  singleout data split ovis OVIS/ --halves
  singleout data convert vipseg VIPSeg/ --height 720
  singleout data check --list
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    check = _action(actions, "check", "tell what is missing or wrong in a download", "data set")
    check.add_argument("--thorough", action="store_true", help="decode every picture and look at its numbers too")
    check.add_argument("--json", action="store_true", help="print JSON for programs")
    split = _action(actions, "split", "write the list of a part for development", "data set")
    amount = split.add_mutually_exclusive_group()
    amount.add_argument("--share", type=float, metavar="S", help="the first share of the videos (default: 0.2)")
    amount.add_argument("--count", type=int, metavar="N", help="the first N videos")
    amount.add_argument("--halves", action="store_true", help="train_sub and valid_sub, 90 and 10 %%, by UniVS's rule")
    split.add_argument("--overwrite", action="store_true", help="replace a list that is there")
    convert = _action(actions, "convert", "write another layout of a data set", "conversion")
    convert.add_argument("--to", metavar="PATH", help="file or folder to write (default: beside the data set's own)")
    convert.add_argument("--every", type=int, default=1, metavar="N", help="burst: keep every n-th frame (default: 1)")
    convert.add_argument("--height", type=int, metavar="PIXELS", help="vipseg: bring all frames to it, usually 720")
    convert.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; returns the exit code, which is 2 where a check has found something."""
    from singleout.errors import InputError

    if args.list:
        for name, about in _listed(args.action).items():
            print(f"{name:<24} {about}")
        return 0
    if args.name is None or args.root is None:
        raise InputError(f"give a name and a folder: singleout data {args.action} NAME FOLDER (--list shows the names)")
    root = Path(args.root).expanduser()
    actions: dict[str, Callable[[argparse.Namespace, Path], int]] = {
        "check": _check,
        "split": _split,
        "convert": _convert,
    }
    return actions[args.action](args, root)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, what: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=summary, description=f"{summary}.", allow_abbrev=False
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"name of the {what}; --list shows all")
    parser.add_argument("root", nargs="?", metavar="FOLDER", help="folder of the data set")
    parser.add_argument("--split", metavar="SPLIT", help="which split (default: the usual one)")
    parser.add_argument("--list", action="store_true", help=f"show the names of every {what}")
    debug = "show the traceback when something fails"
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=debug)
    return parser


def _listed(action: str) -> dict[str, str]:
    from singleout.data.convert import CONVERTERS
    from singleout.data.datasets import DATA_SETS
    from singleout.data.split import DEV_SETS, HALVED

    if action == "check":
        return {name: f"{each.title} ({', '.join(each.splits)})" for name, each in DATA_SETS.items()}
    if action == "split":
        parts = {name: f"first part of {split}" for name, (split, _) in DEV_SETS.items()}
        return parts | dict.fromkeys(HALVED, "halves of train (--halves)")
    return {name: f"{each.summary} ({', '.join(each.splits)})" for name, each in CONVERTERS.items()}


def _check(args: argparse.Namespace, root: Path) -> int:
    from singleout.cli.progress import Progress
    from singleout.data.check import Checking

    checking = Checking(args.name, root, args.split)
    progress = Progress(f"checking {checking.data_set.title}", checking.num_files, unit="files")
    found = []
    try:
        for finding in checking.findings(thorough=args.thorough, on_file=progress.step):
            found.append(finding)
            if not args.json:
                print(f"{'note: ' if finding.note else ''}{finding}", flush=True)
    finally:
        progress.close()
    wrong = [finding for finding in found if not finding.note]
    if args.json:
        entries = [
            {"path": str(each.path), "problem": each.problem, "advice": each.advice, "note": each.note}
            for each in found
        ]
        print(json.dumps({"files": checking.num_files, "split": checking.split, "findings": entries}, indent=2))
    elif not wrong:
        print(
            f"{checking.split}: {checking.num_groups} {checking.data_set.unit}, {checking.num_files} files, all right"
        )
    return 2 if wrong else 0


def _split(args: argparse.Namespace, root: Path) -> int:
    from singleout.data import split
    from singleout.errors import InputError

    if args.halves:
        if args.split not in {None, "train"}:
            raise InputError(f"--halves is of the training set, not of {args.split}: leave --split out")
        files = split.halves(args.name, root)
    else:
        amount = split.Amount(split.SHARE if args.share is None else args.share, args.count)
        files = split.dev_set(args.name, root, split=args.split, amount=amount)
    for path in split.write(files, overwrite=args.overwrite):
        print(path)
    return 0


def _convert(args: argparse.Namespace, root: Path) -> int:
    from singleout.cli.progress import Progress
    from singleout.data.convert import Order, convert

    target = None if args.to is None else Path(args.to).expanduser()
    shown: list[Progress] = []

    def on_step(name: str) -> None:
        # Made at the first step, so that an order that is refused is one line.
        if not shown:
            shown.append(Progress(f"converting {args.name}", None, unit="steps"))
        shown[0].step()

    order = Order(
        root,
        target,
        args.split,
        every=args.every,
        height=args.height,
        overwrite=args.overwrite,
        on_step=on_step,
    )
    try:
        written = convert(args.name, order)
    finally:
        for progress in shown:
            progress.close()
    for path in written:
        print(path)
    return 0
