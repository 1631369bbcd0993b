"""What a step gives for one video, in one file that appears whole: masks with scores, or plain values as JSON.

A file of masks holds the masks of all sentences one after the other (see `bits`), and at its end where each begins. It
is read mask by mask, so that no more than one is in memory, however many sentences and frames there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.fusion import bits
from singleout.fusion.bits import Bool, Bytes, Floats
from singleout.media.atomic import atomic_path

Scores = npt.NDArray[np.float64]
_MAGIC = b"slmasks1"
_LENGTH = 8
# In a file of values the head is a line of its own, so that the rest need not be read to see what it belongs to.
MASKS, VALUES = ".masks", ".json"


@dataclass(frozen=True)
class Head:
    """key: of the inputs and settings that a product was made from. digest: of its content."""

    key: str
    digest: str


@dataclass(frozen=True)
class Clip:
    """What a file of masks is about. frames: their names. sentences: their ids, in the order of the data set."""

    video: str
    frames: tuple[str, ...]
    sentences: tuple[str, ...]
    height: int
    width: int

    @property
    def size(self) -> str:
        """As people write it: width x height."""
        return f"{self.width}x{self.height}"


class MaskWriter:
    """Writes masks as they come, in any order; made by `writing`."""

    def __init__(self, file: IO[bytes], clip: Clip, *, soft: bool) -> None:
        self.clip, self.soft = clip, soft
        self._file = file
        self._file.write(_MAGIC)
        self._places: dict[str, list[list[Any] | None]] = {name: [None] * len(clip.frames) for name in clip.sentences}
        self._scores: dict[str, list[float]] = {}

    def add(self, sentence: str, frame: int, mask: Bool | Floats) -> None:
        """The mask of a sentence in a frame, (height, width): bool, or probabilities where the file is soft."""
        content = bits.as_steps(np.asarray(mask, np.float32)) if self.soft else bits.as_bits(np.asarray(mask, np.bool_))
        # Of what is packed: another version of the packer may give other bytes.
        digest = hashlib.blake2b(content.data, digest_size=16).hexdigest()
        packed = bits.pack(content)
        self._places[sentence][frame] = [self._file.tell(), len(packed), digest]
        self._file.write(packed)

    def same(self, sentence: str, as_: str) -> None:
        """Give a sentence the masks, and scores, that another one has got."""
        self._places[sentence] = list(self._places[as_])
        if as_ in self._scores:
            self._scores[sentence] = self._scores[as_]

    def score(self, sentence: str, scores: Sequence[float] | Scores) -> None:
        """The scores of a sentence: (num_frames,)."""
        self._scores[sentence] = [float(value) for value in scores]

    def finish(self, key: str) -> None:
        """Write where everything is."""
        missing = [name for name, places in self._places.items() if None in places]
        assert not missing, f"sentence {missing[0]} of {self.clip.video} has no mask in some frame"
        about = {
            "video": self.clip.video,
            "frames": self.clip.frames,
            "sentences": self.clip.sentences,
            "height": self.clip.height,
            "width": self.clip.width,
            "soft": self.soft,
            "scores": self._scores,
        }
        masks = {name: [place[2] for place in places if place] for name, places in self._places.items()}
        head = {"key": key, "digest": _digest({**about, "masks": masks})}
        tail = json.dumps({**head, **about, "places": self._places}, separators=(",", ":")).encode()
        self._file.write(tail + len(tail).to_bytes(_LENGTH, "little") + _MAGIC)


@contextmanager
def writing(path: Path, clip: Clip, key: str, *, soft: bool = False) -> Iterator[MaskWriter]:
    """A file of masks that appears when the block ends well. soft: keep probabilities, not bits.

    key: see `Head`. Raises InputError where it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        writer = MaskWriter(file, clip, soft=soft)
        yield writer
        writer.finish(key)


