"""A whole benchmark by one model: predictions video by video, in one process or several, and their archive."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.evaluation.benchmarks import get
from singleout.evaluation.benchmarks.base import Benchmark, Job, Source
from singleout.evaluation.benchmarks.predictions import RUN_FOLDER
from singleout.evaluation.benchmarks.single import SingleFrames, guessed
from singleout.evaluation.selection import open_frames
from singleout.prompts import Phrase, Prompt
from singleout.runs.folder import RunFolder, files_in
from singleout.runs.segmenting import StoppedError
from singleout.segmenter import Segmenter
from singleout.tracks import Tracks

Load = Callable[[], Segmenter]
Stop = Callable[[], bool]
OnJob = Callable[[Job, bool], None]
"""Told of each job that is done, and whether an earlier run had done it."""
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class RunSpec:
    """What a run is, in values that can be sent to another process.

    benchmark: its name. data: as `Benchmark.checked` gives it. model: its name, for the record. load: gives the
    segmenter. options: of the segmenter. devices: names such as "cuda:0", dealt out to the processes in turn; empty
    where the segmenter is to choose.
    """

    benchmark: str
    data: Source
    model: str
    load: Load
    options: Mapping[str, Any]
    devices: tuple[str, ...] = ()


def run_benchmark(
    spec: RunSpec,
    out: Path,
    *,
    processes: int = 1,
    overwrite: bool = False,
    on_start: Callable[[Sequence[Job]], None] = lambda jobs: None,
    on_job: OnJob = lambda job, before: None,
    stop: Stop = lambda: False,
) -> Path | None:
    """Make the predictions of every video that has none yet, in ``out/predictions``, and pack the archive.

    Returns the archive, None where the benchmark has no server. Raises InputError where the model does not take what
    the benchmark asks, or the folder holds another run; StoppedError where `stop` says so. Finished videos are kept
    whatever happens.
    """
    benchmark = get(spec.benchmark)
    jobs = benchmark.open(spec.data)
    if not jobs:
        raise InputError(f"{spec.data.root} has no video in the split {spec.data.split} of {benchmark.name}")
    identity = {
        "benchmark": {"name": benchmark.name, "split": spec.data.split, "all_frames": spec.data.all_frames},
        "data": _fingerprint(jobs),
        "model": spec.model,
        "settings": dict(spec.options),
    }
    predictions = out / RUN_FOLDER
    with RunFolder(out, identity, targets=[RUN_FOLDER], overwrite=overwrite) as folder:
        # Whatever is in the folder of predictions while the run lasts is the run's own, also after a crash.
        folder.run["making"][RUN_FOLDER] = RUN_FOLDER
        folder.write()
        on_start(jobs)
        left = []
        for place, job in enumerate(jobs):
            if folder.has(_product(job)):
                on_job(job, True)
            else:
                left.append(place)

        def note(place: int, written: Sequence[Path]) -> None:
            # Says to the folder that there is something to go on from, so that a run that is stopped keeps it.
            (folder.state / "token").touch()
            folder.add(_product(jobs[place]), [file for path in written for file in files_in(path)])
            on_job(jobs[place], False)

        if left:
            made = _here(spec, jobs, left, predictions, stop)
            if processes > 1:
                made = _apart(spec, left, predictions, min(processes, len(left)), stop)
            for place, written in made:
                note(place, written)
        benchmark.finish(spec.data, jobs, predictions)
        archive = benchmark.submission(predictions, folder.target("submission", "submission.zip"))
        folder.add("submission", [archive] if archive else [])
        folder.add(RUN_FOLDER, files_in(predictions))
        folder.set_status("finished")
        (folder.state / "token").unlink(missing_ok=True)
    return archive


def produce(
    segmenter: Segmenter,
    benchmark: Benchmark,
    job: Job,
    options: Mapping[str, Any],
    *,
    folder: Path,
    stop: Stop = lambda: False,
) -> list[Path]:
    """Predict one job and write it down below `folder`; returns what was written.

    Where all candidates of single frames count, they are asked for. Raises as `predict`.
    """
    if isinstance(benchmark, SingleFrames):
        found = _guess(segmenter, benchmark, job, options, stop)
        if found is not None:
            return benchmark.save_guesses(job, found, folder)
    return benchmark.save(job, predict(segmenter, benchmark, job, options, stop), folder)


def predict(
    segmenter: Segmenter, benchmark: Benchmark, job: Job, options: Mapping[str, Any], stop: Stop = lambda: False
) -> list[Tracks]:
    """The tracks of one job, one `Tracks` for each group of prompts, over the frames that the benchmark keeps.

    Raises InputError where the model does not take the prompts; StoppedError where `stop` says so.
    """
    groups = job.asks()
    phrases = [group[0] for group in groups if len(group) == 1 and isinstance(group[0], Phrase)]
    together = len(groups) > 1 and len(phrases) == len(groups) and segmenter.abilities.independent
    settings = {**segmenter.published(benchmark.name), **options}
    with open_frames(job.video, job.frames) as video:
        kept = list(job.keep or map(str, video.frame_names))
        place = {position: index for index, position in enumerate(_positions(video.frame_names, kept, job))}

        def ask(group: Sequence[Prompt]) -> Tracks:
            tracks = Tracks(
                video.height,
                video.width,
                len(kept),
                exclusive=not together,
                video_name=job.name,
                frame_names=kept,
                source={"model": segmenter.name},
            )
            stream = segmenter.stream(video, group, **settings)
            for masks in stream:
                if masks.frame in place:
                    tracks.append(replace(benchmark.adapt(masks), frame=place[masks.frame]))
                if stop():
                    raise StoppedError(f"{job.name} was not finished")
            return tracks.describe(stream.objects, stream.answers)

        if not together:
            return [ask(group) for group in groups]
        # The frames go through the network once for all sentences.
        tracks = ask([replace(phrase, object_id=number) for number, phrase in enumerate(phrases, 1)])
        return [tracks.filter(lambda track, one=number: track.id == one) for number in range(1, len(phrases) + 1)]  # type: ignore[misc]


def _guess(
    segmenter: Segmenter, benchmark: SingleFrames, job: Job, options: Mapping[str, Any], stop: Stop
) -> list[list[list[dict[str, Any]]]] | None:
    """The candidates of the kept frames for each group of prompts; None where the system has none to tell."""
    prompts = [prompt for group in job.asks() for prompt in group]
    with open_frames(job.video, job.frames) as video:
        frames = _positions(video.frame_names, list(job.keep or map(str, video.frame_names)), job)
        made = segmenter.guesses(video, prompts, frames, **{**segmenter.published(benchmark.name), **options})
        if made is None:
            return None
        found = []
        for each in made:
            found.append([guessed(guesses) for guesses in each])
            if stop():
                raise StoppedError(f"{job.name} was not finished")
        return found


def _positions(names: Sequence[str], kept: Sequence[str], job: Job) -> list[int]:
    """Where the kept frames are in the video. Raises InputError for one that is not there."""
    position = {str(name): index for index, name in enumerate(names)}
    missing = [name for name in kept if name not in position]
    if missing:
        raise InputError(f"{job.video} has no frame {missing[0]}, which the data set lists; it has {len(position)}")
    return [position[name] for name in kept]


def check_task(segmenter: Segmenter, benchmark: Benchmark) -> None:
    """Refuse a model that does not do the benchmark's task, naming those that it does."""
    if benchmark.task not in segmenter.abilities.tasks:
        does = ", ".join(sorted(segmenter.abilities.tasks))
        raise InputError(
            f"{segmenter.name} does not do the task of {benchmark.name}, {benchmark.task}; it does: {does}"
        )


