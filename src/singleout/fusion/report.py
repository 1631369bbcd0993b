"""The report of a run: every member and stage in one table, and pictures of the sentences that members disagree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.data.records import ReferringVideo, Sentence
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.report import files
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult
from singleout.fusion.board import Board
from singleout.fusion.pipeline import Pipeline
from singleout.fusion.scoring import AGREEMENT, AgreementStep, F, J, Judging, ScoreStep, has_truth
from singleout.fusion.steps.base import MASKS_OF
from singleout.fusion.steps.export import ExportStep
from singleout.fusion.steps.members import MasksStep
from singleout.fusion.steps.predict import PredictStep
from singleout.fusion.store import read_values, reading

REPORT_FOLDER = "report"
_KEYS = ("in every member", "in fewer than half of them", "in half of them or more")
_ENDS = ("most disputed", "least disputed")
_MEMBERS = "agreement-of-members"


def with_report(pipeline: Pipeline, videos: Sequence[ReferringVideo]) -> Pipeline:
    """The pipeline with the steps that its report needs: scores where there is truth, agreement everywhere."""
    steps = dict(pipeline.steps)
    final = final_masks(pipeline)
    for name in stages(pipeline):
        if all(has_truth(video) for video in videos):
            steps[f"score-of-{name}"] = ScoreStep(f"score-of-{name}", name)
        if final is not None and name != final:
            steps[f"agreement-of-{name}"] = AgreementStep(f"agreement-of-{name}", (name, final))
    found = members(pipeline)
    if len(found) > 1:
        steps[_MEMBERS] = AgreementStep(_MEMBERS, tuple(found))
    return replace(pipeline, steps=steps)


def members(pipeline: Pipeline) -> list[str]:
    """The steps in which masks come in, without those of single sentences."""
    wanted = pipeline.wanted()
    return [
        name
        for name in wanted
        if isinstance(step := pipeline.steps[name], PredictStep) or (isinstance(step, MasksStep) and not step.alone_in)
    ]


def stages(pipeline: Pipeline) -> list[str]:
    """The steps whose masks are of all sentences."""
    wanted = [name for name in pipeline.wanted() if pipeline.steps[name].gives == MASKS_OF]
    return [name for name in wanted if not (isinstance(step := pipeline.steps[name], MasksStep) and step.alone_in)]


def final_masks(pipeline: Pipeline) -> str | None:
    """The step whose masks are the result: what is exported, or the last one."""
    exported = [step.masks for step in pipeline.steps.values() if isinstance(step, ExportStep)]
    found = exported or stages(pipeline)
    return found[-1] if found else None


def judging_steps(pipeline: Pipeline) -> list[str]:
    """The steps that `with_report` has added."""
    return [name for name, step in pipeline.steps.items() if isinstance(step, Judging)]


def write_report(board: Board) -> Evaluation:
    """Write the report of a run whose steps are all done, `with_report`, into the folder report; returns it."""
    found = _evaluation(board)
    files.write(found, board.out / REPORT_FOLDER)
    return found


def _evaluation(board: Board) -> Evaluation:
    pipeline = board.pipeline
    final = final_masks(pipeline)
    rows: dict[str, dict[str, float]] = {}
    for name in stages(pipeline):
        row = {}
        if f"score-of-{name}" in pipeline.steps:
            j, f = _mean(board, f"score-of-{name}", J), _mean(board, f"score-of-{name}", F)
            row = {"J&F": (j + f) / 2, J: j, F: f}
        if name == final:
            row["overlap with the result"] = 1.0
        elif f"agreement-of-{name}" in pipeline.steps:
            row["overlap with the result"] = _mean(board, f"agreement-of-{name}", AGREEMENT)
        rows[name] = row
    table = {name: value for name, value in rows.get(final or "", {}).items() if name in {"J&F", J, F}}
    if _MEMBERS in pipeline.steps:
        table["agreement of members"] = _mean(board, _MEMBERS, AGREEMENT)
    objects = tuple(_object(board, final, video, each) for video in board.videos for each in video.sentences)
    notes = [f"quirk {name}: {quirk.about}" for name, quirk in pipeline.quirks.items() if quirk.active]
    if _MEMBERS in pipeline.steps:
        scored = f" J&F, J and F of a sentence are those of {final}." if table.keys() & {"J&F"} else ""
        notes.append(f"{AGREEMENT}: how far any two members overlap, in the mean.{scored}")
    return Evaluation(
        pipeline.layout,
        pipeline.title,
        f"{len(board.videos)} video{'s' * (len(board.videos) != 1)}",
        table,
        decimals=4,
        objects=objects,
        parts={"Members and stages": rows},
        notes=tuple(notes),
        about={"members": ", ".join(members(pipeline)), "sentences": len(objects)},
        keys=_KEYS,
        ends=_ENDS,
    )


def _object(board: Board, final: str | None, video: ReferringVideo, sentence: Sentence) -> ObjectResult:
    values: dict[str, float] = {}
    series: dict[str, npt.NDArray[np.float64]] = {}
    if _MEMBERS in board.pipeline.steps:
        series[AGREEMENT] = np.array(_values(board, _MEMBERS, video)[sentence.id][AGREEMENT])
        values[AGREEMENT] = float(series[AGREEMENT].mean())
    if f"score-of-{final}" in board.pipeline.steps:
        scores = _values(board, f"score-of-{final}", video)[sentence.id]
        series |= {name: np.array(scores[name]) for name in (J, F)}
        values |= {"J&F": float(np.mean([scores[J], scores[F]])), J: float(np.mean(scores[J]))}
        values[F] = float(np.mean(scores[F]))
    return ObjectResult(
        video.name,
        f"{sentence.id}: {sentence.text}",
        values,
        values.get(AGREEMENT, float("nan")),
        series,
        tuple(video.frame_names),
        partial(_look, board, video, sentence.id) if members(board.pipeline) else None,
    )


def _look(board: Board, video: ReferringVideo, sentence: str, frame: int) -> Look:
    """What members say in a frame, as `_KEYS` has it."""
    with ExitStack() as stack:
        names = members(board.pipeline)
        paths = [board.product(board.pipeline.steps[name], video) for name in names]
        masks = [stack.enter_context(reading(path)).mask(sentence, frame) for path in paths]
    votes: Any = np.sum(masks, axis=0, dtype=np.uint8)
    many = 2 * votes >= len(masks)
    found = np.where(many, votes == len(masks), votes > 0)
    return Look(f"frame {video.frame_names[frame]}", many, found, read_picture(video.images[frame]))


def _mean(board: Board, name: str, what: str) -> float:
    """Over the frames of a sentence, then over sentences, as Ref-YouTube-VOS is scored."""
    return float(np.mean(list(_each(board, name, what))))


def _each(board: Board, name: str, what: str) -> Iterator[float]:
    for video in board.videos:
        for values in _values(board, name, video).values():
            yield float(np.mean(values[what]))


def _values(board: Board, name: str, video: ReferringVideo) -> Mapping[str, Mapping[str, Sequence[float]]]:
    path: Path = board.product(board.pipeline.steps[name], video)
    found: Mapping[str, Mapping[str, Sequence[float]]] = read_values(path)
    return found
