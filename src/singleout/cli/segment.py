"""``singleout segment``: words or marks in, tracks, overlay and masks out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.cli.inputs import find_inputs, own_folders, read_cut, read_options
from singleout.cli.marks import Marks, read_marks
from singleout.cli.progress import Progress
from singleout.cli.stopping import StopRequest
from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.media import Video
    from singleout.prompts import Prompt
    from singleout.runs.folder import RunFolder
    from singleout.runs.products import Wanted
    from singleout.segmenter import Segmenter
    from singleout.tracks import Tracks

DESCRIPTION = """\
Find and follow objects in videos and images. Say what you mean with words (--say, --names) or show it with marks on
a frame (--mask, --box, --point); several at once are fine. Frames count from 0, coordinates are pixels of the
original video, times are seconds or minutes:seconds.

The folder --out then holds the overlay, a contact sheet, tracks.json and the masks. A run that was stopped goes on
when the same command is given again.
"""
EXAMPLES = """\
examples:
  singleout segment street.mp4 --say "the man in the suit" --out out/
  singleout segment street.mp4 --names person,car --out out/
  singleout segment street.mp4 --mask 0:first.png --out out/       several objects in one palette PNG are fine
  singleout segment street.mp4 --box 0:120,40,260,250 --out out/
  singleout segment street.mp4 --point 1@0:180,90 --point 1@0:20,20,- --out out/
  singleout segment photo.jpg --names dog --cutout transparent --out out/
  singleout segment videos/ --names person --as davis,ytvis --out out/
  singleout segment street.mp4 --names road,sky,car --task panoptic --model univs/swin-l --out out/
  singleout segment street.mp4 --say "the white dog" --model referformer/video-swin-b --then aot/r50-deaotl --out out/
  singleout segment demo --names person,car --out out/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "video",
        nargs="+",
        metavar="VIDEO",
        help="video, image, folder or zip of frames, folder of videos, or the word demo for the demo clip",
    )
    ask = parser.add_argument_group("what to look for (at least one; each may be given several times)")
    ask.add_argument("--say", action="append", default=[], metavar="TEXT", help="a sentence that means an object")
    ask.add_argument("--names", action="append", default=[], metavar="A,B", help="category names, every object of each")
    ask.add_argument(
        "--mask", action="append", default=[], metavar="FRAME:FILE", help="a PNG of object ids for one frame"
    )
    ask.add_argument(
        "--box", action="append", default=[], metavar="[ID@]FRAME:X,Y,X,Y", help="left, top, right, bottom of an object"
    )
    ask.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="[ID@]FRAME:X,Y[,-]",
        help='a click on an object; a minus at the end says "not here"; the same ID means the same object',
    )
    ask.add_argument("--guess", action="store_true", help="give the best guess for words that the model does not know")
    out = parser.add_argument_group("what comes out")
    out.add_argument("--out", required=True, metavar="FOLDER", help="where to write; made if it does not exist")
    out.add_argument(
        "--as",
        dest="formats",
        action="append",
        default=[],
        metavar="FORMATS",
        help="formats of the masks, separated by commas (default: davis; none for none); see singleout export --help",
    )
    out.add_argument(
        "--cutout",
        metavar="HOW",
        help="also write the objects alone: transparent (RGBA pictures), blur, or a colour such as white or #00ff00",
    )
    out.add_argument("--no-overlay", action="store_true", help="write no overlay and no contact sheet")
    out.add_argument("--overwrite", action="store_true", help="replace what another run of singleout left in --out")
    how = parser.add_argument_group("how")
    how.add_argument("--model", default="starter", metavar="NAME", help="see singleout models (default: starter)")
    how.add_argument(
        "--task",
        metavar="NAME",
        help="what --names asks for, where a model can give several: instances (usual), semantic or panoptic",
    )
    how.add_argument("--weights", metavar="FILE", help="published file or converted folder for --model SYSTEM/VARIANT")
    how.add_argument(
        "--then", metavar="NAME", help="let another model follow what --model finds, from its surest frame to both ends"
    )
    how.add_argument("--then-weights", metavar="FILE", help="published file or converted folder for --then")
    how.add_argument(
        "--token-ids",
        action="append",
        default=[],
        metavar="N,N,…",
        help="numbers of the tokenizer in place of each --say, for a model without its tokenizer",
    )
    how.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model; may be repeated"
    )
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    how.add_argument("--start", metavar="TIME", help="leave out what comes before, for example 12.5 or 1:05")
    how.add_argument("--end", metavar="TIME", help="leave out what comes after")
    how.add_argument("--every", type=int, default=1, metavar="K", help="take each K-th frame only")
    how.add_argument("--resize", type=int, metavar="PIXELS", help="work and write at this length of the short side")
    how.add_argument("--tolerate-damage", action="store_true", help="take the frames before the damage of a file")
    how.add_argument("--json", action="store_true", help="print a summary for programs on stdout")
    how.add_argument("--quiet", action="store_true", help="no progress; errors and answers are still shown")


