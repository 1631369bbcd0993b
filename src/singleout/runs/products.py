"""The second half of a run: pictures and files made from complete tracks, each whole or not at all.

Overlay, contact sheet and cut-outs are drawn in one pass over the video, whatever their number.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from singleout.errors import InputError
from singleout.exports import FORMATS, trackfile
from singleout.media.atomic import atomic_folder, atomic_path
from singleout.media.cutout import Background, CutoutWriter, as_background, cut
from singleout.media.overlay import draw
from singleout.media.sheet import ContactSheet
from singleout.media.writer import VideoWriter, check_size
from singleout.runs.folder import RunFolder, files_in
from singleout.runs.segmenting import TRACKS_FILE, keep_tracks
from singleout.tracks import Tracks

if TYPE_CHECKING:
    from singleout.media import Video

SHEET_FILE = "contact-sheet.png"
MASKS_FOLDER = "masks"
_Frame = npt.NDArray[np.uint8]
_Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """Which products are asked for. formats: names of `exports.FORMATS`; cutout: a background or None."""

    overlay: bool = True
    formats: tuple[str, ...] = ("davis",)
    cutout: Background | None = None
    by_default: bool = True

    @classmethod
    def parse(cls, formats: Sequence[str], cutout: str | None, *, overlay: bool) -> Wanted:
        """From words as typed: ``["davis,ytvis"]``, ``"none"``. Raises InputError for a name that is not known."""
        background = None if cutout is None else as_background(cutout)
        return cls(overlay, parse_formats(formats) if formats else ("davis",), background, not formats)

    def targets(self, video: Video | None) -> list[str]:
        """The files and folders, relative to the output folder, that these products go to."""
        return [
            TRACKS_FILE,
            *(self.drawn(video) if video else ()),
            *(f"{MASKS_FOLDER}/{name}" for name in self.formats),
        ]

    def check(self, video: Video, folder: Path) -> None:
        """Raise InputError where a video in the folder could not hold these frames: before the work, not after it."""
        for name in self.drawn(video):
            if name.endswith(".mp4"):
                check_size(folder / name, video.height, video.width)

    def drawn(self, video: Video) -> list[str]:
        """Those of the targets that are drawn from the video's frames."""
        drawn = []
        if self.overlay:
            drawn = [overlay_name(video)] if video.kind == "image" else [overlay_name(video), SHEET_FILE]
        return drawn + ([self.cutout_name(video)] if self.cutout is not None else [])

    def cutout_name(self, video: Video) -> str:
        """Where the cut-outs go: a folder of RGBA pictures, a video where there is a background, a PNG of an image."""
        background = self.cutout if isinstance(self.cutout, str) else "{:02x}{:02x}{:02x}".format(*self.cutout or ())
        if video.kind == "image":
            return f"cutout-{background}.png"
        return "cutout-transparent" if background == "transparent" else f"cutout-{background}.mp4"


def parse_formats(words: Iterable[str]) -> tuple[str, ...]:
    """Names of formats from ``davis,ytvis`` and the like; none for none. Raises InputError for unknown ones."""
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in FORMATS:
            raise InputError(f"--as {name}: there is no such format; expected {', '.join(sorted(FORMATS))}")
    if not names:
        raise InputError(f"--as: expected names of formats: {', '.join(sorted(FORMATS))}")
    return tuple(dict.fromkeys(names))


def overlay_name(video: Video) -> str:
    """``overlay.mp4``, or ``overlay.png`` of an image."""
    return "overlay.png" if video.kind == "image" else "overlay.mp4"


def make_products(
    folder: RunFolder,
    video: Video | None,
    tracks: Tracks,
    wanted: Wanted,
    *,
    on_frame: Callable[[], None] = lambda: None,
) -> tuple[list[str], list[str]]:
    """Make what is wanted and not there yet. on_frame is called for each frame that was drawn.

    Returns the names of what was made, and one line for each format that was asked for and cannot hold these tracks;
    the default format is left out with a warning. Raises InputError where the folder cannot be written or a foreign
    file is in the way.
    """
    missing = [name for name in wanted.drawn(video) if not folder.has(name)] if video else []
    targets = {name: folder.target(name, name) for name in missing}
    if video and targets:
        _draw_all(targets, video, tracks, wanted, on_frame)
        for name, target in targets.items():
            folder.add(name, files_in(target))
    made, refused = list(targets), []
    for format_name in wanted.formats:
        name = f"{MASKS_FOLDER}/{format_name}"
        if folder.has(name):
            continue
        target = folder.target(name, name)
        try:
            export(tracks, format_name, target)
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                # Not the format but the disk.
                raise
            # One format that cannot hold these tracks must not cost the user the others.
            if wanted.by_default:
                warnings.warn(f"{name} is left out: {error}", stacklevel=2)
            else:
                refused.append(f"--as {format_name}: {error}")
        else:
            made.append(name)
        folder.add(name, files_in(target))
    return made, refused


