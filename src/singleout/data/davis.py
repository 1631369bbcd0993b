"""DAVIS 2016, 2017 and 2017 unsupervised.

``JPEGImages/480p/<sequence>/00000.jpg``, ``Annotations/480p/<sequence>/00000.png`` (``Annotations_unsupervised``), and
``ImageSets/<year>/<split>.txt`` with a sequence a line.
"""

from __future__ import annotations

from pathlib import Path

from singleout.data.files import first_of, paths_for, read_lines, read_names, stems, subfolders, the_folder
from singleout.data.records import ObjectVideo
from singleout.errors import InputError

_LISTS = "ImageSets"


def read(
    root: Path, *, year: int = 2017, split: str = "val", resolution: str = "480p", unsupervised: bool = False
) -> tuple[ObjectVideo, ...]:
    """The sequences of a split in the order of its list, or all of them where the folder has no ImageSets.

    resolution: "480p" or "Full-Resolution". The first picture is given; truth is empty in splits that begin with
    "test". Objects are known from the pictures only. Raises InputError where list or folders are missing.
    """
    masks = f"{'Annotations_unsupervised' if unsupervised else 'Annotations'}/{resolution}"
    annotations = root / masks
    # Scoring needs no frames, so a folder with the truth alone will do.
    first_of(root, [f"JPEGImages/{resolution}", masks], "a folder for each sequence")
    return tuple(
        _video(root, annotations, name, resolution, split) for name in sequences(root, year, split, resolution)
    )


def sequences(root: Path, year: int, split: str, resolution: str = "480p") -> tuple[str, ...]:
    """Names of the sequences of a split. Raises InputError where the list is missing or empty."""
    if not (root / _LISTS).is_dir():
        found = subfolders(root / "Annotations" / resolution) or subfolders(root / "JPEGImages" / resolution)
        if not found:
            the_folder(root / "JPEGImages" / resolution, "a folder for each sequence")
            raise InputError(f"{root / 'JPEGImages' / resolution} holds no sequence: unpack DAVIS into {root}")
        return tuple(found)
    # DAVIS 2016 as released lists pairs of picture and mask by resolution; DAVIS 2017 carries a list of its sequences.
    candidates = [f"{_LISTS}/{year}/{split}.txt", *([f"{_LISTS}/{resolution}/{split}.txt"] if year == 2016 else [])]
    path = first_of(root, candidates, "the sequences of the split, one a line")
    if path.parent.name == resolution:
        return tuple(dict.fromkeys(Path(line.split()[0]).parent.name for line in read_lines(path)))
    return read_names(path)


def _video(root: Path, annotations: Path, name: str, resolution: str, split: str) -> ObjectVideo:
    frames, masks = root / "JPEGImages" / resolution / name, annotations / name
    names = stems(frames, masks)
    pictures = dict(zip(names, paths_for(masks, names, ".png"), strict=True))
    return ObjectVideo(
        name,
        names,
        paths_for(frames, names, ".jpg"),
        given={names[0]: pictures[names[0]]} if names else {},
        truth={} if split.startswith("test") else pictures,
    )
