"""Videos with sentences: Ref-YouTube-VOS, Ref-DAVIS17 and MeViS.

The three share ``meta_expressions.json``: for each video its frames and its sentences by key, with the object that is
meant where that is public.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from singleout.data import davis
from singleout.data.files import (
    a_code,
    a_part,
    an_object,
    base_split,
    first_of,
    paths_for,
    read_object,
    stems,
    strings,
    subfolders,
    the_folder,
)
from singleout.data.records import ReferringVideo, Rle, Sentence
from singleout.errors import InputError
from singleout.exports.layout import check_name
from singleout.exports.rle import size_of

REF_DAVIS_ANNOTATORS = ("Davis17_annot1", "Davis17_annot1_full_video", "Davis17_annot2", "Davis17_annot2_full_video")
_META = "meta_expressions.json"


def read_ref_ytvos(root: Path, *, split: str = "valid", truth: Path | None = None) -> tuple[ReferringVideo, ...]:
    """The videos of Ref-YouTube-VOS: ``meta_expressions/<split>/meta_expressions.json`` and ``<split>/JPEGImages``.

    The list of the validation also holds the test videos; they are taken out where the list of the test is there
    (202 videos and 834 sentences are left). truth: a folder ``<video>/<frame>.png`` of object ids, or
    ``<video>/<sentence>/<frame>.png`` of 0 and 255; None takes ``<split>/Annotations`` where the sentences say which
    object they mean, as in training. Raises InputError for missing or damaged files.
    """
    meta = first_of(root, [f"meta_expressions/{split}/{_META}"], "the sentences of the split")
    videos = _videos_of(meta)
    test = root / "meta_expressions" / "test" / _META
    if base_split(split) == "valid" and test.is_file():
        other = _videos_of(test)
        videos = {name: entry for name, entry in videos.items() if name not in other}
    folder = root / base_split(split)
    found = []
    for name, entry in videos.items():
        video = _video(folder / "JPEGImages", name, entry, f"{meta}: video {name}")
        knows = all(sentence.object_ids for sentence in video.sentences)
        pictures = truth or (folder / "Annotations" if knows else None)
        found.append(video if pictures is None else _with_truth(video, pictures / name))
    return tuple(found)


def read_mevis(root: Path, *, split: str = "valid_u", masks: bool = True) -> tuple[ReferringVideo, ...]:
    """The videos of MeViS: ``<split>/{JPEGImages,meta_expressions.json,mask_dict.json}`` (henghuiding/MeViS).

    A sentence may mean several objects or none. masks: False leaves the file of masks alone, which is large for the
    training split; "valid" and "test" have none. Raises InputError for missing or damaged files.
    """
    folder = the_folder(root / base_split(split), f"JPEGImages and {_META}")
    part = split.removeprefix(base_split(split))
    meta = folder / f"meta_expressions{part}.json"
    listing = folder / "mask_dict.json"
    codes = read_object(listing) if masks and listing.is_file() else {}
    found = []
    for name, entry in _videos_of(meta).items():
        video = _video(folder / "JPEGImages", name, entry, f"{meta}: video {name}")
        wanted = dict.fromkeys(key for sentence in video.sentences for key in sentence.mask_ids)
        if codes:
            missing = [key for key in wanted if key not in codes]
            if missing:
                raise InputError(f"{listing} has no mask {missing[0]!r}, which video {name} of {meta.name} asks for")
            kept = {key: _mevis_masks(codes[key], len(video.frame_names), f"{listing}: {key}") for key in wanted}
            video = replace(video, masks=kept)
        found.append(video)
    return tuple(found)


def read_ref_davis(root: Path, *, split: str = "valid", texts: Path | None = None) -> tuple[ReferringVideo, ...]:
    """The videos of Ref-DAVIS17 with 4 sentences an object: number e is of object e // 4 + 1 and annotator e % 4.

    root: either converted (``meta_expressions/<split>/meta_expressions.json``, ``<split>/{JPEGImages,Annotations}``) or
    DAVIS 2017 unsupervised as released, with the four text files in `texts` or in ``davis_text_annotations``. Raises
    InputError for missing files, and sentences that do not fit that numbering.
    """
    meta = root / "meta_expressions" / split / _META
    if not meta.is_file():
        return tuple(_released_davis(root, split, texts or root / "davis_text_annotations"))
    folder, found = root / base_split(split), []
    for name, entry in _videos_of(meta).items():
        video = _video(folder / "JPEGImages", name, entry, f"{meta}: video {name}")
        video = replace(video, sentences=tuple(_annotated(each, f"{meta}: video {name}") for each in video.sentences))
        found.append(_with_truth(video, folder / "Annotations" / name))
    return tuple(found)


def read_davis_texts(folder: Path) -> dict[str, dict[int, list[str]]]:
    """The sentences of Ref-DAVIS17 as released: for each video and object those of the four annotators in their order.

    Raises InputError for a missing file, a line that is not `video object "sentence"`, and an object that one of the
    annotators left out.
    """
    the_folder(folder, f"{REF_DAVIS_ANNOTATORS[0]}.txt and the three other text files of Ref-DAVIS17")
    texts: dict[str, dict[int, list[str]]] = {}
    for annotator, name in enumerate(REF_DAVIS_ANNOTATORS):
        path = folder / f"{name}.txt"
        try:
            # The files are not UTF-8: they hold apostrophes of another encoding.
            lines = path.read_text(encoding="latin-1").splitlines()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            parts = line.split(maxsplit=2)
            if len(parts) < 3 or not parts[1].isdecimal():
                raise InputError(
                    f'{path}, line {number}: expected a video, an object and a "sentence", got {line!r:.60}'
                )
            sentences = texts.setdefault(parts[0], {}).setdefault(int(parts[1]), [])
            if len(sentences) != annotator:
                raise InputError(
                    f"{path}, line {number}: object {parts[1]} of {parts[0]} is not in all four files once"
                )
            sentences.append(parts[2].strip().removeprefix('"').removesuffix('"'))
    for video, objects in texts.items():
        short = [number for number, sentences in objects.items() if len(sentences) != len(REF_DAVIS_ANNOTATORS)]
        if short:
            raise InputError(f"{folder}: object {short[0]} of {video} is not in all four files")
    return texts


def _released_davis(root: Path, split: str, texts: Path) -> Iterator[ReferringVideo]:
    written = read_davis_texts(texts)
    for video in davis.read(root, split=split.replace("valid", "val"), unsupervised=True):
        objects = written.get(video.name)
        if objects is None:
            raise InputError(f"{texts} has no sentence for {video.name}: download the text files again")
        if sorted(objects) != list(range(1, len(objects) + 1)):
            raise InputError(f"{texts}: the objects of {video.name} are not numbered from 1 without gaps")
        sentences = tuple(
            Sentence(str(4 * (key - 1) + annotator), text, (key,), annotator)
            for key in sorted(objects)
            for annotator, text in enumerate(objects[key])
        )
        yield ReferringVideo(video.name, video.frame_names, video.images, sentences, truth=video.truth)


def _videos_of(meta: Path) -> dict[str, Any]:
    videos: dict[str, Any] = a_part(read_object(meta), "videos", dict, str(meta))
    return videos


def _video(pictures: Path, name: str, entry: Any, where: str) -> ReferringVideo:
    check_name(name, f"name of a video in {where}")
    content = an_object(entry, where)
    # Sorted, as every system reads them: the order in the file is that of a directory in places.
    names = tuple(sorted(strings(content.get("frames"), f"{where}, frames")))
    for frame in names:
        check_name(frame, f"frame of {where}")
    sentences = tuple(
        _sentence(key, each, f"{where}, sentence {key}")
        for key, each in a_part(content, "expressions", dict, where).items()
    )
    return ReferringVideo(name, names, paths_for(pictures / name, names, ".jpg"), sentences)


def _sentence(key: str, entry: Any, where: str) -> Sentence:
    check_name(key, f"key of {where}")
    content = an_object(entry, where)
    named, codes = content.get("obj_id"), content.get("anno_id")
    given = named if isinstance(named, list) else [] if named is None else [named]
    if not all(str(each).isdecimal() for each in given):
        raise InputError(
            f'{where}: expected the number of an object, or a list of them, as "obj_id", got {named!r:.40}'
        )
    if codes is not None and not isinstance(codes, list):
        raise InputError(f'{where}: expected a list as "anno_id", got {codes!r:.40}')
    return Sentence(
        key,
        a_part(content, "exp", str, where),
        tuple(int(each) for each in given),
        mask_ids=tuple(map(str, codes or [])),
    )


def _annotated(sentence: Sentence, where: str) -> Sentence:
    if not sentence.id.isdecimal():
        raise InputError(f"{where}: the sentence {sentence.id!r} has no number, which says who wrote it")
    number = int(sentence.id)
    meant = (number // 4 + 1,)
    if sentence.object_ids not in {(), meant}:
        raise InputError(
            f"{where}: sentence {number} is of object {sentence.object_ids[0]}, but by its number of {meant[0]}"
        )
    return replace(sentence, object_ids=meant, annotator=number % 4)


def _with_truth(video: ReferringVideo, folder: Path) -> ReferringVideo:
    if not stems(folder) and subfolders(folder):
        by_sentence = {
            sentence.id: {frame: folder / sentence.id / f"{frame}.png" for frame in video.frame_names}
            for sentence in video.sentences
        }
        return replace(video, sentence_truth=by_sentence)
    return replace(video, truth={frame: folder / f"{frame}.png" for frame in video.frame_names})


def _mevis_masks(codes: Any, num_frames: int, where: str) -> tuple[Rle | None, ...]:
    if not isinstance(codes, list) or len(codes) != num_frames:
        length = len(codes) if isinstance(codes, list) else "no"
        raise InputError(f"{where}: expected a list of {num_frames} masks, one a frame, got {length}")
    return tuple(_mevis_mask(code, f"{where}, frame {frame}") for frame, code in enumerate(codes))


def _mevis_mask(code: Any, where: str) -> Rle | None:
    if code is None:
        return None
    size: tuple[int, int] | None = size_of(code) if isinstance(code, Mapping) else None
    if size is None:
        raise InputError(f'{where}: expected a run-length code with "size" and "counts", got {code!r:.40}')
    return a_code(code, *size, where)