def export(tracks: Tracks, format_name: str, target: Path, *, overwrite: bool = True) -> None:
    """Write tracks in one format into the folder ``target``, whole or not at all."""
    frame_names = tracks.frame_names or [f"{index:05d}" for index in range(tracks.num_frames)]
    video_name = tracks.video_name or "video"
    with atomic_folder(target, overwrite=overwrite) as temporary:
        FORMATS[format_name].write(tracks, temporary, video_name=video_name, frame_names=frame_names)


def save_tracks(tracks: Tracks, folder: str | os.PathLike[str], *, video: Any = None, overwrite: bool = False) -> Path:
    """See `singleout.save`."""
    from singleout.segmenter import open_video

    opened: Any = None if video is None else open_video(video)
    if opened and (opened.height, opened.width, opened.num_frames) != (tracks.height, tracks.width, tracks.num_frames):
        raise InputError(
            f"the video has {opened.num_frames} frames of {opened.width}x{opened.height}, but the tracks "
            f"{tracks.num_frames} of {tracks.width}x{tracks.height}: give the video that they were made from"
        )
    with tempfile.TemporaryDirectory() as scratch:
        trackfile.write(tracks, Path(scratch) / TRACKS_FILE)
        digest = hashlib.sha256((Path(scratch) / TRACKS_FILE).read_bytes()).hexdigest()
    wanted = Wanted(overlay=opened is not None)
    targets = wanted.targets(opened)
    with RunFolder(folder, {"tracks": digest}, targets=targets, overwrite=overwrite) as run:
        keep_tracks(run, tracks)
        run.set_status("segmented")
        _, refused = make_products(run, opened, tracks, wanted)
        run.set_status("finished")
    for message in refused:
        warnings.warn(message, stacklevel=3)
    return run.path


def _draw_all(
    targets: dict[str, Path], video: Video, tracks: Tracks, wanted: Wanted, on_frame: Callable[[], None]
) -> None:
    labels = {info.id: info.label or str(info.id) for info in tracks.objects.values()}
    overlay, sheet_path = targets.get(overlay_name(video)), targets.get(SHEET_FILE)
    cutout = targets.get(wanted.cutout_name(video)) if wanted.cutout is not None else None
    # Stuff has no place of its own where a name could stand.
    legend = tracks.source.get("task") == "semantic" or any(not info.thing for info in tracks.objects.values())
    size = (video.height, video.width)
    sheet = ContactSheet(video.num_frames, video.times) if sheet_path is not None else None
    with ExitStack() as stack:
        show: Callable[[_Frame], None] | None = None
        take: Callable[[_Frame, _Masks], None] | None = None
        if overlay is not None:
            if video.kind == "image":
                show = _picture_sink(stack, overlay)
            else:
                show = stack.enter_context(VideoWriter(overlay, *size, video.times, audio_from=video)).write
        if cutout is not None and wanted.cutout is not None:
            take = _cutout_sink(stack, cutout, video, wanted.cutout)
        for index, frame in enumerate(video.frames()):
            ids, _, masks = tracks.masks(index)
            if show is not None or (sheet is not None and sheet.wants(index)):
                drawn = draw(frame, ids, masks, [labels[int(one)] for one in ids], legend=legend)
                if show is not None:
                    show(drawn)
                if sheet is not None:
                    sheet.add(index, drawn)
            if take is not None:
                take(frame, np.logical_or.reduce(masks, axis=0, initial=False))
            on_frame()
        if sheet is not None and sheet_path is not None:
            sheet.save(sheet_path)


def _picture_sink(stack: ExitStack, target: Path) -> Callable[[_Frame], None]:
    temporary = stack.enter_context(atomic_path(target))
    return lambda frame: Image.fromarray(frame).save(temporary, format="PNG")


def _cutout_sink(
    stack: ExitStack, target: Path, video: Video, background: Background
) -> Callable[[_Frame, _Masks], None]:
    if video.kind == "image":
        save = _picture_sink(stack, target)
        return lambda frame, mask: save(cut(frame, mask, background))
    writer = CutoutWriter(
        target,
        video.height,
        video.width,
        video.times,
        background=background,
        frame_names=video.frame_names,
        audio_from=video if target.suffix else None,
        overwrite=True,
    )
    return stack.enter_context(writer).write
