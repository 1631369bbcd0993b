"""The record store: an append-only binary file with one record per frame, so that a run can be cut off anywhere.

Layout, all numbers little-endian. The file begins with ``SOUTREC`` and a newline, then records. Every record is a head
of 24 bytes (``<4sIQII``: marker, kind, length of the payload, CRC-32 of the payload, CRC-32 of the head so far) and
its payload. Kinds: 0 is the JSON ``{"version": …, "header": {…}}`` (first record, once); 1 a frame; 2 objects and
answers in JSON, of which the last one counts. A frame's payload is ``<IIB3x`` (frame, number of objects n, 1 where the
masks are exclusive), then n int32 ids, n float32 scores, n uint32 lengths and the run-length codes. Frames come in any
order; of two records of one frame the last one counts.

A record that is cut off or damaged, with no whole record after it, is what a killed run leaves: it is dropped with a
note. Damage that whole records follow is an error.
"""

from __future__ import annotations

import json
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from singleout.errors import InputError
from singleout.media.atomic import atomic_path, write_errors
from singleout.tracks import Answer, FrameCodes, FrameMasks, ObjectInfo, Tracks
from singleout.tracks.interchange import describe_from, descriptions, from_header, header

VERSION = 1
_MAGIC = b"SOUTREC\n"
_MARKER = b"\xa7rec"
_HEAD = struct.Struct("<4sIQII")
_FRAME = struct.Struct("<IIB3x")
_HEADER, _MASKS, _DESCRIPTIONS = range(3)


@dataclass(frozen=True)
class _Record:
    kind: int
    start: int
    stop: int
    payload: bytes


class RecordWriter:
    """Writes a record file; every record is handed to the operating system at once, so a killed process loses none.

    header: the values of `tracks.interchange.header` in JSON's types (height, width and num_frames at least), and
    whatever else identifies the run. resume: go on with a file that has the same header, after dropping what is
    damaged at its end (see `note`); a file that is not there yet is begun. frames: those written so far. num_records:
    records so far, descriptions included.

    Raises InputError where the file exists already (without resume), is another run's or damaged before its end, or
    cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = Path(path)
        self.note = ""
        self.frames: set[int] = set()
        self.num_records = 0
        self._video = from_header(header)
        with write_errors(self.path):
            # A run that was killed while it began the file leaves less than a header.
            if resume and self.path.exists() and _has_header(self.path):
                self._continue(header)
            else:
                self._begin(header, resume)

    def _begin(self, header: Mapping[str, Any], resume: bool) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self.path.open("wb" if resume else "xb", buffering=0)
        except FileExistsError:
            raise InputError(f"{self.path} exists already: give another name, or continue it") from None
        self._end = 0
        self._write(_MAGIC + _record(_HEADER, _json_bytes({"version": VERSION, "header": header})))

    def _continue(self, header: Mapping[str, Any]) -> None:
        reader = RecordReader(self.path)
        if reader.header != json.loads(_json_bytes(dict(header))):
            raise InputError(f"{self.path} belongs to another run: its header differs")
        for record in reader.records():
            self.num_records += 1
            if record.kind == _MASKS:
                self.frames.add(_FRAME.unpack_from(record.payload)[0])
        self.note = reader.note
        self._file = self.path.open("r+b", buffering=0)
        self._end = reader.end
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def append(self, masks: FrameMasks | FrameCodes) -> None:
        """Write the masks of one frame; a frame that is there already is replaced.

        Raises InputError for a frame of another size or outside the video, and where the disk is full; the file then
        ends with the last whole record.
        """
        coded = masks if isinstance(masks, FrameCodes) else masks.coded()
        self._video.check_frame(coded)
        lengths = np.diff(coded.ends, prepend=0).astype("<u4")
        parts = (
            _FRAME.pack(coded.frame, len(coded), coded.exclusive),
            coded.ids.astype("<i4").tobytes(),
            coded.scores.astype("<f4").tobytes(),
            lengths.tobytes(),
            coded.blob,
        )
        self._append(_MASKS, b"".join(parts))
        self.frames.add(coded.frame)

    def append_codes(self, frame: int, ids: Sequence[int], scores: Sequence[float], codes: Sequence[bytes]) -> None:
        """Write the masks of one frame given as COCO run-length codes of the header's size, which are trusted."""
        size = {"height": self._video.height, "width": self._video.width}
        self.append(FrameCodes.pack(frame, ids, scores, codes, exclusive=self._video.exclusive, **size))

    def describe(self, objects: Mapping[int, ObjectInfo], answers: Sequence[Answer] = ()) -> None:
        """Write what the objects are and what became of the prompts; the last description counts."""
        self._append(_DESCRIPTIONS, _json_bytes(descriptions(objects, answers)))

    def sync(self) -> None:
        """Wait until everything is on the disk, so that not even a power cut loses it."""
        with write_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """`sync` and close. May be called twice."""
        if not self._file.closed:
            try:
                self.sync()
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, kind: int, payload: bytes) -> None:
        with write_errors(self.path):
            self._write(_record(kind, payload))
        self.num_records += 1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += len(data)


