"""The first half of a run: the segmenter's results go into records on disk, from which a later run can go on."""

from __future__ import annotations

import hashlib
import os
import struct
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from singleout.errors import InputError, SingleoutError
from singleout.exports import trackfile
from singleout.exports.native import RecordWriter, load_tracks, truncate
from singleout.media.atomic import atomic_path
from singleout.prompts import PROMPT_NAMES, Mask, Prompt
from singleout.runs.folder import RunFolder
from singleout.tracks import Tracks
from singleout.tracks.interchange import header
from singleout.version import __version__

if TYPE_CHECKING:
    from singleout.media import Video
    from singleout.segmenter import OnLook, OnNames, Segmenter

TRACKS_FILE = "tracks.json"
# Saving takes a moment and the work since the last save is lost when the run is killed: a balance.
_SECONDS_BETWEEN_SAVES = 5.0
_MOST_TIME_FOR_SAVING = 0.05
_TOKEN_HEADER = struct.Struct("<8sQ")
_TOKEN_MAGIC = b"soltoken"


class StoppedError(SingleoutError):
    """The run was asked to stop and has kept everything that was finished; the message says how much."""


def identity_of(video: Video, prompts: Sequence[Prompt], model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the tracks of a run, in JSON's types: two runs with equal identities give equal tracks."""
    return {
        "video": video.fingerprint(),
        "prompts": [_described(prompt) for prompt in prompts],
        "model": model,
        "settings": dict(options),
    }


def describe_input(video: Video) -> dict[str, Any]:
    """What is worth telling of the input beside its fingerprint."""
    return {
        "path": str(video.path) if video.path is not None else None,
        "name": video.name,
        "kind": video.kind,
        "height": video.height,
        "width": video.width,
        "num_frames": video.num_frames,
        "fps": video.fps,
    }


def empty_tracks(video: Video, source: Mapping[str, Any] | None = None) -> Tracks:
    """Tracks without objects that know the size, times and names of the video."""
    return Tracks(
        video.height,
        video.width,
        video.num_frames,
        times=video.times,
        video_name=_text(video.name),
        frame_names=[_text(name) for name in video.frame_names],
        source=source,
    )


def _text(name: str) -> str:
    """A file name as text: bytes in it that are none become question marks, as no format could hold them."""
    return os.fsencode(name).decode("utf-8", "replace")


def finished_tracks(folder: RunFolder) -> Tracks | None:
    """The tracks of a run whose first half is complete, None where there is work left."""
    if folder.status == "running" or not folder.has(TRACKS_FILE):
        return None
    return trackfile.read(folder.path / TRACKS_FILE)


def keep_tracks(folder: RunFolder, tracks: Tracks) -> None:
    """Write the ``tracks.json`` of a run."""
    target = folder.target(TRACKS_FILE, TRACKS_FILE)
    trackfile.write(tracks, target)
    folder.add(TRACKS_FILE, [target])


def segment_into(
    folder: RunFolder,
    load: Callable[[], Segmenter],
    video: Video,
    prompts: Sequence[Prompt],
    options: Mapping[str, Any],
    *,
    on_frame: Callable[[int], None] = lambda done: None,
    on_names: OnNames | None = None,
    on_look: OnLook = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Tracks:
    """Segment the video into the folder, going on from where an earlier run of the same identity stopped.

    load: gives the segmenter, called once it is needed. on_frame: called with the number of frames that are done,
    first with those of the earlier run. on_names, on_look: of `Stream`. stop: asked after each frame whether to stop.
    Raises StoppedError where it says yes; whatever else ends the run, everything up to the last save is kept.
    """
    records, token = folder.state / "records", folder.state / "token"
    if folder.status != "running":
        # tracks.json was taken away by hand; the state is gone with the end of the earlier run.
        folder.set_status("running")
    folder.clear(TRACKS_FILE)
    done, state = _last_save(token, records)
    segmenter = load()
    try:
        stream = segmenter.stream(video, prompts, state=state, **options)
    except InputError as error:
        if state is None:
            raise
        # The state came from other weights or another device: what it made cannot be mixed with what comes now.
        done, state = 0, None
        stream = segmenter.stream(video, prompts, **options)
        warnings.warn(f"the run starts again, because its saved state cannot be used: {error}", stacklevel=2)
    stream.on_names = on_names

    def looked(done: int, total: int) -> None:
        on_look(done, total)
        if stop():
            raise StoppedError("this model cannot go on later")

    stream.on_look = looked
    source = {"model": segmenter.name, "singleout": __version__, "identity": folder.identity}
    if "task" in options:
        source["task"] = options["task"]
    if state is None:
        records.unlink(missing_ok=True)
    with RecordWriter(records, header(empty_tracks(video, source)), resume=state is not None) as writer:
        on_frame(done)
        saved = began = time.monotonic()
        saving = 0.0
        for frame_masks in stream:
            writer.append(frame_masks)
            done += 1
            on_frame(done)
            now = time.monotonic()
            stopping = stop()
            due = now - saved >= _SECONDS_BETWEEN_SAVES and saving <= _MOST_TIME_FOR_SAVING * (now - began)
            if stopping or due:
                kept = _save(writer, stream.state(), token, done)
                saved = time.monotonic()
                saving += saved - now
                if stopping:
                    raise StoppedError(
                        f"{done} of {video.num_frames} frames are kept" if kept else "this model cannot go on later"
                    )
        writer.describe(stream.objects, stream.answers)
    tracks = load_tracks(records)
    keep_tracks(folder, tracks)
    folder.set_status("segmented", seconds=round(time.monotonic() - began, 2))
    for path in (token, records):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return tracks


def _save(writer: RecordWriter, state: bytes | None, token: Path, done: int) -> bool:
    if state is None:
        return False
    # A token must never speak of records that a power cut can still lose.
    writer.sync()
    with atomic_path(token) as temporary:
        temporary.write_bytes(_TOKEN_HEADER.pack(_TOKEN_MAGIC, done) + state)
    return True


def _last_save(token: Path, records: Path) -> tuple[int, bytes | None]:
    """How many frames belong to the saved state, and the state; (0, None) where there is none to go on from.

    Records after the save are cut off: the segmenter will give these frames again.
    """
    try:
        content = token.read_bytes()
        if len(content) < _TOKEN_HEADER.size or not content.startswith(_TOKEN_MAGIC):
            return 0, None
        _, done = _TOKEN_HEADER.unpack_from(content)
        truncate(records, done)
    except (FileNotFoundError, InputError):
        return 0, None
    return done, content[_TOKEN_HEADER.size :]


def _described(prompt: Prompt) -> dict[str, Any]:
    values = {name: getattr(prompt, name) for name in prompt.__dataclass_fields__ if name != "source"}
    if isinstance(prompt, Mask):
        values["ids"] = hashlib.sha256(np.ascontiguousarray(prompt.ids).tobytes()).hexdigest()
        values["labels"] = {str(number): label for number, label in sorted(prompt.labels.items())}
        if not prompt.labels:
            # As runs of earlier versions had it, which can then go on.
            del values["labels"]
    return {"kind": PROMPT_NAMES[type(prompt)], **values}
