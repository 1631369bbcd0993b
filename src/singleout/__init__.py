"""singleout: words or marks go in with a video, tracks come out.

This is the face of the package: every public name is reached from here and loaded when it is first used, so that
``import singleout`` costs nothing. What joins two rooms also lives here: opening a picture of a mask as a prompt,
saving tracks together with their overlay.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from singleout.version import __version__ as __version__

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from singleout import prompts
    from singleout.errors import InputError as InputError
    from singleout.media import Video as Video
    from singleout.prompts import Box as Box
    from singleout.prompts import Categories as Categories
    from singleout.prompts import Phrase as Phrase
    from singleout.prompts import Points as Points
    from singleout.segmenter import Segmenter as Segmenter
    from singleout.systems.catalog import model_names as model_names
    from singleout.tracks import Tracks as Tracks
    from singleout.zoo import load as load

_HOME_OF = {
    "Box": "singleout.prompts",
    "Categories": "singleout.prompts",
    "InputError": "singleout.errors",
    "Phrase": "singleout.prompts",
    "Points": "singleout.prompts",
    "Segmenter": "singleout.segmenter",
    "Tracks": "singleout.tracks",
    "Video": "singleout.media",
    "load": "singleout.zoo",
    "model_names": "singleout.systems.catalog",
}

__all__ = [
    "Box",
    "Categories",
    "InputError",
    "Mask",
    "Phrase",
    "Points",
    "Segmenter",
    "Tracks",
    "Video",
    "__version__",
    "load",
    "model_names",
    "save",
    "segment",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'singleout' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})


def Mask(ids: Any, frame: int = 0, object_id: int | None = None) -> prompts.Mask:  # noqa: N802
    """A prompt from a picture of object ids: the path of an image, or an array (height, width) of integers or bool.

    Spelled like the other prompts because that is what it makes: a `prompts.Mask`. Raises InputError for a file or an
    array that does not hold one id per pixel.
    """
    from os import PathLike, fspath

    from singleout.prompts import Mask as MaskPrompt

    if isinstance(ids, (str, PathLike)):
        from singleout.media import read_ids

        return MaskPrompt(read_ids(ids), frame=frame, object_id=object_id, source=str(fspath(ids)))
    return MaskPrompt(ids, frame=frame, object_id=object_id)


def segment(video: Any, prompts: Any, *, model: str | Segmenter = "starter", **options: Any) -> Tracks:
    """The tracks of everything that the prompts mean, over the whole video: `load` and `Segmenter.segment` at once.

    video: a path, an array or a `Video`. prompts: a sentence, a list of category names, or prompts. options: of the
    system, such as ``device="cuda"``. Raises InputError for what cannot be opened or does not fit.
    """
    from singleout.zoo import load

    return load(model).segment(video, prompts, **options)


def save(tracks: Tracks, folder: str | PathLike[str], *, video: Any = None, overwrite: bool = False) -> Path:
    """Write ``tracks.json``, palette masks and, where the video is given, the overlay and the contact sheet.

    video: what the tracks were made from (a path, an array or a `Video`). overwrite: replace other tracks that were
    saved in this folder before; files that singleout did not make are never touched. Returns the folder. Raises
    InputError where it cannot be written or holds other results.
    """
    from singleout.runs.products import save_tracks

    return save_tracks(tracks, folder, video=video, overwrite=overwrite)