@dataclass(frozen=True)
class _Ask:
    """One command line, checked: everything but the videos."""

    args: argparse.Namespace
    marks: Marks
    wanted: Wanted
    cut: dict[str, Any]
    stop: StopRequest


def run(args: argparse.Namespace) -> int:
    """Run the videos one after the other; returns the exit code."""
    from singleout.prompts import Phrase
    from singleout.runs.products import Wanted
    from singleout.runs.segmenting import StoppedError

    wanted = Wanted.parse(args.formats, args.cutout, overlay=not args.no_overlay)
    cut = read_cut(args)
    marks = read_marks(args.say, args.names, args.mask, args.box, args.point)
    if not any(Path(given).expanduser().is_dir() for given in args.video):
        # Only a folder may bring sentences of its own, which is known when it was read.
        marks.require()
    inputs = find_inputs(args.video)
    if not all(one.sentences for one in inputs):
        marks.require()
    videos = [one.path for one in inputs]
    _refuse_input_as_output(args)
    folders = own_folders(Path(args.out), videos)
    if args.then_weights is not None and args.then is None:
        raise InputError("--then-weights: say what model they are for, by --then SYSTEM/VARIANT")
    models = _Models(args.model, args.weights, args.then, args.then_weights)
    summaries: list[dict[str, Any]] = []
    code = 0
    with StopRequest() as stop:
        for one, folder in zip(inputs, folders, strict=True):
            path = one.path
            phrases = (*marks.phrases, *(Phrase(text) for text in one.sentences))
            ask = _Ask(args, replace(marks, phrases=phrases), wanted, cut, stop)
            summary: dict[str, Any] = {"video": str(path), "out": str(folder)}
            try:
                summary |= _run_one(ask, path, folder, models)
                code = max(code, 2 if summary["refused"] else 0)
            except InputError as error:
                # The other videos are not to suffer from this one.
                if args.debug:
                    raise
                _say(f"error: {error}" if len(videos) == 1 else f"error: {path}: {error}")
                summary |= {"status": "refused", "error": str(error)}
                code = 2
            except (StoppedError, KeyboardInterrupt) as stopped:
                kept = f"{stopped or 'what was finished is kept'} in {folder}" if folder.exists() else "nothing is kept"
                _say(f"stopped: {kept}; give the same command again to go on")
                summary["status"] = "stopped"
                code = stop.exit_code
            summaries.append(summary)
            if summary["status"] == "stopped":
                break
    if args.json:
        print(json.dumps({"runs": summaries}, indent=2))
    return code


def _refuse_input_as_output(args: argparse.Namespace) -> None:
    """What is written into a folder of frames or videos would be taken for one of them the next time."""
    for given in args.video:
        if Path(given).is_dir() and Path(given).resolve() == Path(args.out).resolve():
            raise InputError(f"--out {args.out} is the folder that the input comes from: choose another one")


