"""singleout: words or marks go in with a video, tracks come out.

This is the face of the package: every public name is reached from here and loaded when it is first used, so
that ``import singleout`` costs nothing. What joins two rooms also lives here: opening a picture of a mask as a
prompt, loading a model by name, saving tracks with their overlay.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    from singleout.tracks import Tracks as Tracks

__version__ = "0.1.0"

_HOME_OF = {
    "Box": "singleout.prompts",
    "Categories": "singleout.prompts",
    "Phrase": "singleout.prompts",
    "Points": "singleout.prompts",
    "InputError": "singleout.errors",
    "Segmenter": "singleout.segmenter",
    "Tracks": "singleout.tracks",
    "Video": "singleout.media",
}
_SYSTEM_OF = {"starter": "singleout.systems.starter"}

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

    Spelled like the other prompts because that is what it makes: a `prompts.Mask`. Raises InputError for a file
    or an array that does not hold one id per pixel.
    """
    from pathlib import Path

    from singleout.prompts import Mask as MaskPrompt

    if isinstance(ids, (str, Path)):
        from singleout.media.images import read_ids

        return MaskPrompt(read_ids(ids), frame=frame, object_id=object_id, source=str(ids))
    return MaskPrompt(ids, frame=frame, object_id=object_id)


def model_names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return tuple(_SYSTEM_OF)


def load(model: str | Segmenter = "starter") -> Segmenter:
    """A system, loaded and ready.

    model: a name of `model_names`; or ``package.module:name`` of a system of your own, where ``name`` is a
    `Segmenter`, or a function or class that gives one when called; or a `Segmenter`, which is returned as it is.
    Raises InputError for a name that is not known.
    """
    from singleout.segmenter import Segmenter

    if isinstance(model, Segmenter):
        return model
    if model in _SYSTEM_OF:
        loaded = import_module(_SYSTEM_OF[model]).load()
    elif ":" in model:
        loaded = _load_own(model)
    else:
        from singleout.errors import InputError

        known = ", ".join(_SYSTEM_OF)
        raise InputError(f"there is no model {model!r}: expected {known}, or package.module:name of your own")
    if not isinstance(loaded, Segmenter):
        from singleout.errors import InputError

        raise InputError(f"model {model!r} is a {type(loaded).__name__}, expected a singleout Segmenter")
    return loaded


def segment(video: Any, prompts: Any, *, model: str | Segmenter = "starter", **options: Any) -> Tracks:
    """The tracks of everything that the prompts mean, over the whole video: `load` and `Segmenter.segment` at once.

    video: a path, an array or a `Video`. prompts: a sentence, a list of category names, or prompts. options: of the
    system, such as ``device="cuda"``. Raises InputError for what cannot be opened or does not fit.
    """
    return load(model).segment(video, prompts, **options)


def save(tracks: Tracks, folder: str | PathLike[str], *, video: Any = None, overwrite: bool = False) -> Path:
    """Write ``tracks.json``, palette masks and, where the video is given, the overlay and the contact sheet.

    video: what the tracks were made from (a path, an array or a `Video`). overwrite: replace other tracks that were
    saved in this folder before; files that singleout did not make are never touched. Returns the folder. Raises
    InputError where it cannot be written or holds other results.
    """
    from singleout.runs.products import save_tracks

    return save_tracks(tracks, folder, video=video, overwrite=overwrite)


def _load_own(model: str) -> Any:
    from singleout.errors import InputError

    module_name, _, attribute = model.partition(":")
    try:
        found = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"model {model!r} cannot be loaded: {error}") from error
    return found() if callable(found) else found
