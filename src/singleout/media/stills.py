"""Pictures: one, a folder of them, or a zip of them, which is read where it lies."""

from __future__ import annotations

import re
import threading
import warnings
import zipfile
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.colour import image_to_rgb
from singleout.media.container import file_identity
from singleout.media.cursor import reason
from singleout.media.sources import DEFAULT_FPS, MAX_PIXELS, DamagedError, Frame, Size, Source, check_size

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")
# The most that one picture in a zip may unpack to: the largest picture allowed, with four channels of 8 bits.
MAX_ENTRY_BYTES = 4 * MAX_PIXELS
_MAX_ENTRIES = 1_000_000
# EXIF orientations that swap height and width, and the tag that holds them.
_TURNED, _ORIENTATION = {5, 6, 7, 8}, 0x0112


class StillsSource(Source):
    """Pictures of one size, in natural order. Opening reads the head of each.

    Raises InputError where sizes differ, naming the odd one, and where a picture has several pages.
    """

    def __init__(self, label: str, entries: Sequence[str], fps: float | None) -> None:
        self.label = label
        self._entries = list(entries)
        self.fps = DEFAULT_FPS if fps is None else fps
        self.times = np.arange(len(self._entries), dtype=np.float64) / self.fps
        self.names = _unique_names(self._entries)
        self.height, self.width = self._common_size()

    @abstractmethod
    def _open(self, entry: str) -> BinaryIO:
        """The bytes of one picture."""

    @abstractmethod
    def _title(self, entry: str) -> str:
        """One picture as an error names it."""

    def read(self, index: int, size: Size) -> Frame:
        """See `Source.read`."""
        from PIL import Image

        entry = self._entries[index]
        try:
            with self._open(entry) as file, Image.open(file, formats=FORMATS) as image:
                shown = _shown_size(image)
                if shown != (self.height, self.width):
                    raise InputError(f"{self._title(entry)}: the picture has changed since it was opened")
                picture = image_to_rgb(image, None if size == shown else size)
        except (OSError, ValueError, SyntaxError, EOFError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
            if isinstance(error, InputError):
                raise
            raise DamagedError(self._title(entry), index, reason(error)) from error
        return picture

    def scan(self, indices: Sequence[int] | npt.NDArray[np.int64], size: Size) -> Iterator[Frame]:
        """See `Source.scan`."""
        for index in indices:
            yield self.read(int(index), size)

    def count_sound(self) -> tuple[int, str | None]:
        """See `Source.count_sound`."""
        for index in range(len(self._entries)):
            try:
                self.read(index, (self.height, self.width))
            except DamagedError as error:
                return index, f"{error.name}: {error.cause}"
        return len(self._entries), None

    def details(self) -> dict[str, Any]:
        """See `Source.details`."""
        return {"formats": sorted({PurePosixPath(entry).suffix.lower().lstrip(".") for entry in self._entries})}

    def _common_size(self) -> Size:
        sizes: list[Size] = []
        for index, entry in enumerate(self._entries):
            try:
                sizes.append(self._head(entry))
            except DamagedError as error:
                if index == 0:
                    raise InputError(
                        f"{error.name}: this is not a picture, or it is damaged ({error.cause})"
                    ) from error
                self.broken = f"{error.name}: {error.cause}"
                break
        common, count = Counter(sizes).most_common(1)[0]
        if count < len(sizes):
            odd = next(index for index, size in enumerate(sizes) if size != common)
            raise InputError(
                f"{self._title(self._entries[odd])}: the picture is {sizes[odd][1]}x{sizes[odd][0]} but {count} of "
                f"the {len(sizes)} frames are {common[1]}x{common[0]}; frames of one video must have one size"
            )
        return common

    def _head(self, entry: str) -> Size:
        from PIL import Image

        title = self._title(entry)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with self._open(entry) as file, Image.open(file, formats=FORMATS) as image:
                    check_size(title, image.width, image.height)
                    pages = getattr(image, "n_frames", 1)
                    if pages > 1 and image.format != "MPO":
                        raise InputError(f"{title}: it holds {pages} pictures; save them as a gif, mp4 or folder")
                    return _shown_size(image)
        except Image.DecompressionBombError as error:
            raise InputError(
                f"{title}: the picture is too large; at most {MAX_PIXELS / 1e6:.0f} megapixels can be read, so make "
                "it smaller first"
            ) from error
        except (OSError, ValueError, SyntaxError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
            if isinstance(error, InputError):
                raise
            if isinstance(error, PermissionError):
                raise InputError(f"{title}: the file cannot be read, permission denied") from error
            raise DamagedError(title, 0, _short(error)) from error


class ImageSource(StillsSource):
    """One picture: a video of one frame."""

    kind = "image"

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path
        super().__init__(str(path), [path.name], fps)

    def identity(self) -> Iterator[bytes]:
        """See `Source.identity`."""
        yield from file_identity(self.path)

    def _open(self, entry: str) -> BinaryIO:
        return self.path.open("rb")

    def _title(self, entry: str) -> str:
        return str(self.path)


class FolderSource(StillsSource):
    """A folder of frames; other files and hidden ones are passed over."""

    kind = "folder"

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path
        try:
            found = [entry.name for entry in path.iterdir() if is_picture(entry.name) and entry.is_file()]
        except OSError as error:
            raise InputError(f"{path}: the folder cannot be read ({reason(error)})") from error
        if not found:
            raise InputError(f"{path}: there is no picture in this folder; frames are {_suffix_list()} files")
        super().__init__(str(path), sorted(found, key=natural_key), fps)

    def identity(self) -> Iterator[bytes]:
        """See `Source.identity`: every name and size, and the bytes of some of the files."""
        for entry in self._entries:
            yield f"{entry}\0{(self.path / entry).stat().st_size}\0".encode("utf-8", "surrogateescape")
        for entry in dict.fromkeys([*self._entries[:: max(1, len(self._entries) // 8)], self._entries[-1]]):
            yield from file_identity(self.path / entry)

    def _open(self, entry: str) -> BinaryIO:
        return (self.path / entry).open("rb")

    def _title(self, entry: str) -> str:
        return str(self.path / entry)


class ZipSource(StillsSource):
    """A zip of frames, read without unpacking it to disk.

    Raises InputError for names that lead out of a folder, pictures that would unpack to more than the largest
    picture allowed, encryption, and a damaged archive.
    """

    kind = "zip"

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InputError(f"{path}: the zip is damaged or not one ({_short(error)})") from error
        try:
            entries = self._checked_entries()
            super().__init__(str(path), sorted(entries, key=natural_key), fps)
        except BaseException:
            self._zip.close()
            raise

    def identity(self) -> Iterator[bytes]:
        """See `Source.identity`: every name, size and checksum."""
        for entry in self._entries:
            info = self._zip.getinfo(entry)
            yield f"{entry}\0{info.file_size}\0{info.CRC}\0".encode("utf-8", "surrogateescape")

    def close(self) -> None:
        """See `Source.close`."""
        self._zip.close()

    def _checked_entries(self) -> list[str]:
        infos = self._zip.infolist()
        if len(infos) > _MAX_ENTRIES:
            raise InputError(f"{self.path}: the zip has {len(infos):,} entries, more than {_MAX_ENTRIES:,}")
        found: list[str] = []
        for info in infos:
            name = info.filename.replace("\\", "/")
            if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
                raise InputError(f"{self.path}: the entry {info.filename!r} leads out of the zip; make the zip anew")
            if info.is_dir() or not is_picture(name):
                continue
            if info.flag_bits & 1:
                raise InputError(f"{self.path}: the zip is encrypted; unpack it and give the folder")
            if info.file_size > MAX_ENTRY_BYTES:
                raise InputError(
                    f"{self.path}: {info.filename} would unpack to {info.file_size / 1e6:,.0f} MB, more than any "
                    f"picture that can be read ({MAX_ENTRY_BYTES / 1e6:,.0f} MB)"
                )
            if info.filename in found[-1:]:
                raise InputError(f"{self.path}: {info.filename} is in the zip twice")
            found.append(info.filename)
        if not found:
            raise InputError(f"{self.path}: there is no picture in this zip; frames are {_suffix_list()} files")
        return found

    def _open(self, entry: str) -> BinaryIO:
        with self._lock:
            if self._zip.fp is None:
                self._zip = zipfile.ZipFile(self.path)
        # ZipExtFile stops at the declared size and checks the sum, so that a false size cannot unpack to more.
        return cast(BinaryIO, self._zip.open(entry))

    def _title(self, entry: str) -> str:
        return f"{self.path}/{entry}"


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which img2 comes before img10."""
    parts = re.split(r"(\d+)", name.casefold())
    key = [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]
    return [*key, (2, 0, name)]


def is_picture(name: str) -> bool:
    """Whether a file name is that of a frame: a known suffix, not hidden, not a Mac's resource fork."""
    pure = PurePosixPath(name)
    return pure.suffix.lower() in SUFFIXES and not pure.name.startswith(".") and "__MACOSX" not in pure.parts


def _shown_size(image: Image.Image) -> Size:
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (image.width, image.height) if turned else (image.height, image.width)


def _unique_names(entries: Sequence[str]) -> list[str]:
    stems = [PurePosixPath(entry).stem for entry in entries]
    if len(set(stems)) == len(stems):
        return stems
    return [entry.replace("/", "_") for entry in entries]


def _short(error: BaseException) -> str:
    return "unknown format" if "cannot identify" in str(error) else reason(error)


def _suffix_list() -> str:
    return ".jpg, .png, .webp, .bmp or .tif"
