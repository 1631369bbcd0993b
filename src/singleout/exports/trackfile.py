"""``tracks.json``: everything about the tracks of a video in one documented file, see docs/formats/tracks-json.md.

It is written frame by frame, a line each, so that neither writing nor reading holds more than the packed codes and one
frame in another form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.media.atomic import atomic_path
from singleout.tracks import Tracks
from singleout.tracks.interchange import describe_from, descriptions, from_header, header, typed

FORMAT = "singleout-tracks"
VERSION = 1
_VIDEO = {"name": "video_name", "height": "height", "width": "width", "num_frames": "num_frames"}
_VIDEO |= {"times": "times", "frame_names": "frame_names"}


def write(tracks: Tracks, path: str | os.PathLike[str]) -> None:
    """Write ``tracks.json``, whole or not at all; `read` gives equal tracks. Raises InputError where it cannot."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_text(tracks))


def read(path: str | os.PathLike[str]) -> Tracks:
    """The tracks in a ``tracks.json``.

    Raises InputError, naming the file, where it is missing, cut off, not of this format or version, or holds values
    that do not fit together.
    """
    try:
        return _parsed(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is cut off or not JSON (line {error.lineno}: {error.msg}); expected the tracks.json of a run"
        ) from None
    except (UnicodeDecodeError, RecursionError):
        raise InputError(f"{path} is not the tracks.json of a singleout run") from None


def _text(tracks: Tracks) -> Iterator[str]:
    plain = header(tracks)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "video": {name: plain[key] for name, key in _VIDEO.items()},
        "exclusive": plain["exclusive"],
        "source": plain["source"],
        **descriptions(tracks.objects, tracks.answers),
    }
    lines = [f"{_dumped(name)}: {_dumped(value)}" for name, value in head.items()]
    yield "{\n" + ",\n".join(lines) + ',\n"frames": ['
    separator = "\n"
    for index in tracks.stored_frames:
        frame = tracks.frame(index)
        if not len(frame):
            continue
        entries = [
            # The shortest decimal number that is this float32, not the float64 next to it.
            {"id": object_id, "score": float(str(score)), "size": [frame.height, frame.width], "counts": code.decode()}
            for object_id, score, code in zip(frame.ids.tolist(), frame.scores, frame.codes, strict=True)
        ]
        yield separator + _dumped({"frame": index, "masks": entries})
        separator = ",\n"
    yield "\n]\n}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _parsed(text: str) -> Tracks:
    walk = _Walk(text)
    values: dict[str, Any] = {}
    tracks: Tracks | None = None
    for name in walk.members():
        # Where the head stands first, as we write it, each frame is packed before the next one is parsed.
        if name == "frames" and {"format", "version", "video", "exclusive"} <= values.keys():
            tracks = _begun(values)
            for entry in walk.items():
                _append(tracks, entry)
        else:
            values[name] = walk.value()
    if tracks is None:
        tracks = _begun(values)
        for entry in typed(values, "frames", list):
            _append(tracks, entry)
    describe_from(tracks, values)
    return tracks


def _begun(values: dict[str, Any]) -> Tracks:
    if values.get("format") != FORMAT:
        raise InputError('this is not a tracks.json: expected "format": "singleout-tracks"')
    version = values.get("version")
    if version != VERSION:
        raise InputError(
            f"version {version!r} of the format, this singleout reads version {VERSION}: use the singleout that wrote "
            "it, or a newer one"
        )
    video = typed(values, "video", dict)
    plain = {key: video.get(name) for name, key in _VIDEO.items()}
    return from_header({**plain, "exclusive": typed(values, "exclusive", bool), "source": values.get("source")})


def _append(tracks: Tracks, entry: Any) -> None:
    number = typed(entry, "frame", int)
    ids, scores, codes = [], [], []
    for mask in typed(entry, "masks", list):
        size = typed(mask, "size", list)
        if size != [tracks.height, tracks.width]:
            raise InputError(f"frame {number}: a mask has size {size}, expected [{tracks.height}, {tracks.width}]")
        ids.append(typed(mask, "id", int))
        scores.append(typed(mask, "score", float))
        codes.append(typed(mask, "counts", str))
    tracks.append_codes(number, ids, scores, codes)


class _Walk:
    """Steps through the outer levels of a JSON text; what lies below is parsed one value at a time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder()

    def value(self) -> Any:
        """The value that begins here."""
        self._skip_space()
        try:
            found, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            raise json.JSONDecodeError(str(error), self._text, self._at) from None
        return found

    def members(self) -> Iterator[str]:
        """The names in the object that is the whole text; the caller takes each one's value before the next."""
        for _ in self._separated("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise json.JSONDecodeError("expected a name in quotes", self._text, self._at)
            self._take(":")
            yield name
        self._skip_space()
        if self._at < len(self._text):
            raise json.JSONDecodeError("more text after the end", self._text, self._at)

    def items(self) -> Iterator[Any]:
        """The values of the list that begins here."""
        for _ in self._separated("[", "]"):
            yield self.value()

    def _separated(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        self._skip_space()
        if self._text.startswith(closing, self._at):
            self._at += 1
            return
        while True:
            yield
            if self._take("," + closing) == closing:
                return

    def _take(self, wanted: str) -> str:
        self._skip_space()
        found = self._text[self._at : self._at + 1]
        if not found or found not in wanted:
            raise json.JSONDecodeError(f"expected {' or '.join(wanted)}", self._text, self._at)
        self._at += 1
        return found

    def _skip_space(self) -> None:
        while self._text[self._at : self._at + 1] in (" ", "\t", "\r", "\n"):
            self._at += 1
