"""Running a pipeline: step by step, video by video, beside as many other processes as work on the same folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from singleout.data import referring
from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.evaluation.memory import reuse_freed_memory
from singleout.fusion.board import Board
from singleout.fusion.folder import SharedFolder
from singleout.fusion.pipeline import Pipeline
from singleout.fusion.steps.base import Step, Work
from singleout.media.atomic import write_errors
from singleout.runs.folder import fingerprint_of

_PAUSE = 0.1


class Listener(Protocol):
    """Who is told of what happens."""

    def begin(self, step: Step, total: int, done: int) -> None:
        """A step begins, with so many products, of which some are done already."""

    def made(self, step: Step) -> None:
        """A product has appeared, whoever made it."""

    def end(self, step: Step) -> None:
        """The step is done, or was stopped."""


class Nobody:
    """A `Listener` that does nothing."""

    def begin(self, step: Step, total: int, done: int) -> None:
        """See `Listener`."""

    def made(self, step: Step) -> None:
        """See `Listener`."""

    def end(self, step: Step) -> None:
        """See `Listener`."""


def read_videos(
    pipeline: Pipeline, root: Path, *, split: str | None = None, truth: Path | None = None
) -> tuple[ReferringVideo, ...]:
    """The videos and sentences that a pipeline is about; its frames need not be there where no system runs.

    truth: a folder of true masks that does not belong to the data set. Raises InputError as the readers of `data`.
    """
    chosen = split or pipeline.split
    if pipeline.layout == "mevis" and truth is not None:
        raise InputError("--truth means nothing for mevis, whose masks are part of the data set: leave it out")
    try:
        if pipeline.layout == "mevis":
            videos = referring.read_mevis(root, split=chosen or "valid_u")
        else:
            videos = referring.read_ref_ytvos(root, split=chosen or "valid", truth=truth)
    except InputError as error:
        if split is None and pipeline.split:
            hint = f"{pipeline.source} asks for the split {pipeline.split}, --split NAME for another one"
            raise InputError(f"{error}; {hint}") from error
        raise
    empty = [video for video in videos if not video.frame_names or not video.sentences]
    if empty or not videos:
        what = f"video {empty[0].name} without frames or sentences" if empty else "no videos"
        raise InputError(f"{root}: the split {chosen or 'asked for'} has {what}")
    strange = [video.name for video in videos if truth is not None and not (truth / video.name).is_dir()]
    if strange:
        raise InputError(f"--truth {truth} has no folder {strange[0]}: give true masks of all videos, or leave it out")
    return videos


def check(board: Board, names: Sequence[str], *, alone: bool = False) -> None:
    """Look at everything that can be known before work starts. names: the steps that are to run, in order.

    alone: steps that they need and that are not among them must be done. Raises InputError.
    """
    for name in names:
        step = board.pipeline.steps[name]
        for needed in step.needs:
            if alone and needed not in names:
                other = board.pipeline.steps[needed]
                missing = [video.name for video in board.videos if board.digest(other, video) is None]
                if missing:
                    raise InputError(
                        f"step {name} needs {needed}, which is not done for video {missing[0]}: run it first, or say "
                        f"--up-to {name}"
                    )
        board.check(step)


def run(board: Board, names: Sequence[str], told: Listener | None = None, *, alone: bool = False) -> dict[str, Path]:
    """Make whatever is not done of these steps; returns what comes of all videos together, by step.

    names, alone: as of `check`, which is done first. Raises InputError for bad input and a full disk, StoppedError
    where the user asked to stop; every product that is done is kept.
    """
    told = told or Nobody()
    reuse_freed_memory()
    asked = [[video.name, video.frame_names, [each.id for each in video.sentences]] for video in board.videos]
    identity = fingerprint_of({"pipeline": board.pipeline.identity, "videos": asked})
    check(board, names, alone=alone)
    made: dict[str, Path] = {}
    with SharedFolder(board.out, identity) as folder:
        for name in names:
            step = board.pipeline.steps[name]
            _run_step(board, step, folder, told)
            result = _finish(board, step, folder)
            if result is not None:
                made[name] = result
        for name in names:
            for video in board.videos:
                board.pipeline.steps[name].check_unchanged(video, board.tools)
    return made


def _run_step(board: Board, step: Step, folder: SharedFolder, told: Listener) -> None:
    left = [video for video in board.videos if board.digest(step, video) is None]
    told.begin(step, len(board.videos), len(board.videos) - len(left))
    try:
        while left:
            still = []
            for video in left:
                board.tools.may_stop(f"step {step.name}")
                if board.digest(step, video) is None and not _make(board, step, video, folder):
                    still.append(video)
                else:
                    told.made(step)
            if len(still) == len(left):
                # Others are at work on all that is left.
                time.sleep(_PAUSE)
            left = still
    finally:
        told.end(step)


def _make(board: Board, step: Step, video: ReferringVideo, folder: SharedFolder) -> bool:
    """Make a product, unless another process is about to."""
    with folder.unit(f"{step.name}--{video.name}") as mine:
        if not mine:
            return False
        # It may have been made since it was looked for.
        if board.digest(step, video) is not None:
            return True
        key = board.key(step, video)
        assert key is not None, f"the inputs of {step.name} are done"
        target = board.product(step, video)
        with write_errors(target):
            step.make(Work(video, board.inputs(step, video), target, key, board.out, board.tools))
        if board.digest(step, video) is None:
            raise InputError(f"{target} was changed by something else during the run: run again")
    return True


def _finish(board: Board, step: Step, folder: SharedFolder) -> Path | None:
    while True:
        with folder.unit(f"{step.name}--all") as mine:
            if mine:
                return step.finish(board.videos, board.out)
        board.tools.may_stop(f"step {step.name}")
        time.sleep(_PAUSE)
