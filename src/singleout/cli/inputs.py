"""Which videos a command line means, and how times and settings are typed."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from singleout.data.own import OwnVideo, read_own
from singleout.errors import InputError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv"})
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_TIME = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d*)?)")


def find_videos(given: Sequence[str]) -> list[Path]:
    """The videos meant: files and folders of frames as they are, a folder of videos opened up, ``demo`` the demo clip.

    A folder is one of videos where it holds video files, or only folders with pictures in them (as data sets are
    laid out), or a list of them, ``test.json``. Raises InputError for what is not there or could mean both.
    """
    return [one.path for one in find_inputs(given)]


def find_inputs(given: Sequence[str]) -> list[OwnVideo]:
    """`find_videos`, with the sentences that a list beside them asks for."""
    found: list[OwnVideo] = []
    for word in given:
        path = Path(word).expanduser()
        if word == "demo" and not path.exists():
            from singleout.media.samples import demo_clip

            found.append(OwnVideo(Path(demo_clip())))
        elif not path.exists():
            hint = "; singleout reads files, so download it first" if "://" in word else ""
            raise InputError(f"{word}: there is no such file or folder{hint}")
        elif path.is_dir():
            listed = read_own(path)
            found += map(OwnVideo, _in_folder(path)) if listed is None else listed
        else:
            found.append(OwnVideo(path))
    return found


def _in_folder(folder: Path) -> list[Path]:
    try:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except PermissionError as error:
        raise InputError(f"{folder} cannot be read: it belongs to someone else") from error
    videos = [path for path in inside if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
    images = [path for path in inside if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES]
    if videos and images:
        raise InputError(
            f"{folder} holds videos ({videos[0].name}, …) and pictures ({images[0].name}, …), so it could be a folder "
            "of videos or the frames of one: name the files, or move one kind"
        )
    sequences = [path for path in inside if path.is_dir() and _has_pictures(path)]
    if videos or (sequences and not images):
        return sorted(videos + sequences)
    if not images:
        raise InputError(f"{folder} is a folder without videos or pictures")
    return [folder]


def _has_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def own_folders(out: Path, videos: Sequence[Path]) -> list[Path]:
    """The output folder of each video: ``out`` itself for one, a folder in it named after each for several."""
    if len(videos) == 1:
        return [out]
    stems = [video.stem if video.is_file() else video.name for video in videos]
    names: list[str] = []
    for video, stem in zip(videos, stems, strict=True):
        name = stem if stems.count(stem) == 1 else video.name
        number = 2
        while name in names:
            name, number = f"{video.name}-{number}", number + 1
        names.append(name)
    return [out / name for name in names]


def read_time(text: str, option: str) -> float:
    """Seconds from ``12.5``, ``1:05`` or ``1:02:03.5``. Raises InputError for anything else."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise InputError(f"{option} {text!r}: expected seconds or minutes:seconds, for example 12.5 or 1:05")
    return 3600 * int(found["hours"] or 0) + 60 * int(found["minutes"] or 0) + float(found["seconds"])


def read_cut(args: argparse.Namespace) -> dict[str, Any]:
    """What of a video is wanted, as keywords of `Video`, from ``--start``, ``--end``, ``--every`` and ``--resize``.

    Raises InputError for a time that is none, and for numbers below 1.
    """
    start, end = (
        None if text is None else read_time(text, option)
        for text, option in ((args.start, "--start"), (args.end, "--end"))
    )
    for option in ("every", "resize"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            raise InputError(f"--{option} {getattr(args, option)}: expected 1 or more")
    return {"start": start, "end": end, "every": args.every, "resize": args.resize}


def read_options(given: Sequence[str]) -> dict[str, Any]:
    """Settings as typed: numbers, true and false as such, the rest as text. Raises InputError for one without name."""
    options: dict[str, Any] = {}
    for word in given:
        name, separator, value = word.partition("=")
        if not name or not separator:
            raise InputError(f"--option {word}: expected NAME=VALUE, for example threshold=0.4")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options
