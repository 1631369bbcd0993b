"""``singleout classifier``: tables of vectors of names, made, checked and compared."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

DESCRIPTION = """\
Tables of vectors of names, which open-vocabulary models compare what they see with: one row a name.

  make     reads the names of a file with a text tower and writes their table
  check    tells whether a file of UniVS's combined names has every data set in its place, and a table all its rows
  compare  tells how far two tables of the same names are apart
"""
EXAMPLES = """\
examples:
  singleout classifier make names.txt --out names.npy
  singleout classifier make names.txt --out names.npy --tower clip/vit-b-32 --templates ovseg
  singleout classifier check names.txt --table combined_datasets_cls_emb_rn50x4.pth
  singleout classifier compare names.npy fg_bg_5_10_lvvis_ens.npy --names names.txt
"""
_TOWER = "univs/regionclip-text-encoder"
_WORST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    make = actions.add_parser("make", help="names to vectors", description="Names to vectors.", allow_abbrev=False)
    make.add_argument("names", metavar="NAMES", help="a text file with one name a line")
    make.add_argument("--out", required=True, metavar="FILE", help="a .npy, .pth or .safetensors file to write")
    make.add_argument(
        "--tower", default=_TOWER, metavar="NAME", help="a checkpoint, file or converted folder (default: %(default)s)"
    )
    make.add_argument("--tokenizer", metavar="FOLDER", help="take CLIP's tokenizer from this folder")
    make.add_argument(
        "--templates", choices=("univs", "ovseg"), default="univs", help="how names are asked (default: %(default)s)"
    )
    make.add_argument("--once", action="store_true", help="ask the first sentence only: faster, and another table")
    make.add_argument("--combined", action="store_true", help="hold the names against UniVS's table of data sets first")
    make.add_argument("--overwrite", action="store_true", help="replace the file of --out")
    make.add_argument("--quiet", action="store_true", help="no progress")
    check = actions.add_parser(
        "check", help="check combined names", description="Check UniVS's combined names.", allow_abbrev=False
    )
    check.add_argument("names", metavar="NAMES", help="the file of combined names")
    check.add_argument("--table", metavar="FILE", help="a table that must have a row for each of them")
    compare = actions.add_parser(
        "compare", help="compare two tables", description="Compare two tables.", allow_abbrev=False
    )
    compare.add_argument("tables", nargs=2, metavar="TABLE", help="a .npy, .pth or .safetensors file")
    compare.add_argument("--names", metavar="FILE", help="the names of the rows, one a line")
    compare.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    return {"make": _make, "check": _check, "compare": _compare}[args.action](args)


def _make(args: argparse.Namespace) -> int:
    from singleout.cli.progress import Progress
    from singleout.errors import InputError
    from singleout.vocabularies import read_combined, read_names

    out = Path(args.out)
    if out.exists() and not args.overwrite:
        raise InputError(f"{out} is there already: give another name, or --overwrite")
    names = read_combined(Path(args.names)).names if args.combined else read_names(Path(args.names))

    from singleout.nn.text.words import OVSEG, UNIVS
    from singleout.zoo.embeddings import check_ending, write_table
    from singleout.zoo.words import find_tower, open_words

    check_ending(out)
    asking = {"univs": UNIVS, "ovseg": OVSEG}[args.templates]
    words = open_words(find_tower(args.tower), asking, tokenizer=Path(args.tokenizer) if args.tokenizer else None)
    shown: list[Progress] = []

    def on_names(done: int, total: int) -> None:
        if not shown:
            shown.append(Progress("reading names", total, quiet=args.quiet, unit="names"))
        shown[0].step(done - shown[0].done)

    try:
        table = words.embed_names(names, once=args.once, on_names=on_names)
    finally:
        for progress in shown:
            progress.close()
    write_table(out, table.numpy())
    print(out)
    return 0


def _check(args: argparse.Namespace) -> int:
    from singleout.vocabularies import read_combined

    combined = read_combined(Path(args.names))
    if args.table:
        from singleout.zoo.words import read_published_table

        width = read_published_table(Path(args.table)).shape[1]
        print(f"{args.table}: {len(combined.names)} rows of {width} numbers")
    for key, part in combined.parts.items():
        names = combined.of(key)
        print(f"{key:<20} {part.count:>5} names from row {part.offset:>5}  {names[0]:.30} … {names[-1]:.30}")
    return 0


def _compare(args: argparse.Namespace) -> int:
    import numpy as np

    from singleout.errors import InputError
    from singleout.vocabularies import read_names
    from singleout.zoo.embeddings import compare_tables, read_table

    paths = [Path(table) for table in args.tables]
    one, other = (read_table(path) for path in paths)
    found = compare_tables(one, other, called=(str(paths[0]), str(paths[1])))
    names = read_names(Path(args.names)) if args.names else tuple(f"row {row}" for row in range(len(one)))
    if len(names) != len(one):
        raise InputError(f"{args.names} has {len(names)} names, the tables have {len(one)} rows")
    worst = [int(row) for row in np.argsort(found.cosine)[:_WORST]]
    if args.json:
        facts = {
            "rows": len(one),
            "width": one.shape[1],
            "equal": found.equal,
            "largest_difference": found.largest,
            "mean_difference": found.mean,
            "mean_cosine": float(found.cosine.mean()),
            "least_cosine": float(found.cosine.min()),
            "share_nearest_to_its_own": found.alike,
            "least_alike": {names[row]: float(found.cosine[row]) for row in worst},
        }
        print(json.dumps(facts, indent=2))
        return 0
    print(f"{len(one)} rows of {one.shape[1]} numbers{', all of them equal' if found.equal else ''}")
    print(f"differences: {found.largest:.3g} at most, {found.mean:.3g} in the mean")
    print(f"cosine of a row with its own: {found.cosine.mean():.6f} in the mean, {found.cosine.min():.6f} at least")
    print(f"rows whose nearest row of the other table is their own: {found.alike:.2%}")
    if not found.equal:
        print("least alike: " + ", ".join(f"{names[row]} {found.cosine[row]:.4f}" for row in worst))
    return 0
