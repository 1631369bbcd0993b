"""One page of HTML that needs nothing else: the table, plots, and the worst objects with pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from singleout.evaluation.report.pictures import FOUND, MISSED, WRONG, embedded
from singleout.evaluation.report.plots import course, spread
from singleout.evaluation.report.values import Evaluation, ObjectResult

MOST_SHOWN = 24
"""Objects that get a plot and a picture of their own."""
_MOST_ROWS = 1000

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
.wide { overflow-x: auto; } .official td { font-size: 1.2rem; }
svg { width: 100%; max-width: 560px; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg polyline { fill: none; stroke-width: 1.6; } svg .grid { stroke: var(--line); } svg .mark { stroke: #e03131; }
.object { display: grid; grid-template-columns: minmax(0, 480px) minmax(0, 1fr); gap: 0 1.5rem; margin: 1.2rem 0;
  padding: .8rem; background: var(--soft); border-radius: .5rem; }
.object h3 { grid-column: 1 / -1; margin: 0 0 .4rem; font-size: 1rem; }
.object img { width: 100%; border-radius: .3rem; } figure { margin: 0; } figcaption { font-size: .85rem; opacity: .8; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: .2em; margin: 0 .3em 0 .8em; }
@media (max-width: 50rem) { .object { grid-template-columns: 1fr; } }
"""


def page(evaluation: Evaluation) -> Iterator[str]:
    """The page in pieces, so that no more than one picture is in memory."""
    title = escape(f"{evaluation.title}, {evaluation.split}")
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n'
    yield f'<div class="wide official">{_table({"": evaluation.table}, evaluation.decimals, corner="")}</div>\n'
    for note in evaluation.notes:
        yield f"<p>{escape(note)}</p>\n"
    if evaluation.about:
        yield "<p>" + "<br>".join(f"{escape(key)}: {escape(str(value))}" for key, value in evaluation.about.items())
        yield "</p>\n"
    ranked = sorted((each for each in evaluation.objects if math.isfinite(each.score)), key=lambda each: each.score)
    low, high = evaluation.ends
    if ranked:
        unit = 1.0 if max(each.score for each in ranked) <= 1 else 100.0
        yield f"<h2>From {escape(low)} to {escape(high)}</h2>\n"
        yield spread([each.score for each in ranked], [_title(each) for each in ranked], unit, evaluation.ends)
    worst = [each for each in ranked if each.series or each.look is not None][:MOST_SHOWN]
    if worst:
        yield f"\n<h2>The {escape(low)} {len(worst)} of {len(ranked)}</h2>\n<p>{_keys(evaluation.keys)}</p>\n"
        for each in worst:
            yield _object(each, evaluation.decimals)
    for name, rows in evaluation.parts.items():
        if rows:
            yield f'<h2>{escape(name)}</h2>\n<div class="wide">{_table(rows, evaluation.decimals, corner="")}</div>\n'
    if evaluation.objects:
        rest = sorted(evaluation.objects, key=lambda each: (math.isnan(each.score), each.score))
        rows = {_title(each): each.values for each in rest[:_MOST_ROWS]}
        yield f"<h2>{'All' if len(rest) <= _MOST_ROWS else f'The {escape(low)} {_MOST_ROWS}'} objects</h2>\n"
        yield f'<div class="wide">{_table(rows, evaluation.decimals, corner="object")}</div>\n'
    yield "</body></html>\n"


def _object(each: ObjectResult, decimals: int) -> str:
    marked = _worst_frame(each)
    values = ", ".join(f"{escape(name)} {_shown(value, decimals)}" for name, value in each.values.items())
    parts = [f'<section class="object"><h3>{escape(_title(each))}</h3>']
    if each.look is not None:
        look = each.look(marked)
        caption = escape(look.title)
        parts.append(f'<figure><img alt="{caption}" src="{embedded(look)}"><figcaption>{caption}</figcaption></figure>')
    plot = course(each.series, each.frames, marked) if each.series else ""
    parts.append(f"<div>{plot}<p>{values}</p></div></section>\n")
    return "".join(parts)


def _worst_frame(each: ObjectResult) -> int:
    """The frame with the lowest value of the first measure; the first one where there is no course."""
    values = next(iter(each.series.values()), np.zeros(0))
    if not np.isfinite(values).any():
        return 0
    return int(np.nanargmin(values))


def _table(rows: Mapping[str, Mapping[str, float]], decimals: int, corner: str) -> str:
    columns = list(dict.fromkeys(name for values in rows.values() for name in values))
    named = any(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = [f"<table><thead><tr>{f'<th>{escape(corner)}</th>' if named else ''}{head}</tr></thead><tbody>"]
    for row, values in rows.items():
        cells = "".join(f"<td>{_shown(values.get(name, math.nan), decimals)}</td>" for name in columns)
        lines.append(f"<tr>{f'<td>{escape(row)}</td>' if named else ''}{cells}</tr>")
    return "\n".join(lines) + "</tbody></table>"


def _keys(texts: Sequence[str]) -> str:
    named = zip((FOUND, WRONG, MISSED), texts, strict=True)
    return "".join(f'<span class="key" style="background:rgb{colour}"></span>{escape(text)}' for colour, text in named)


def _title(each: ObjectResult) -> str:
    return f"{each.video} {each.name}".strip()


def _shown(value: float, decimals: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"
