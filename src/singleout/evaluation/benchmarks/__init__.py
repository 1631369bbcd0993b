"""The benchmarks by name; each module is loaded when one of its benchmarks is asked for. See docs/evaluation.md."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.evaluation.benchmarks.base import Benchmark

# Name on the command line: the module whose `BENCHMARKS` holds it. A benchmark is added by its module and a line here.
_HOMES = {
    "davis2016": "davis",
    "davis2017": "davis",
    "davis2017-unsupervised": "davis",
    "ref-davis": "ref_davis",
    "youtube-vos-2018": "youtube_vos",
    "youtube-vos-2019": "youtube_vos",
    "ref-youtube-vos": "ref_youtube_vos",
    "mevis": "ref_youtube_vos",
    "ytvis-2019": "ytvis",
    "ytvis-2021": "ytvis",
    "ovis": "ytvis",
    "lv-vis": "ytvis",
    "lv-vis-images": "images",
    "vipseg": "vipseg",
    "vspw": "vspw",
    "viposeg": "viposeg",
    "ade20k-150": "semantic",
    "ade20k-847": "semantic",
    "pascal-context-59": "semantic",
    "pascal-context-459": "semantic",
    "voc-20": "semantic",
    "a2d-sentences": "sentences",
    "jhmdb-sentences": "sentences",
    "refcoco": "refcoco",
    "refcoco+": "refcoco",
    "refcocog": "refcoco",
    "coco": "images",
    "lvis": "images",
}

# Spellings that papers and other programs have.
_ALSO = {"ytvis2019": "ytvis-2019", "ytvis2021": "ytvis-2021"}


def benchmark_names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_HOMES)


def get(name: str) -> Benchmark:
    """A benchmark by its name. Raises InputError for a name that is not known."""
    name = _ALSO.get(name, name)
    if name not in _HOMES:
        raise InputError(f"there is no benchmark {name!r}; there are: {', '.join(_HOMES)}")
    module = import_module(f"singleout.evaluation.benchmarks.{_HOMES[name]}")
    found: Benchmark = next(each for each in module.BENCHMARKS if each.name == name)
    return found
