"""ViPOSeg: ``valid/{JPEGImages,Annotations,Annotations_gt}/<video>``, ``obj_class.json`` and ``meta.json``.

Annotations holds the reference frames, in which objects enter; Annotations_gt the truth of all evaluated frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from singleout.data.files import an_object, base_split, paths_for, read_object, stems, the_folder
from singleout.data.records import ObjectVideo, VideoObject
from singleout.data.ytvos import objects_of
from singleout.errors import InputError
from singleout.exports.layout import check_name
from singleout.vocabularies.categories import categories


def read(root: Path, *, split: str = "valid") -> tuple[ObjectVideo, ...]:
    """The videos in the order of obj_class.json; the class of an object, 0 to 123, is its category_id.

    A development split is one with its own ``meta<part>.json``, for example meta_dev.json. Raises InputError where the
    files are missing or do not fit each other.
    """
    folder = the_folder(root / base_split(split), "Annotations, Annotations_gt and obj_class.json")
    part = split.removeprefix(base_split(split))
    listing, meta = folder / "obj_class.json", folder / f"meta{part}.json"
    classes = read_object(listing)
    entries = read_object(meta).get("videos", {}) if part or meta.is_file() else {}
    an_object(entries, f"{meta}, videos")
    unknown = [name for name in entries if name not in classes]
    if unknown:
        raise InputError(f"{meta} lists video {unknown[0]}, which {listing.name} does not have")
    return tuple(
        _video(folder, name, of_objects, entries.get(name), f"{listing}: video {name}")
        for name, of_objects in classes.items()
        if not part or name in entries
    )


def _video(folder: Path, name: str, of_objects: Any, meta: Any, where: str) -> ObjectVideo:
    check_name(name, f"name of a video in {where}")
    frames, given, truth = (folder / each / name for each in ("JPEGImages", "Annotations", "Annotations_gt"))
    names = stems(frames, given, truth)
    listed = {} if meta is None else {each.id: each for each in objects_of(an_object(meta, where), where)}
    names_of_classes = [each.name for each in categories("vipseg")]
    objects = []
    for key, value in an_object(of_objects, where).items():
        if not (str(key).isdecimal() and str(value).isdecimal() and int(value) < 124):
            raise InputError(f"{where}: expected the class 0 to 123 of each object, got {key!r}: {value!r:.20}")
        of_frames = listed[int(key)].frames if int(key) in listed else ()
        objects.append(VideoObject(int(key), of_frames, names_of_classes[int(value)], int(value)))
    return ObjectVideo(
        name,
        names,
        paths_for(frames, names, ".jpg"),
        given={each: given / f"{each}.png" for each in stems(given)},
        truth={each: truth / f"{each}.png" for each in stems(truth)},
        objects=tuple(objects),
    )
