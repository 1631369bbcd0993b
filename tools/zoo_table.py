"""Writes the tables of published checkpoints in docs/zoo.md and README.md: ``python -m tools.zoo_table``.

With ``--check`` nothing is written, and the exit code is 1 where a table is not that of the catalogue.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from singleout.systems.catalog import system_names
from singleout.zoo.addresses import understand
from singleout.zoo.catalogue import Checkpoint, Publisher, checkpoints, figures_by_benchmark

ROOT = Path(__file__).parents[1]
# What tests of this repository hold equal to the authors' code, on weights made by rule: nobody had the published ones.
_WHOLE = (
    "names of every layout, stages, outputs, masks and losses equal to the official code's (`tests/parity`), on "
    "weights made by rule"
)
_FOLLOWED = (
    "names of every layout, stages, scores, masks, memory, losses and gradients equal to the official code's "
    "(`tests/parity`), on weights made by rule"
)
_NAMED = (
    "names of both layouts, stages, matching, results of real frames and losses equal to the official code's "
    "(`tests/parity`), on weights made by rule"
)
_CLASSED = (
    "names of every layout, stages, regions, CLIP with mask prompts, ensemble, results of real frames and losses "
    "equal to the official code's (`tests/parity`), on weights made by rule"
)
_UNIFIED = (
    "names of every layout, stages, prompts, text tower, results of all six tasks on real frames and losses equal to "
    "the official code's (`tests/parity`), on weights made by rule"
)
VERIFIED = {
    "referformer": _WHOLE,
    "mutr": _WHOLE,
    "soc": _WHOLE,
    "aot": _FOLLOWED,
    "univs": _UNIFIED,
    "ov2seg": _NAMED,
    "ovseg": _CLASSED,
}
_TEXT_TOWERS = (
    "text towers of three sizes: names, tokens and vectors equal to the official code's (`tests/parity`), on weights "
    "made by rule"
)
# Of these only a part is run, for other systems.
_PARTS = {"clip": ("its text towers", _TEXT_TOWERS)}
_ADDRESSES = {"drive": "Google Drive", "hub": "Hugging Face", "plain": "direct", "page": "page, by hand"}


def systems_table() -> str:
    """README's table: a row for each system, what is published by whom, and what was verified here."""
    lines = [
        "| system | published by | checkpoints | best figure, as its authors print it | runs here | verified here |",
        "| --- | --- | ---: | --- | --- | --- |",
    ]
    for system, publisher, entries in _by_system():
        best = _best(entries)
        runs, verified = _PARTS.get(system, ("not yet, fetch only", "nothing yet"))
        if system in system_names():
            runs, verified = "yes", VERIFIED.get(system, verified)
        link = f"[{publisher.title}]({publisher.paper})"
        row = [link, publisher.repository, str(len(entries)), best, runs, verified]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def checkpoints_table() -> str:
    """The tables of docs/zoo.md: every checkpoint, a section for each system."""
    parts = []
    for system, publisher, entries in _by_system():
        licence = publisher.licence_code or "not recorded here; see the repository"
        data = ", ".join(publisher.trained_on)
        parts += [
            f"### {publisher.title}",
            "",
            f"{publisher.repository}, [paper]({publisher.paper}). Licence of the code: {licence}. Trained on {data}; "
            f"{publisher.licence_data}.",
            "",
            "| name | trained on | from | figures, as its authors print them |",
            "| --- | --- | --- | --- |",
        ]
        for entry in entries:
            name = f"`{entry.name}`"
            short = f"{system}/{entry.variant}"
            if entry.default and short != entry.name:
                name += f" (= `{short}`)"
            if entry.also:
                name += f", with {', '.join(f'`{system}/{other}`' for other in entry.also)}"
            origin = f"[{_ADDRESSES[understand(entry.url).kind]}]({entry.url})" if entry.url else "by hand"
            parts.append(f"| {name} | {entry.trained} | {origin} | {_figures(entry)} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def _by_system() -> Iterator[tuple[str, Publisher, list[Checkpoint]]]:
    entries = checkpoints()
    for system in sorted({entry.system for entry in entries}):
        own = [entry for entry in entries if entry.system == system]
        yield system, own[0].publisher, own


def _figures(entry: Checkpoint) -> str:
    return "; ".join(
        f"{benchmark}: {', '.join(f'{one.metric} {one.value:.1f}' for one in figures)}"
        for benchmark, figures in figures_by_benchmark(entry.figures).items()
    )


def _best(entries: list[Checkpoint]) -> str:
    first = next((figure for entry in entries for figure in entry.figures), None)
    if first is None:
        return "none in the tables"
    same = [
        (figure.value, entry.name)
        for entry in entries
        for figure in entry.figures
        if (figure.benchmark, figure.metric) == (first.benchmark, first.metric)
    ]
    value, name = max(same)
    return f"{first.metric} {value:.1f} on {first.benchmark} (`{name}`)"


def with_table(page: str, name: str, table: str) -> str:
    """The text of a page with this table between its markers. Raises ValueError where it has no place for one."""
    pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- /{name} -->\n)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no lines <!-- {name}: … --> and <!-- /{name} -->")
    return pattern.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    differs = False
    for file, name, table in (
        (ROOT / "docs" / "zoo.md", "checkpoints", checkpoints_table()),
        (ROOT / "README.md", "systems", systems_table()),
    ):
        before = file.read_text(encoding="utf-8")
        after = with_table(before, name, table)
        differs |= before != after
        if not options.check:
            file.write_text(after, encoding="utf-8")
    return int(options.check and differs)


if __name__ == "__main__":
    sys.exit(main())