def _here(
    spec: RunSpec, jobs: Sequence[Job], left: Sequence[int], folder: Path, stop: Stop
) -> Iterator[tuple[int, list[Path]]]:
    benchmark, segmenter = get(spec.benchmark), spec.load()
    check_task(segmenter, benchmark)
    options = dict(spec.options) | ({"device": spec.devices[0]} if spec.devices else {})
    for place in left:
        yield place, produce(segmenter, benchmark, jobs[place], options, folder=folder, stop=stop)


def _apart(
    spec: RunSpec, left: Sequence[int], folder: Path, processes: int, stop: Stop
) -> Iterator[tuple[int, list[Path]]]:
    """The same in processes of their own, which are started afresh: a GPU does not survive a fork."""
    context = multiprocessing.get_context("spawn")
    asked, numbers = context.Event(), context.SimpleQueue()
    for number in range(processes):
        numbers.put(number)
    with _fewer_threads(processes):
        pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(spec, folder, asked, numbers))
        try:
            waiting: set[Future[tuple[int, list[Path]]]] = {pool.submit(_work, place) for place in left}
            while waiting:
                done, waiting = wait(waiting, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                if stop():
                    asked.set()
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "one of the processes was ended from outside, perhaps for want of memory: finished videos are kept, so "
                "give the command again with fewer --processes"
            ) from error
        finally:
            asked.set()
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Worker:
    segmenter: Segmenter
    benchmark: Benchmark
    jobs: Sequence[Job]
    options: Mapping[str, Any]


@dataclass
class _Process:
    """What one of several processes knows. The model is loaded with the first video, so that its errors are told."""

    spec: RunSpec
    folder: Path
    stop: Stop
    number: int

    @cached_property
    def worker(self) -> _Worker:
        spec = self.spec
        benchmark, segmenter = get(spec.benchmark), spec.load()
        check_task(segmenter, benchmark)
        device = {"device": spec.devices[self.number % len(spec.devices)]} if spec.devices else {}
        return _Worker(segmenter, benchmark, benchmark.open(spec.data), {**spec.options, **device})


_process: list[_Process] = []


def _begin(spec: RunSpec, folder: Path, asked: Any, numbers: Any) -> None:
    # Ctrl-C reaches every process of the terminal; the first one tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _process.append(_Process(spec, folder, asked.is_set, numbers.get()))


def _work(place: int) -> tuple[int, list[Path]]:
    process = _process[0]
    if process.stop():
        raise StoppedError("stopped before it began")
    worker = process.worker
    job = worker.jobs[place]
    made = produce(worker.segmenter, worker.benchmark, job, worker.options, folder=process.folder, stop=process.stop)
    return place, made


@contextmanager
def _fewer_threads(processes: int) -> Iterator[None]:
    """The processes started inside share the cores instead of each taking all of them."""
    before = os.environ.get("OMP_NUM_THREADS")
    if before is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    try:
        yield
    finally:
        if before is None:
            with suppress(KeyError):
                del os.environ["OMP_NUM_THREADS"]


def _product(job: Job) -> str:
    return f"video {job.name}"


def _fingerprint(jobs: Sequence[Job]) -> str:
    listed = "\n".join(f"{job.name}\t{','.join(job.frames or ())}\t{','.join(job.keep or ())}" for job in jobs)
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()
