"""``singleout models``: what can be loaded or fetched, and how good it is said, or was measured, to be."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.zoo import Checkpoint

DESCRIPTION = """\
List the models: those that ship with singleout, with scores that were measured by it, and the checkpoints that others
publish, with scores as their authors print them. With the name of a system, list its checkpoints; with the name of a
model or checkpoint, show it.
"""
EXAMPLES = """\
examples:
  singleout models
  singleout models starter
  singleout models referformer
  singleout models referformer/video-swin-b --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a system, a model or a checkpoint")
    parser.add_argument("--here", action="store_true", help="only what is on this computer")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the cards; returns the exit code."""
    from singleout.systems.catalog import model_names, read_card
    from singleout.zoo import checkpoints, find_checkpoint

    if args.name is None:
        cards = [read_card(name) for name in model_names()]
        entries = [entry for entry in checkpoints() if not args.here or _is_here(entry)]
        if args.json:
            print(json.dumps([*cards, *map(checkpoint_card, entries)], indent=2))
        else:
            _print_all(cards, entries, here=args.here)
    elif args.name in model_names():
        card = read_card(args.name)
        _print_json(card) if args.json else _print_card(card)
    elif "/" not in args.name and (own := [one for one in checkpoints() if one.system == args.name]):
        own = [one for one in own if not args.here or _is_here(one)]
        _print_json([checkpoint_card(one) for one in own]) if args.json else _print_system(args.name, own)
    else:
        if "/" not in args.name:
            known = ", ".join((*model_names(), *dict.fromkeys(entry.system for entry in checkpoints())))
            raise InputError(f"there is no model {args.name!r}: expected {known}, or a checkpoint of one of these")
        entry = find_checkpoint(args.name)
        _print_json(checkpoint_card(entry)) if args.json else _print_checkpoint(entry)
    return 0


def checkpoint_card(entry: Checkpoint) -> dict[str, Any]:
    """What is known of a published checkpoint, in JSON's types."""
    from singleout.systems.catalog import system_names

    return {
        "name": entry.name,
        "system": entry.system,
        "variant": entry.variant,
        "kind": entry.kind,
        "description": f"{entry.publisher.title}: {entry.trained}",
        "file": entry.file or None,
        "address": entry.url,
        "address_verified": entry.verified,
        "bytes": entry.size,
        "sha256": entry.sha256 or entry.sha256_starts,
        "here": str(entry.path) if _is_here(entry) else None,
        "runs_in_singleout": entry.kind == "model" and entry.system in system_names(),
        "licence_of_code": entry.publisher.licence_code,
        "licence_of_weights_and_data": entry.publisher.licence_data,
        "trained_on": list(entry.publisher.trained_on),
        "repository": entry.publisher.repository,
        "paper": entry.publisher.paper,
        "listed_in": list(entry.sources),
        "published_by_others": [vars(figure) for figure in entry.figures],
    }


def _is_here(entry: Checkpoint) -> bool:
    from singleout.zoo.fetching import find_fetched

    return find_fetched(entry) is not None


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=2))


def _print_all(cards: list[dict[str, Any]], entries: list[Checkpoint], *, here: bool) -> None:
    for card in cards:
        size = f"{card['size_mb']:g} MB" if "size_mb" in card else ""
        print(f"{card['name']:<12} {size:>8}  {card.get('description', '')}".rstrip())
    if here:
        for entry in entries:
            print(f"{entry.name}  {entry.path}")
        return
    from singleout.systems.catalog import system_names

    print("\npublished by others (singleout models SYSTEM lists the checkpoints)")
    for system in dict.fromkeys(entry.system for entry in entries):
        own = [entry for entry in entries if entry.system == system]
        runs = "runs here" if system in system_names() else "to fetch only, singleout cannot run it yet"
        print(f"  {system:<12} {len(own):>3} checkpoints, {own[0].publisher.title}: {runs}")


def _print_system(system: str, entries: list[Checkpoint]) -> None:
    print("scores are those that the authors publish; none was measured by singleout\n")
    wide = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        first = entry.figures[0] if entry.figures else None
        said = f"{first.metric} {first.value:.1f} on {first.benchmark}" if first else ""
        marks = [f"= {system}/{entry.variant}"] * (entry.default and entry.name != f"{system}/{entry.variant}")
        marks += [f"with {system}/{other}" for other in entry.also]
        marks += ["here"] * _is_here(entry) + ["no address"] * (entry.url is None)
        print(f"{entry.name:<{wide}}  {entry.trained}; {said}  {', '.join(marks)}".rstrip(" ;"))


def _print_checkpoint(entry: Checkpoint) -> None:
    from singleout.systems.catalog import system_names
    from singleout.zoo.catalogue import KINDS, figures_by_benchmark
    from singleout.zoo.fetching import by_hand

    runs = "by singleout" if entry.system in system_names() else "not by singleout yet"
    facts = {
        "name": entry.name,
        "what": f"{entry.publisher.title}, {KINDS[entry.kind]}",
        "trained on": entry.trained,
        "runs": runs if entry.kind == "model" else None,
        "file": entry.file,
        "address": entry.url or f"none published; {by_hand(entry)}",
        "verified": "size and checksum" if entry.verified else "no: the address is as published, nobody here opened it",
        "sha256": entry.sha256 or (f"begins with {entry.sha256_starts}" if entry.sha256_starts else None),
        "here": str(entry.path) if _is_here(entry) else f"no: singleout get {entry.name}",
        "code": f"{entry.publisher.repository}, licence {entry.publisher.licence_code or 'not recorded here'}",
        "weights": entry.publisher.licence_data,
        "paper": entry.publisher.paper,
        "listed in": "; ".join(entry.sources),
    }
    for key, value in facts.items():
        if value:
            print(f"{key:<12} {value}")
    if entry.figures:
        print("\nscores published by its authors, not measured by singleout")
        for benchmark, figures in figures_by_benchmark(entry.figures).items():
            print(f"  {benchmark}: {', '.join(f'{one.metric} {one.value:.1f}' for one in figures)}")


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