def _token_ids(args: argparse.Namespace) -> list[list[int]]:
    if len(args.token_ids) != len(args.say):
        raise InputError(
            f"--token-ids is given {len(args.token_ids)} times and --say {len(args.say)} times: give one each"
        )
    try:
        return [[int(number) for number in given.split(",")] for given in args.token_ids]
    except ValueError as error:
        raise InputError(f"--token-ids {','.join(args.token_ids)}: expected numbers such as 0,10,20,2") from error


def _refuse_to_delete(video: Path, out: Path) -> None:
    """An input that an earlier run made in this folder must not go with that run."""
    from singleout.runs.folder import read_run

    files = (read_run(out) or {"files": {}})["files"].values()
    made = {(out / name).resolve() for names in files for name in names}
    if made & {video.resolve()} or any(video.resolve() in file.parents for file in made):
        raise InputError(
            f"{video} was made by the run in {out}: choose another --out, or the run would replace its input"
        )


class _Models:
    """Loads the model when the first video needs it: a finished run needs none."""

    def __init__(self, name: str, weights: str | None, then: str | None, then_weights: str | None) -> None:
        self.name, self.weights = name, weights
        self.then, self.then_weights = then, then_weights
        self._loaded: Segmenter | None = None
        self._identity: str | None = None

    def __call__(self) -> Segmenter:
        from singleout.zoo import load

        if self._loaded is None:
            self._loaded = load(self.name, weights=self.weights)
            if self.then is not None:
                from singleout.combine import FindThenFollow

                same = (self.then, self.then_weights) == (self.name, self.weights)
                follow = self._loaded if same else load(self.then, weights=self.then_weights)
                self._loaded = FindThenFollow(self._loaded, follow)
        return self._loaded

    def taking(self, prompts: Sequence[Prompt]) -> Callable[[], Segmenter]:
        """The same, with the starter in front where marks are asked of which the model takes masks only."""
        from singleout.combine import takes_clicks

        return lambda: takes_clicks(self(), prompts, lambda: self._front)

    @cached_property
    def _front(self) -> Segmenter:
        from singleout.zoo import load

        return load("starter")

    @property
    def identity(self) -> str:
        """The name, and where the weights are a file, what is in it: other weights make another run."""
        if self._identity is None:
            from singleout.zoo.loading import fingerprint

            self._identity = fingerprint(self.name, self.weights)
            if self.then is not None:
                self._identity += f" then {fingerprint(self.then, self.then_weights)}"
        return self._identity


def _run_one(ask: _Ask, path: Path, out: Path, models: _Models) -> dict[str, Any]:
    from singleout.media import Video
    from singleout.prompts import check_prompts
    from singleout.runs.folder import RunFolder
    from singleout.runs.segmenting import describe_input, identity_of

    began = time.monotonic()
    args = ask.args
    with Video(path, **ask.cut, tolerate_damage=args.tolerate_damage) as video:
        if video.damage:
            _say(f"{path}: {video.damage}")
        ask.wanted.check(video, out)
        prompts = ask.marks.prompts(video, video.source_size)
        check_prompts(prompts, video.height, video.width, video.num_frames)
        options = read_options(args.option) | ({"guess": True} if args.guess else {})
        if args.task is not None:
            options["task"] = args.task
        if args.token_ids:
            options["token_ids"] = _token_ids(args)
        load = models.taking(prompts)
        if args.overwrite:
            # Nothing is deleted for a run that cannot begin.
            load().check(prompts)
            if args.task is not None:
                load().check_task(args.task, prompts)
        device = {} if args.device == "auto" else {"device": args.device}
        _refuse_to_delete(path, out)
        with RunFolder(
            out,
            identity_of(video, prompts, models.identity, options),
            about=describe_input(video),
            targets=ask.wanted.targets(video),
            overwrite=args.overwrite,
        ) as folder:
            was_finished = folder.status == "finished"
            tracks = _follow(ask, folder, video, prompts=prompts, load=load, options=options | device)
            made, refused = _make(ask, folder, video, tracks)
            folder.set_status("finished")
            if was_finished and not made and not refused:
                _say(f"{out} is already finished; nothing to do (--overwrite makes it anew)", args.quiet)
            elif made:
                _say(f"{out} now has {', '.join(made)}", args.quiet)
            return _summary(folder, video, tracks, refused, time.monotonic() - began)