class MaskReader:
    """The masks of one video, read when they are asked for; made by `reading`."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self._file = path, file
        tail = _tail(path, file)
        self.head = Head(tail["key"], tail["digest"])
        self.clip = Clip(
            tail["video"], tuple(tail["frames"]), tuple(tail["sentences"]), int(tail["height"]), int(tail["width"])
        )
        self.soft = bool(tail["soft"])
        self._places: Mapping[str, list[list[Any]]] = tail["places"]
        self._scores: Mapping[str, list[float]] = tail["scores"]

    def mask(self, sentence: str, frame: int) -> Bool:
        """The mask of a sentence in a frame: (height, width) bool, probabilities cut at one half."""
        mask: Bool
        if self.soft:
            mask = self.probabilities(sentence, frame) > np.float32(0.5)
        else:
            mask = self._read(sentence, frame, bits.unpack_bits)
        return mask

    def bits(self, sentence: str, frame: int) -> Bytes:
        """The mask as packed bits, rows one after the other: an eighth of its pixels in bytes."""
        if self.soft:
            return bits.as_bits(self.mask(sentence, frame))
        packed: Bytes = self._read(sentence, frame, bits.unpack_packed)
        return packed

    def probabilities(self, sentence: str, frame: int) -> Floats:
        """The same as probabilities, (height, width) float32, 0 and 1 where only bits are kept."""
        found: Floats
        if self.soft:
            found = self._read(sentence, frame, bits.unpack_steps)
        else:
            found = self.mask(sentence, frame).astype(np.float32)
        return found

    def scores(self, sentence: str) -> Scores | None:
        """(num_frames,), None where the step gives none."""
        found = self._scores.get(sentence)
        return None if found is None else np.array(found, np.float64)

    def identity(self, sentence: str, frame: int) -> str:
        """Equal for equal masks."""
        return str(self._places[sentence][frame][2])

    def _read(self, sentence: str, frame: int, unpack: Any) -> Any:
        start, length, _ = self._places[sentence][frame]
        self._file.seek(start)
        try:
            return unpack(self._file.read(length), self.clip.height, self.clip.width)
        except ValueError as error:
            raise _damaged(self.path) from error


@contextmanager
def reading(path: Path) -> Iterator[MaskReader]:
    """Open a file of masks. Raises InputError for one that is missing or damaged."""
    try:
        with path.open("rb") as file:
            yield MaskReader(path, file)
    except FileNotFoundError as error:
        raise InputError(f"{path} is gone: something else took it away during the run; run again") from error


def write_values(path: Path, key: str, values: Any) -> None:
    """Plain values as a file that appears whole. Raises InputError where it cannot be written."""
    content = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    head = json.dumps({"key": key, "digest": _digest(values)})
    with atomic_path(path) as temporary:
        temporary.write_text(f"{head}\n{content}\n", encoding="utf-8")


def read_values(path: Path) -> Any:
    """The values of `write_values`. Raises InputError for a file that is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8").split("\n", 1)[1])
    except FileNotFoundError as error:
        raise InputError(f"{path} is gone: something else took it away during the run; run again") from error
    except (OSError, ValueError, IndexError) as error:
        raise _damaged(path) from error


def read_head(path: Path) -> Head | None:
    """What a product belongs to; None where it is not there or damaged, so that it has to be made anew."""
    try:
        with path.open("rb") as file:
            head = _tail(path, file) if path.suffix == MASKS else json.loads(file.readline())
        return Head(str(head["key"]), str(head["digest"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tail(path: Path, file: IO[bytes]) -> dict[str, Any]:
    try:
        end = len(_MAGIC) + _LENGTH
        file.seek(-end, 2)
        place = file.tell()
        length = int.from_bytes(file.read(_LENGTH), "little")
        if file.read() != _MAGIC or length > place:
            raise ValueError("no end")
        file.seek(place - length)
        found: dict[str, Any] = json.loads(file.read(length))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    return found


def _digest(values: Any) -> str:
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged: delete it and run again, it is made anew")
