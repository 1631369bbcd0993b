"""A2D-Sentences and JHMDB-Sentences: single frames of videos of people and animals, each with a sentence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from singleout.data.files import first_of, read_lines, the_folder
from singleout.data.records import ActionSample
from singleout.errors import InputError
from singleout.exports.layout import check_name, read_json

_NEEDS_H5PY = "reading A2D's masks needs h5py: pip install 'singleout[data]'"


def read_a2d(root: Path, *, split: str = "test", samples: Path | None = None) -> tuple[ActionSample, ...]:
    """The samples of A2D-Sentences: every annotated frame of every sentence, the videos as a2d_annotation.txt has them.

    root: ``Release/{videoset.csv,clips320H}``, ``text_annotations/{a2d_annotation.txt,a2d_missed_videos.txt}`` and
    ``text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5``. samples: a JSON list of [sentence, video,
    frame, instance] to take instead; otherwise the HDF5 files are asked which instances they show. A row of a copied
    instance ("1 (copy)") and videos that are missing are left out. Raises InputError for missing or damaged files.
    """
    masks = first_of(root, either("a2d_annotation_with_instances"), "a folder of HDF5 files for each video")
    if samples is not None:
        rows = read_json(samples)
        if not isinstance(rows, list):
            raise InputError(f"{samples}: expected a list of [sentence, video, frame, instance]")
        return tuple(_listed_sample(root, masks, row, f"{samples}, entry {index}") for index, row in enumerate(rows))
    return tuple(_found_samples(root, masks, split))


def a2d_split(root: Path) -> dict[str, str]:
    """For each video of videoset.csv whether it is "train" or "test". Raises InputError for a damaged file."""
    path = first_of(root, ["Release/videoset.csv", "videoset.csv"], "the list of videos")
    videos = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            if row[-1].strip() not in {"0", "1"}:
                raise InputError(f"{path}, line {number}: expected 0 (train) or 1 (test) at the end, got {row[-1]!r}")
            videos[row[0]] = "test" if row[-1].strip() == "1" else "train"
    return videos


def a2d_rows(root: Path) -> dict[str, list[tuple[int, str]]]:
    """The instances and sentences of each video, in the order of a2d_annotation.txt.

    A row of "1 (copy)" is left out: its mask is that of another row, and all published numbers are without it. Raises
    InputError for a line that is not a video, an instance and a sentence.
    """
    path = first_of(root, either("a2d_annotation.txt"), "video, instance and sentence, one a line")
    rows: dict[str, list[tuple[int, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row or row[0] == "video_id":
                continue
            if len(row) < 3:
                raise InputError(f"{path}, line {number}: expected a video, an instance and a sentence, got {row}")
            check_name(row[0], f"name of a video in {path}")
            if row[1].strip().isdecimal():
                rows.setdefault(row[0], []).append((int(row[1]), row[2]))
    return rows


def missed_videos(root: Path) -> frozenset[str]:
    """The videos of a2d_missed_videos.txt, which have no masks."""
    for name in either("a2d_missed_videos.txt"):
        if (root / name).is_file():
            return frozenset(line.split(",")[0] for line in read_lines(root / name))
    return frozenset()


def either(name: str) -> list[str]:
    """The two places of a file of A2D-Sentences."""
    return [f"text_annotations/{name}", name]


def read_a2d_mask(sample: ActionSample) -> npt.NDArray[np.bool_]:
    """The mask of the sample's instance: (height, width) bool.

    Raises InputError for a damaged file, and one that does not show the instance.
    """
    instances, masks = _read_h5(sample.mask)
    places = [place for place, instance in enumerate(instances) if instance == sample.instance]
    if not places:
        raise InputError(f"{sample.mask} does not show instance {sample.instance}")
    return np.asarray(masks[places[0]], np.bool_)


def read_jhmdb(root: Path, *, samples: Path | None = None) -> tuple[ActionSample, ...]:
    """The samples of JHMDB-Sentences in the order of jhmdb_sentences_samples_metadata.json.

    root: ``Rename_Images/<class>/<video>/00001.png`` and ``puppet_mask/<class>/<video>/puppet_mask.mat``. The paths in
    the file begin at somebody's folder; what counts is behind those two names. Numbers are comparable only with the
    same file, as its three frames a video were drawn at random once. Raises InputError for a damaged file.
    """
    path = samples or first_of(root, ["jhmdb_sentences_samples_metadata.json"], "the samples")
    rows = read_json(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of [video, frame path, mask path, number of masks, sentence]")
    found = []
    for index, row in enumerate(rows):
        where = f"{path}, entry {index}"
        if not isinstance(row, list) or len(row) != 5 or not all(isinstance(row[place], str) for place in (0, 1, 2, 4)):
            raise InputError(f"{where}: expected [video, frame path, mask path, number of masks, sentence]")
        video, picture, mask, _, text = row
        frame = PurePosixPath(picture.replace("\\", "/")).stem
        if not frame.isdecimal():
            raise InputError(f"{where}: the frame {picture!r} has no number as its name")
        source, truth = _below(root, picture, "Rename_Images", where), _below(root, mask, "puppet_mask", where)
        found.append(ActionSample(f"v_{video}_f_{int(frame)}", video, int(frame), text, source, truth))
    return tuple(found)


def read_jhmdb_mask(sample: ActionSample) -> npt.NDArray[np.bool_]:
    """The person of the sample: (height, width) bool.

    Raises InputError for a damaged file, and a frame beyond its end.
    """
    from scipy.io import loadmat

    try:
        masks = loadmat(sample.mask, variable_names=["part_mask"])["part_mask"]
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise InputError(f"{sample.mask} cannot be read as a MATLAB file with part_mask ({error})") from error
    if masks.ndim != 3 or sample.frame > masks.shape[2]:
        raise InputError(f"{sample.mask} has no mask of frame {sample.frame}: its part_mask is {masks.shape}")
    return np.asarray(masks[:, :, sample.frame - 1] > 0, np.bool_)


def _found_samples(root: Path, masks: Path, split: str) -> Iterator[ActionSample]:
    splits, missed = a2d_split(root), missed_videos(root)
    if split not in splits.values():
        raise InputError(f"A2D has no split {split!r}: choose train or test")
    shown: dict[Path, frozenset[int]] = {}
    for video, rows in a2d_rows(root).items():
        if video in missed or splits.get(video) != split:
            continue
        for instance, text in rows:
            for file in sorted((masks / video).glob("*.h5")):
                if file not in shown:
                    shown[file] = frozenset(_read_h5(file)[0])
                # A frame without the instance is no sample.
                if instance in shown[file]:
                    yield _a2d_sample(root, masks, (video, int(file.stem), instance), text)


def _listed_sample(root: Path, masks: Path, row: object, where: str) -> ActionSample:
    if not isinstance(row, list) or len(row) != 4:
        raise InputError(f"{where}: expected [sentence, video, frame, instance], got {row!r:.60}")
    text, video, frame, instance = row
    if not isinstance(text, str) or not isinstance(video, str) or type(frame) is not int or type(instance) is not int:
        raise InputError(f"{where}: expected [sentence, video, frame, instance], got {row!r:.60}")
    check_name(video, f"name of a video in {where}")
    return _a2d_sample(root, masks, (video, frame, instance), text)


def _a2d_sample(root: Path, masks: Path, key: tuple[str, int, int], text: str) -> ActionSample:
    video, frame, instance = key
    return ActionSample(
        f"v_{video}_f_{frame}_i_{instance}",
        video,
        frame,
        text,
        root / "Release" / "clips320H" / f"{video}.mp4",
        masks / video / f"{frame:05d}.h5",
        instance,
    )


def _read_h5(path: Path) -> tuple[list[int], npt.NDArray[np.uint8]]:
    """Instance numbers and masks (instances, height, width) of one file of A2D."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(_NEEDS_H5PY) from error
    try:
        with h5py.File(path, "r") as file:
            instances = [int(value) for value in np.asarray(file["instance"]).reshape(-1)]
            masks = np.asarray(file["reMask"])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f'{path} cannot be read as an HDF5 file with "instance" and "reMask" ({error})') from error
    # MATLAB wrote them column by column; a single mask has lost its first axis.
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or len(masks) != len(instances):
        raise InputError(f"{path}: {len(instances)} instances, but masks of shape {masks.shape}")
    return instances, masks.transpose(0, 2, 1)


def _below(root: Path, path: str, top: str, where: str) -> Path:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if top not in parts or ".." in parts[parts.index(top) :]:
        raise InputError(f"{where}: expected a path with the folder {top}, got {path!r}")
    return the_folder(root, f"{top} and the samples") / Path(*parts[parts.index(top) :])