def _follow(
    ask: _Ask,
    folder: RunFolder,
    video: Video,
    *,
    prompts: Sequence[Prompt],
    load: Callable[[], Segmenter],
    options: dict[str, Any],
) -> Tracks:
    from singleout.runs.segmenting import finished_tracks, segment_into

    tracks = finished_tracks(folder)
    if tracks is None:
        progress: Progress | None = None

        def on_frame(done: int) -> None:
            nonlocal progress
            if progress is None:
                if done:
                    _say(f"{folder.path}: going on after {done} of {video.num_frames} frames", ask.args.quiet)
                progress = Progress(video.name, video.num_frames, start=done, quiet=ask.args.quiet)
            else:
                progress.step()

        try:
            tracks = segment_into(
                folder,
                load,
                video,
                prompts,
                options,
                on_frame=on_frame,
                on_names=_Beforehand("names", "names", ask.args.quiet),
                on_look=_Beforehand(f"{video.name}, looking", "frames", ask.args.quiet),
                stop=lambda: ask.stop.asked,
            )
        finally:
            if progress is not None:
                progress.close()
    for answer in tracks.answers:
        if answer.message:
            _say(answer.message)
        elif not answer.found:
            _say(
                f'"{answer.prompt}" was not found: best score {answer.best_score:.2f}, {answer.threshold:.2f} is needed'
            )
    if tracks.objects:
        named = (f"{one} {tracks.objects[one].label}".rstrip() for one in tracks.ids)
        _say(f"{len(tracks.objects)} object{'s' * (len(tracks.objects) > 1)}: {', '.join(named)}", ask.args.quiet)
    else:
        _say("no object was found", ask.args.quiet)
    return tracks


class _Beforehand:
    """What comes before the first result, on stderr, where it is not done at once."""

    def __init__(self, label: str, unit: str, quiet: bool) -> None:
        self._label, self._unit, self._quiet = label, unit, quiet
        self._shown: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._shown is None and done < total:
            self._shown = Progress(self._label, total, quiet=self._quiet, unit=self._unit)
        if self._shown is not None:
            self._shown.step(done - self._shown.done)
            if done == total:
                self._shown.close()


def _make(ask: _Ask, folder: RunFolder, video: Video, tracks: Tracks) -> tuple[list[str], list[str]]:
    from singleout.runs.products import make_products

    progress: list[Progress] = []

    def on_frame() -> None:
        if not progress:
            progress.append(Progress(f"{video.name}, drawing", video.num_frames, quiet=ask.args.quiet))
        progress[0].step()
        if ask.stop.asked:
            raise KeyboardInterrupt

    try:
        made, refused = make_products(folder, video, tracks, ask.wanted, on_frame=on_frame)
    finally:
        for one in progress:
            one.close()
    for message in refused:
        _say(f"error: {message}")
    return made, refused


def _summary(folder: RunFolder, video: Video, tracks: Tracks, refused: list[str], seconds: float) -> dict[str, Any]:
    files = folder.run["files"]
    return {
        "status": folder.status,
        "num_frames": video.num_frames,
        "height": video.height,
        "width": video.width,
        "objects": [
            {"id": info.id, "label": info.label, "prompt": info.prompt, "score": round(float(info.score), 4)}
            for _, info in sorted(tracks.objects.items())
        ],
        "answers": [
            {
                "prompt": answer.prompt,
                "found": [int(one) for one in answer.found],
                "best_score": round(float(answer.best_score), 4),
                "threshold": round(float(answer.threshold), 4),
                "message": answer.message,
            }
            for answer in tracks.answers
        ],
        "made": sorted(files),
        "refused": refused,
        "seconds": round(seconds, 2),
    }


def _say(message: str, quiet: bool = False) -> None:
    if not quiet:
        with suppress(BrokenPipeError):
            print(f"singleout: {message}", file=sys.stderr)
