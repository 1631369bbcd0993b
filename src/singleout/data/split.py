"""Development sets: the first part of a validation set with public truth, and 90/10 halves of a training set.

Nothing is drawn at random and no picture is copied: a part is a shorter list beside the official one, and readers look
for its pictures where those of the official one are. Parts are named ``<split>_dev``, ``train_sub``, ``valid_sub``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleout.data import davis
from singleout.data.files import a_part, an_id, first_of, read_lines, read_object
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.exports.layout import check_free, dump, text_file

DEV = "_dev"
SHARE = 0.2
# Longer videos stay in training: they would make the held-out part slow to score.
_LONGEST_HELD_OUT = 100


@dataclass(frozen=True)
class Amount:
    """How much of a set: the first `count`, or where that is None the first `share` of it, at least one."""

    share: float = SHARE
    count: int | None = None

    def of(self, total: int, where: str) -> int:
        """Number of entries of `total`. Raises InputError for an amount that is not below the total."""
        wanted = max(1, int(self.share * total)) if self.count is None else self.count
        if not 0 < wanted < total:
            raise InputError(f"{where} has {total} entries: a part of it has fewer and at least one, not {wanted}")
        return wanted


@dataclass(frozen=True)
class Wanted:
    """root: folder of the data set. split: which split is cut. amount: how much of it is kept."""

    root: Path
    split: str
    amount: Amount

    @property
    def part(self) -> str:
        """The name of the part."""
        return self.split + DEV


Written = dict[Path, str]
"""The text of each file that is to be written."""


def dev_set(name: str, root: Path, *, split: str | None = None, amount: Amount | None = None) -> Written:
    """The files of the development set of a data set: its first videos (or images) in the order of the official list.

    split: None for the usual one, a validation set with public truth. Nothing is written yet: see `write`. Raises
    InputError for a data set without public truth and for lists that are missing.
    """
    if name not in DEV_SETS:
        raise InputError(f"{name} has no development set; these have one: {', '.join(DEV_SETS)}")
    usual, cut = DEV_SETS[name]
    return cut(Wanted(root, split or usual, amount or Amount()))


def halves(name: str, root: Path) -> Written:
    """``train_sub.json`` and ``valid_sub.json`` of YouTube-VIS or OVIS: about 90 and 10 % of the videos.

    The rule of UniVS: annotations are gone through in file order; a video that has not been seen is held out where at
    most n annotations of its category are held out yet and it has at most 100 frames; n = 2 int(videos / 10) //
    categories, twice that for OVIS. Every video is in one of the two, those without annotation in training. Raises
    InputError for a data set without this rule and for a damaged file.
    """
    if name not in HALVED:
        raise InputError(f"{name} is not cut into halves; these are: {', '.join(HALVED)}")
    path = first_of(root, ["train.json", "train/instances.json", "annotations_train.json"], "the training annotations")
    content = read_object(path)
    held = held_out(content, path, crowded=name == "ovis")
    videos = {number(path, video, "id") for video in entries_of(path, content.get("videos"), '"videos"')}
    return {
        root / "train_sub.json": _subset(path, content, "video", videos - held),
        root / "valid_sub.json": _subset(path, content, "video", held),
    }


def held_out(content: Mapping[str, Any], path: Path, *, crowded: bool = False) -> set[int]:
    """Ids of the videos that `halves` holds out. crowded: twice as many, as for OVIS with its many objects a video."""
    videos = entries_of(path, content.get("videos"), '"videos"')
    lengths = {number(path, video, "id"): number(path, video, "length") for video in videos}
    found = entries_of(path, content.get("categories"), '"categories"')
    if not found:
        raise InputError(f"{path} has no categories, which say how many videos to hold out")
    most = 2 * int(len(lengths) * 0.1) // len(found) * (2 if crowded else 1)
    counts: Counter[int] = Counter()
    seen: set[int] = set()
    held: set[int] = set()
    for entry in entries_of(path, content.get("annotations"), '"annotations"'):
        video, category = number(path, entry, "video_id"), number(path, entry, "category_id")
        if video not in lengths:
            raise InputError(f"{path}: an annotation is of video {video}, which is not listed")
        if video not in seen:
            seen.add(video)
            if counts[category] <= most and lengths[video] <= _LONGEST_HELD_OUT:
                held.add(video)
        if video in held:
            counts[category] += 1
    return held


def write(files: Written, *, overwrite: bool = False) -> list[Path]:
    """Write the files of a part, each whole or not at all. Raises InputError where one is there, unless `overwrite`."""
    check_free(files, overwrite=overwrite)
    for path, text in files.items():
        with text_file(path) as file:
            file.write(text)
    return list(files)


def _davis(wanted: Wanted, year: int) -> Written:
    if not (wanted.root / "ImageSets").is_dir():
        raise InputError(f"{wanted.root / 'ImageSets'} is missing: a part needs the official list of sequences")
    names = davis.sequences(wanted.root, year, wanted.split)
    kept = names[: wanted.amount.of(len(names), f"{wanted.split} of DAVIS {year}")]
    return {wanted.root / "ImageSets" / str(year) / f"{wanted.part}.txt": _lines(kept)}


def _listed(wanted: Wanted, *, in_order: bool = False) -> Written:
    path = first_of(wanted.root, [f"{wanted.split}.txt"], "the videos of the split, one a line")
    names: Iterable[str] = read_lines(path)
    # UniVS takes the first VSPW videos as their folders are sorted, not as they are listed.
    kept = sorted(names) if in_order else list(names)
    return {path.with_name(f"{wanted.part}.txt"): _lines(kept[: wanted.amount.of(len(kept), str(path))])}


def _sentences(path: Path, target: Path, amount: Amount, without: Iterable[str] = ()) -> Written:
    content = read_object(path)
    left = set(without)
    videos = {name: entry for name, entry in a_part(content, "videos", dict, str(path)).items() if name not in left}
    kept = list(videos)[: amount.of(len(videos), str(path))]
    return {target: dump({**content, "videos": {name: videos[name] for name in kept}}) + "\n"}


def _expressions(wanted: Wanted) -> Written:
    folder = wanted.root / "meta_expressions"
    path = first_of(wanted.root, [f"meta_expressions/{wanted.split}/meta_expressions.json"], "the sentences")
    test = folder / "test" / "meta_expressions.json"
    without = read_object(test).get("videos", {}) if wanted.split == "valid" and test.is_file() else {}
    return _sentences(path, folder / wanted.part / "meta_expressions.json", wanted.amount, without)


def _ref_davis(wanted: Wanted) -> Written:
    if (wanted.root / "meta_expressions").is_dir():
        return _expressions(wanted)
    return _davis(Wanted(wanted.root, wanted.split.replace("valid", "val"), wanted.amount), 2017)


def _mevis(wanted: Wanted) -> Written:
    path = first_of(wanted.root, [f"{wanted.split}/meta_expressions.json"], "the sentences")
    return _sentences(path, path.with_name(f"meta_expressions{DEV}.json"), wanted.amount)


def _viposeg(wanted: Wanted) -> Written:
    folder = wanted.root / wanted.split
    classes = read_object(first_of(wanted.root, [f"{wanted.split}/obj_class.json"], "the class of each object"))
    meta = folder / "meta.json"
    if meta.is_file():
        return _sentences(meta, folder / f"meta{DEV}.json", wanted.amount)
    kept = list(classes)[: wanted.amount.of(len(classes), str(folder / "obj_class.json"))]
    return {folder / f"meta{DEV}.json": dump({"videos": {name: {"objects": {}} for name in kept}}) + "\n"}


def _annotations(wanted: Wanted, pattern: str, kind: str = "video") -> Written:
    """pattern: of the file below the root, with {} for the split. kind: what is counted, "video" or "image"."""
    path = first_of(wanted.root, [pattern.format(wanted.split)], "the annotations of the split")
    content = read_object(path)
    listed = entries_of(path, content.get(f"{kind}s"), f'"{kind}s"')
    key = "video_id" if kind == "video" and listed and "video_id" in listed[0] else "id"
    kept = {an_id(entry, key, f"{path}: a {kind}") for entry in listed[: wanted.amount.of(len(listed), str(path))]}
    return {wanted.root / pattern.format(wanted.part): _subset(path, content, kind, kept, key)}


def _subset(path: Path, content: Mapping[str, Any], kind: str, kept: set[Any], key: str = "id") -> str:
    listed = entries_of(path, content.get(f"{kind}s"), f'"{kind}s"')
    videos = [entry for entry in listed if an_id(entry, key, f"{path}: a {kind}") in kept]
    changed: dict[str, Any] = {f"{kind}s": videos}
    if content.get("annotations") is not None:
        entries = entries_of(path, content["annotations"], '"annotations"')
        about = f"{path}: an annotation"
        changed["annotations"] = [entry for entry in entries if an_id(entry, f"{kind}_id", about) in kept]
    return dump({**content, **changed}) + "\n"


def _lines(names: Iterable[str]) -> str:
    # VSPW's evaluator drops the last character of every line, so the last one needs its newline too.
    return "".join(f"{name}\n" for name in names)


Cut = Callable[[Wanted], Written]
DEV_SETS: dict[str, tuple[str, Cut]] = {
    "davis2016": ("val", lambda wanted: _davis(wanted, 2016)),
    "davis2017": ("val", lambda wanted: _davis(wanted, 2017)),
    "davis2017-unsupervised": ("val", lambda wanted: _davis(wanted, 2017)),
    "ref-davis": ("valid", _ref_davis),
    "ref-youtube-vos": ("valid", _expressions),
    "mevis": ("valid_u", _mevis),
    "lv-vis": ("val", lambda wanted: _annotations(wanted, "{}_instances.json")),
    "lv-vis-images": ("val", lambda wanted: _annotations(wanted, "image_{}_instances.json", "image")),
    "vipseg-raw": ("val", _listed),
    "vipseg": ("val", lambda wanted: _annotations(wanted, "panoptic_gt_VIPSeg_{}.json")),
    "vspw": ("val", lambda wanted: _listed(wanted, in_order=True)),
    "viposeg": ("valid", _viposeg),
    "coco": ("val2017", lambda wanted: _annotations(wanted, "annotations/instances_{}.json", "image")),
    "coco-panoptic": ("val2017", lambda wanted: _annotations(wanted, "annotations/panoptic_{}.json", "image")),
    "lvis": ("val", lambda wanted: _annotations(wanted, "lvis_v1_{}.json", "image")),
}
HALVED = ("ytvis-2019", "ytvis-2021", "ovis")
