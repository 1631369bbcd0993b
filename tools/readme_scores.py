"""Writes the table of scores in README.md from the card of the starter: ``python -m tools.readme_scores``.

With ``--check`` nothing is written, and the exit code is 1 where the table is not that of the card.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from singleout.systems.catalog import read_card

README = Path(__file__).parents[1] / "README.md"
_TABLE = re.compile(r"(<!-- scores: [^\n]*-->\n).*?(<!-- /scores -->\n)", re.DOTALL)
# What is promised to be measured, shown until the card has figures.
ROWS = (
    "mask of frame 0 given, mean J&F",
    "the same, frames/s on 2 CPU cores with decoding",
    "the same, peak memory",
    "sentences about people, mean J",
    "sentences about a car, mean J",
    "asked for what is not there, answers nothing",
    "synonyms that were never trained, share of the trained word's score",
)


def table(card: dict[str, Any]) -> str:
    """The rows of README's table as Markdown: what, value, and what it was measured on."""
    lines = ["| what | measured | on |", "| --- | ---: | --- |"]
    scores = card.get("scores") or [{"what": what, "value": "not yet"} for what in ROWS]
    for score in scores:
        value = score["value"]
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        lines.append(f"| {score['what']} | {shown} | {score.get('measured_on', '')} |")
    return "\n".join(lines) + "\n"


def with_table(readme: str, card: dict[str, Any]) -> str:
    """The text of README with the table of this card. Raises ValueError where it has no place for one."""
    if not _TABLE.search(readme):
        raise ValueError("README.md has no lines <!-- scores: … --> and <!-- /scores -->")
    return _TABLE.sub(lambda found: f"{found[1]}\n{table(card)}\n{found[2]}", readme)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    before = README.read_text(encoding="utf-8")
    after = with_table(before, read_card("starter"))
    if options.check:
        return int(before != after)
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
