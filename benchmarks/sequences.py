"""The sequences of `shared/davis16`: frames, masks, sentences, and what each of them shows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

_PEOPLE = frozenset({"person", "man", "boy", "guy", "girl", "woman"})
_GROWN_MAN = frozenset({"person", "man", "guy"})
# Told by eye from the frames. Where people stand far away it is not decided whether men or women: all are allowed.
SHOWS: dict[str, frozenset[str]] = {
    "blackswan": frozenset({"swan", "bird"}),
    "bmx-trees": frozenset({"person", "man", "boy", "guy", "bicycle"}),
    "breakdance": _PEOPLE,
    "camel": frozenset({"camel"}),
    "car-roundabout": frozenset({"car"}),
    "cows": frozenset({"cow"}),
    "dance-twirl": _PEOPLE,
    "dog": frozenset({"dog"}),
    "goat": frozenset({"goat"}),
    "horsejump-high": _PEOPLE | {"horse"},
    "paragliding-launch": _GROWN_MAN,
    "parkour": _GROWN_MAN,
}


@dataclass(frozen=True)
class Sequence:
    """One sequence. sentences: (4 annotators) of its object; () where the mask is not one whole object."""

    name: str
    frames: Path
    masks: Path
    sentences: tuple[str, ...]

    @cached_property
    def _mask_files(self) -> list[Path]:
        return sorted(self.masks.glob("*.png"))

    def truth(self, index: int) -> npt.NDArray[np.bool_]:
        """The object in frame `index`: (height, width) bool. The files hold 0 and 255."""
        return np.asarray(Image.open(self._mask_files[index])) > 127


def open_sequences(folder: Path, names: str | None) -> list[Sequence]:
    """All sequences of the folder, or those named with commas between."""
    described = json.loads((folder / "expressions.json").read_text())["sequences"]
    wanted = names.split(",") if names else sorted(described)
    found = []
    for name in wanted:
        if name not in described:
            raise SystemExit(f"{name} is no sequence of {folder}; there are: {', '.join(sorted(described))}")
        entry = described[name]
        whole = entry["davis2017_objects"] == 1
        by_annotator = sorted(entry["expressions"], key=lambda sentence: int(sentence["annotator"]))
        found.append(
            Sequence(
                name=name,
                frames=folder / "JPEGImages" / "480p" / name,
                masks=folder / "Annotations" / "480p" / name,
                sentences=tuple(sentence["exp"] for sentence in by_annotator) if whole else (),
            )
        )
    return found


@contextmanager
def loop_video(sequence: Sequence, num_frames: int) -> Iterator[Path]:
    """A temporary mp4 of so many frames that plays the sequence forwards, then backwards, and so on, without cuts."""
    import av

    files = sorted(sequence.frames.glob("*.jpg"))
    turn = list(range(len(files))) + list(range(len(files) - 2, 0, -1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{sequence.name}-{num_frames}.mp4"
        with av.open(path, "w") as container:
            width, height = Image.open(files[0]).size
            stream = container.add_stream("libx264", rate=24, options={"crf": "18", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index in range(num_frames):
                picture = np.asarray(Image.open(files[turn[index % len(turn)]]).convert("RGB"))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        yield path
