"""``export``: pictures of 0 and 255 for every sentence and frame, and the archive of them, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.evaluation.benchmarks.archive import pack_files
from singleout.exports.pictures import index_picture
from singleout.fusion import settings as reading_of
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import MASKS_OF, Step, Work
from singleout.fusion.store import VALUES, read_values, reading, write_values
from singleout.fusion.submission import check_submission
from singleout.fusion.tools import Tools
from singleout.media.atomic import atomic_folder

# The folder above the videos in the archive of each benchmark.
_TOPS = {"ref-youtube-vos": "Annotations", "mevis": ""}
_ARCHIVE, _PICTURES = "submission.zip", "Annotations"


class ExportStep(Step):
    """See the module. masks: the step whose masks are written. form: the benchmark whose server takes the archive."""

    word = "export"
    gives = ""
    suffix = VALUES

    def __init__(self, name: str, masks: str, form: str) -> None:
        super().__init__(name)
        self.masks, self.form = masks, form

    @classmethod
    def read(cls, name: str, given: Settings) -> ExportStep:
        """From the pipeline file."""
        masks = given.take("export", reading_of.text, "the name of a step that gives masks")
        form = given.one_of("as", tuple(_TOPS), "ref-youtube-vos")
        given.done()
        return cls(name, masks, form)

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return {self.masks: MASKS_OF}

    def about(self) -> str:
        """See `Step`."""
        return f"submission of {self.masks} for {self.form}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        return {"form": self.form}

    def make(self, work: Work) -> None:
        """See `Step`."""
        folder = self._folder(work.out) / work.video.name
        content = hashlib.blake2b(digest_size=16)
        with reading(work.inputs[self.masks]) as masks:
            with atomic_folder(folder, overwrite=True) as temporary:
                for sentence in masks.clip.sentences:
                    (temporary / sentence).mkdir()
                    for frame, name in enumerate(masks.clip.frames):
                        picture = masks.mask(sentence, frame).view(np.uint8) * np.uint8(255)
                        path = temporary / sentence / f"{name}.png"
                        index_picture(picture).save(path)
                        content.update(path.read_bytes())
                        work.tools.may_stop(work.video.name)
            values = {
                "size": [masks.clip.height, masks.clip.width],
                "content": content.hexdigest(),
                "files": _listing(folder),
            }
        write_values(work.target, work.key, values)

    def is_whole(self, video: ReferringVideo, out: Path, product: Path) -> bool:
        """See `Step`."""
        folder = self._folder(out) / video.name
        return folder.is_dir() and _listing(folder) == read_values(product)["files"]

    def beside(self, out: Path) -> Iterable[Path]:
        """See `Step`."""
        return (out / self.name).rglob("*.*")

    def finish(self, videos: Sequence[ReferringVideo], out: Path) -> Path:
        """The archive, checked; one that is there already is left alone where it is of the same pictures."""
        products = {video.name: read_values(out / "steps" / self.name / f"{video.name}{VALUES}") for video in videos}
        archive = out / self.name / _ARCHIVE
        marker = out / "steps" / self.name / "archive.txt"
        told = "\n".join(f"{name} {product['content']}" for name, product in sorted(products.items()))
        if archive.is_file() and marker.is_file() and marker.read_text(encoding="utf-8") == _marked(archive, told):
            return archive
        marker.unlink(missing_ok=True)
        top = _TOPS[self.form]
        inside = {
            "/".join(filter(None, (top, name, file))): self._folder(out) / name / file
            for name, product in products.items()
            for file in product["files"]
        }
        pack_files(inside, archive)
        check_submission(archive, videos, lambda video: products[video.name]["size"], top=top)
        marker.write_text(_marked(archive, told), encoding="utf-8")
        return archive

    def _folder(self, out: Path) -> Path:
        return out / self.name / _PICTURES


def _listing(folder: Path) -> dict[str, int]:
    """The files below a folder and their sizes in bytes."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*.png"))}


def _marked(archive: Path, told: str) -> str:
    return f"{archive.stat().st_size} {archive.stat().st_mtime_ns}\n{told}\n"
