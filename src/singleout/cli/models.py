"""``singleout models``: what can be loaded, and how good it was measured to be."""

from __future__ import annotations

import argparse
import json
from typing import Any

DESCRIPTION = "List the models that can be loaded, or show one with its measured scores."
EXAMPLES = """\
examples:
  singleout models
  singleout models starter
  singleout models starter --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this one only, with its scores")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the cards; returns the exit code."""
    from singleout.systems.catalog import model_names, read_card

    cards = [read_card(name) for name in ([args.name] if args.name else model_names())]
    if args.json:
        print(json.dumps(cards[0] if args.name else cards, indent=2))
    elif args.name:
        _print_card(cards[0])
    else:
        for card in cards:
            size = f"{card['size_mb']:g} MB" if "size_mb" in card else ""
            print(f"{card['name']:<12} {size:>8}  {card.get('description', '')}".rstrip())
    return 0


def _print_card(card: dict[str, Any]) -> None:
    for key in ("name", "description", "size_mb", "licence", "trained_on"):
        if key in card:
            value = card[key]
            shown = "; ".join(map(str, value)) if isinstance(value, list) else value
            print(f"{key.replace('_mb', ' (MB)').replace('_', ' '):<12} {shown}")
    scores = [score for score in card.get("scores", []) if isinstance(score, dict)]
    if scores:
        print("\nmeasured scores")
        wide = max(len(str(score.get("what", ""))) for score in scores)
        for score in scores:
            value = score.get("value", "")
            shown = f"{value:.3f}" if isinstance(value, float) else str(value)
            print(f"  {score.get('what', '')!s:<{wide}}  {shown:>8}  {score.get('measured_on', '')}".rstrip())