class RecordReader:
    """Reads a record file. Iterating gives the `FrameCodes` of each frame record in the order of the file.

    header: as given to `RecordWriter`. note: one line about what was dropped at the end, "" where nothing was; known
    once the file was read through. Raises InputError for a file that is missing, of another kind or version, or
    damaged before its end.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.note = ""
        self.end = 0
        try:
            with self.path.open("rb") as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    raise InputError(f"{self.path} is not a record file of singleout")
                first = _read(file)
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None
        if first is None or first.kind != _HEADER:
            raise InputError(f"{self.path}: the header is damaged, so the file cannot be read")
        begun = json.loads(first.payload)
        if begun.get("version") != VERSION:
            raise InputError(
                f"{self.path} has version {begun.get('version')} of the record format, this singleout reads version "
                f"{VERSION}: use the singleout that wrote it, or a newer one"
            )
        self.header: dict[str, Any] = begun["header"]
        self._start = first.stop

    def records(self) -> Iterator[_Record]:
        """Every whole record after the header; sets `end`, where the last one ends, and `note`."""
        self.end, self.note = self._start, ""
        with self.path.open("rb") as file:
            file.seek(self._start)
            number = 0
            while (record := _read(file)) is not None:
                yield record
                self.end, number = record.stop, number + 1
            left = os.fstat(file.fileno()).st_size - self.end
            if left:
                if _has_record_after(file, self.end + 1):
                    raise InputError(
                        f"{self.path}: record {number} (counting from 0) is damaged, but whole ones follow"
                    )
                self.note = f"{self.path}: the last {left} bytes are a record that was cut off or damaged; dropped"

    def __iter__(self) -> Iterator[FrameCodes]:
        size = (self.header["height"], self.header["width"])
        for record in self.records():
            if record.kind == _MASKS:
                yield _unpack(record.payload, size)

    def read_tracks(self) -> Tracks:
        """Everything in the file as `Tracks`. Raises InputError as above, and for frames outside the video."""
        try:
            tracks = from_header(self.header)
            frames: dict[int, FrameCodes] = {}
            description: dict[str, Any] | None = None
            for record in self.records():
                if record.kind == _MASKS:
                    frame = _unpack(record.payload, (tracks.height, tracks.width))
                    frames[frame.frame] = frame
                elif record.kind == _DESCRIPTIONS:
                    description = json.loads(record.payload)
            for frame in frames.values():
                tracks.append(frame)
            if description is not None:
                describe_from(tracks, description)
        except InputError as error:
            raise error if str(self.path) in str(error) else InputError(f"{self.path}: {error}") from None
        return tracks


def truncate(path: str | os.PathLike[str], num_records: int) -> None:
    """Keep the first records of a file, as counted by `RecordWriter.num_records`, and cut off the rest.

    Raises InputError where the file has fewer whole records.
    """
    reader = RecordReader(path)
    end, count = reader._start, 0
    for record in reader.records():
        if count == num_records:
            break
        end, count = record.stop, count + 1
    if count < num_records:
        raise InputError(f"{reader.path} has {count} records, cannot keep {num_records}")
    with write_errors(reader.path):
        os.truncate(reader.path, end)


def save_tracks(tracks: Tracks, path: str | os.PathLike[str]) -> None:
    """Write tracks without loss, the file whole or not at all; `load_tracks` gives equal ones."""
    # The temporary file is there already, empty like that of a run that was killed at once: hence resume.
    with atomic_path(path) as temporary, RecordWriter(temporary, header(tracks), resume=True) as writer:
        for index in tracks.stored_frames:
            writer.append(tracks.frame(index))
        writer.describe(tracks.objects, tracks.answers)


def load_tracks(path: str | os.PathLike[str]) -> Tracks:
    """The tracks in a record file; a warning tells of a record that was dropped at its end. See `RecordReader`."""
    reader = RecordReader(path)
    tracks = reader.read_tracks()
    if reader.note:
        warnings.warn(reader.note, stacklevel=2)
    return tracks


def _json_bytes(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def _record(kind: int, payload: bytes) -> bytes:
    head = _HEAD.pack(_MARKER, kind, len(payload), zlib.crc32(payload), 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def _read(file: BinaryIO) -> _Record | None:
    """The record at this place, None where there is no whole one."""
    start = file.tell()
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    marker, kind, length, check, head_check = _HEAD.unpack(head)
    if marker != _MARKER or head_check != zlib.crc32(head[:-4]):
        return None
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(payload) != check:
        return None
    return _Record(kind, start, start + _HEAD.size + length, payload)


def _has_record_after(file: BinaryIO, start: int, chunk: int = 1 << 20) -> bool:
    """Whether a whole record begins anywhere from start on."""
    while True:
        file.seek(start)
        data = file.read(chunk)
        if len(data) < _HEAD.size:
            return False
        at = data.find(_MARKER)
        if at < 0:
            start += len(data) - len(_MARKER) + 1
            continue
        file.seek(start + at)
        if _read(file) is not None:
            return True
        start += at + 1


def _has_header(path: Path) -> bool:
    """False for the little that a run leaves that was killed while it began the file."""
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        if start != _MAGIC[: len(start)]:
            raise InputError(f"{path} is not a record file of singleout")
        if _read(file) is not None:
            return True
        if _has_record_after(file, len(_MAGIC)):
            raise InputError(f"{path}: the header is damaged, so the file cannot be continued")
        return False


def _unpack(payload: bytes, size: tuple[int, int]) -> FrameCodes:
    frame, count, exclusive = _FRAME.unpack_from(payload)
    at = _FRAME.size
    ids = np.frombuffer(payload, "<i4", count, at).astype(np.int32)
    scores = np.frombuffer(payload, "<f4", count, at + 4 * count).astype(np.float32)
    ends = np.cumsum(np.frombuffer(payload, "<u4", count, at + 8 * count), dtype=np.int64)
    return FrameCodes(
        frame=frame,
        ids=ids,
        scores=scores,
        ends=ends,
        blob=payload[at + 12 * count :],
        height=size[0],
        width=size[1],
        exclusive=bool(exclusive),
    )
