"""Tracks in the formats of data sets, evaluators and labelling tools, and back where they serve as input.

`FORMATS` names them all; each is a module of its own that is loaded when it is first used. See docs/formats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError

if TYPE_CHECKING:
    from os import PathLike

    from singleout.tracks import Tracks


class ExportWarning(UserWarning):
    """Something that a format cannot hold, and what was written in its place."""


@dataclass(frozen=True)
class Format:
    """One way to write tracks, and to read them where `readable`.

    name: as on the command line. summary: one line for a help text. files: what it writes, below its folder.
    overlapping: it holds masks that overlap; elsewhere the object of the higher track score, then the lower id, keeps
    the pixel, with an `ExportWarning`. lossless: masks read back equal (exclusive ones, where not `overlapping`).
    """

    name: str
    summary: str
    files: str
    module: str
    overlapping: bool
    lossless: bool
    writer: str = "write"
    reader: str | None = "read"

    @property
    def readable(self) -> bool:
        """Whether `read` works."""
        return self.reader is not None

    def write(
        self,
        tracks: Tracks,
        folder: str | PathLike[str],
        *,
        video_name: str,
        frame_names: Sequence[str],
        categories: Mapping[str, int] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> list[Path]:
        """Write the tracks of one video below `folder`, each file or folder whole or not at all.

        video_name, frame_names: without suffix, one name a frame; they become names of files or folders. categories:
        number of each name; None numbers the labels that occur, in the order of the object ids. An object without a
        label is an "object". options: see the module. Returns the files, and the folders where a video is a folder of
        pictures. Raises InputError for names that leave the folder, labels that have no number, what the format
        cannot hold, and files that exist already unless `overwrite`.
        """
        from singleout.exports.layout import Destination, check_names

        check_names(video_name, frame_names, tracks.num_frames)
        where = Destination(Path(folder), video_name, tuple(frame_names), categories, overwrite)
        written: list[Path] = getattr(import_module(self.module), self.writer)(tracks, where, **options)
        return written

    def read(self, path: str | PathLike[str], **options: Any) -> Tracks:
        """The tracks in a file or folder of this format; options: see the module.

        Raises InputError, naming the file, for what is missing, damaged or of another format.
        """
        if self.reader is None:
            able = ", ".join(name for name, form in FORMATS.items() if form.readable)
            raise InputError(f"{path}: {self.name} is only written, not read; formats that are read: {able}")
        tracks: Tracks = getattr(import_module(self.module), self.reader)(Path(path), **options)
        return tracks


def _format(name: str, summary: str, files: str, *, overlapping: bool, lossless: bool, **others: Any) -> Format:
    module = others.pop("module", f"singleout.exports.{name.replace('-', '_')}")
    return Format(name, summary, files, module, overlapping, lossless, **others)


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        _format(
            "tracks",
            "everything there is, as one documented JSON file",
            "tracks.json",
            overlapping=True,
            lossless=True,
            module="singleout.exports.own",
        ),
        _format(
            "davis",
            "palette PNGs with the object id as index (DAVIS, YouTube-VOS)",
            "<video>/<frame>.png",
            overlapping=False,
            lossless=True,
        ),
        _format(
            "ytvis",
            "YouTube-VIS results, and the same as a data set (OVIS, LV-VIS)",
            "results.json, instances.json",
            overlapping=True,
            lossless=True,
        ),
        _format(
            "coco", "COCO with run-length codes, a picture a frame", "instances.json", overlapping=True, lossless=True
        ),
        _format(
            "coco-polygons",
            "COCO with polygons along the pixel edges",
            "instances.json",
            overlapping=True,
            lossless=True,
            module="singleout.exports.coco",
            writer="write_polygons",
        ),
        _format(
            "ref-ytvos",
            "0/255 PNGs, a folder for each sentence, and their zip (Ref-YouTube-VOS)",
            "Annotations/<video>/<sentence>/<frame>.png, Annotations.zip",
            overlapping=True,
            lossless=True,
        ),
        _format(
            "mots",
            "a text line for each object and frame (MOTS, KITTI-MOTS, TrackEval)",
            "<video>.txt, <video>.info.json",
            overlapping=False,
            lossless=True,
        ),
        _format(
            "panoptic",
            "PNGs with id = R + 256 G + 65536 B and their segments (VIPSeg)",
            "pan_pred/<video>/<frame>.png, pred.json",
            overlapping=False,
            lossless=True,
        ),
        _format(
            "semantic",
            "PNGs of class numbers, 255 where there is none (VSPW, ADE20K)",
            "<video>/<frame>.png, classes.json",
            overlapping=False,
            lossless=False,
        ),
        _format(
            "yolo",
            "Ultralytics polygons, a text file a frame",
            "labels/<video>/<frame>.txt, classes.txt, data.yaml",
            overlapping=True,
            lossless=False,
            reader=None,
        ),
        _format(
            "cvat",
            "masks to import into CVAT (CVAT for images 1.1)",
            "<video>.xml",
            overlapping=True,
            lossless=True,
            reader=None,
        ),
        _format(
            "labelstudio",
            "brush masks to import into Label Studio",
            "<video>.json, <video>.config.xml",
            overlapping=True,
            lossless=True,
            reader=None,
        ),
    )
}
"""Every format by its name."""
