"""Turning a file as its authors publish it into a folder that needs no pickle: ``singleout convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.systems.catalog import ReadsWords, System
from singleout.zoo.catalogue import Checkpoint, checkpoints, figures_by_benchmark, find_checkpoint
from singleout.zoo.embeddings import write_table
from singleout.zoo.fetching import Say, by_hand, find_fetched, keep_quiet, sha256_of
from singleout.zoo.folders import write_converted
from singleout.zoo.loading import Opened, open_weights
from singleout.zoo.tokenizers import has_tokenizer
from singleout.zoo.towers import TEXT, TEXT_TOWER
from singleout.zoo.words import CATEGORIES, read_published_table


def convert(
    official: str,
    to: Path,
    *,
    system: str | System | None = None,
    tokenizer: Path | None = None,
    strict: bool = True,
    overwrite: bool = False,
    say: Say = keep_quiet,
) -> Opened:
    """Write an official file, or a fetched checkpoint of the catalogue by name, as a folder that `load` takes.

    tokenizer: a folder of tokenizer files, or CLIP's table of byte pairs; by default what is beside the file or in the
    cache. A system that reads words through a tower of its own gets that into the folder ``text``. say: is told what a
    user should know. Raises InputError as `open_weights`, and where the folder holds something and is to be kept.
    """
    file, checkpoint = _find(official)
    # Of a file with several models an entry of the catalogue says which is meant.
    variant = None if checkpoint is None else checkpoint.variant
    opened = open_weights(file, system=system, variant=variant, strict=strict)
    if tokenizer is not None and not (tokenizer.is_file() or has_tokenizer(tokenizer)):
        raise InputError(f"{tokenizer} has no tokenizer: give a folder with the files of {opened.system.tokenizer}")
    beside = tokenizer or opened.tokenizer
    if beside is not None and not (beside.is_file() or has_tokenizer(beside)):
        say(
            f"no tokenizer was found, so the folder cannot read sentences: put the files of {opened.system.tokenizer} "
            f"into {to / 'tokenizer'}"
        )
        beside = None
    source: dict[str, Any] = {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256_of(file)}
    if checkpoint is not None:
        source |= {"checkpoint": checkpoint.name, "url": checkpoint.url}
    write_converted(
        to,
        opened.network,
        system=opened.system.name,
        variant=opened.variant,
        config=opened.config,
        source=source,
        card=card_of(opened, source, checkpoint),
        tokenizer=beside,
        overwrite=overwrite,
    )
    if isinstance(opened.system, ReadsWords):
        _add_words(opened.system, to, beside, say)
    return opened


def _add_words(system: ReadsWords, to: Path, tokenizer: Path | None, say: Say) -> None:
    """Put the text tower of a system, and its table of vectors, into a converted folder, where they are here."""
    tower = find_checkpoint(system.text_tower)
    if find_fetched(tower) is None:
        say(
            f"its text encoder {tower.name} is not here, so the folder reads no names or sentences yet: singleout get "
            f"{tower.name}, then singleout convert {tower.name} --to {to / TEXT}"
        )
        return
    convert(tower.name, to / TEXT, system=TEXT_TOWER, tokenizer=tokenizer)
    table = None if system.name_table is None else find_fetched(find_checkpoint(system.name_table))
    if table is not None:
        write_table(to / TEXT / CATEGORIES, read_published_table(table).numpy())


def _find(official: str) -> tuple[Path, Checkpoint | None]:
    path = Path(official)
    if path.is_dir():
        raise InputError(f"{official} is a folder: give the file that its authors publish")
    if path.exists() or path.suffix:
        known = [one for one in checkpoints() if one.path == path.absolute()]
        return path, known[0] if known else None
    checkpoint = find_checkpoint(official)
    file = find_fetched(checkpoint)
    if file is None:
        raise InputError(
            f"{checkpoint.name} is not here yet: singleout get {checkpoint.name} fetches it; {by_hand(checkpoint)}"
        )
    return file, checkpoint


def card_of(opened: Opened, source: dict[str, Any], checkpoint: Checkpoint | None) -> str:
    """The card of a converted folder as Markdown: what it is, whose, under what terms, and what became of the names."""
    title = f"{opened.system.title}, {opened.variant}"
    lines = [f"# {title}", "", f"Weights of {opened.system.title} by its authors, converted for singleout."]
    lines += ["", "```python", "import singleout", "", 'segmenter = singleout.load("this folder")', "```", ""]
    publishers = [one.publisher for one in checkpoints() if one.system == opened.system.name]
    rows = {"system": f"{opened.system.name}/{opened.variant}", "converted from": source["file"]}
    if checkpoint is not None:
        address = checkpoint.url or "none published"
        rows |= {"checkpoint": checkpoint.name, "trained on": checkpoint.trained, "address": address}
    rows |= {"SHA-256 of that file": source["sha256"], "bytes of that file": str(source["bytes"])}
    if publishers:
        rows |= {
            "authors": publishers[0].repository,
            "paper": publishers[0].paper,
            "licence of their code": publishers[0].licence_code or "not recorded here; see there",
            "licence of weights and data": publishers[0].licence_data,
        }
    rows["names"] = opened.report.summary()
    lines += ["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows.items())]
    if checkpoint is not None and checkpoint.figures:
        lines += ["", "Scores as its authors publish them, not measured by singleout:", ""]
        lines += ["| benchmark | scores |", "| --- | --- |"]
        for benchmark, figures in figures_by_benchmark(checkpoint.figures).items():
            lines.append(f"| {benchmark} | {', '.join(f'{one.metric} {one.value:.1f}' for one in figures)} |")
    return "\n".join(lines) + "\n"
