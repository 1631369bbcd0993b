"""What the steps of one process share: models, members from elsewhere, sizes of videos, whether to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.fusion.sources import Source, open_source
from singleout.runs.segmenting import StoppedError

if TYPE_CHECKING:
    from singleout.evaluation.selection import Selection
    from singleout.media import Video
    from singleout.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class Model:
    """A system that steps use. model, weights: as `zoo.load` takes them. options: of its calls."""

    model: str
    weights: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Tools:
    """See the module.

    benchmark: whose published options systems take. members: the folder that relative paths of the pipeline start from.
    device: for all models, None leaves it to them. stop: asked between frames.
    """

    def __init__(
        self,
        benchmark: str,
        members: Path,
        *,
        device: str | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.benchmark, self.members, self.device, self.stop = benchmark, members, device, stop
        self._sources: dict[Path, Source] = {}
        self._sizes: dict[str, tuple[tuple[int, int], str]] = {}
        self._loaded: tuple[Model, Segmenter] | None = None
        self._names: dict[Model, str] = {}

    def source(self, path: str) -> Source:
        """Masks made elsewhere, opened once. Raises InputError as `open_source`."""
        place = self.members / path
        if place not in self._sources:
            self._sources[place] = open_source(place)
        return self._sources[place]

    def agree(self, video: ReferringVideo, size: tuple[int, int], who: str) -> None:
        """Hold that all masks and frames of a video have one size (height, width); InputError names who differs."""
        if video.name not in self._sizes:
            pictured = picture_size(video)
            self._sizes[video.name] = (size, who) if pictured is None else (pictured, str(video.images[0]))
        known, first = self._sizes[video.name]
        if size != known:
            raise InputError(
                f"{who} has masks of {size[1]}x{size[0]} for video {video.name}, but {first} is {known[1]}x{known[0]}: "
                "all must have the size of the video's frames"
            )

    def frames(self, video: ReferringVideo) -> AbstractContextManager[Video | Selection]:
        """The frames of a video. Raises InputError where they are not there."""
        from singleout.evaluation.selection import open_frames

        check_frames(video)
        return open_frames(video.images[0].parent, video.frame_names)

    def load(self, model: Model) -> Segmenter:
        """A system, loaded. One is kept at a time, for steps come one after the other."""
        if self._loaded is None or self._loaded[0] is not model:
            from singleout.zoo import load

            self._loaded = None
            self._loaded = (model, load(model.model, weights=model.weights))
        return self._loaded[1]

    def options(self, model: Model) -> dict[str, Any]:
        """The options of its calls."""
        return {**model.options, **({} if self.device is None else {"device": self.device})}

    def check_model(self, model: Model, where: str) -> None:
        """Raise InputError for a model that is not known or not here, without loading it."""
        from singleout.systems.catalog import model_names, system_names
        from singleout.zoo import find_checkpoint
        from singleout.zoo.fetching import find_fetched

        try:
            self.identity(model)
            name = model.model
            if model.weights is not None or ":" in name or name in model_names() or Path(name).exists():
                return
            checkpoint = find_checkpoint(name)
            if checkpoint.system not in system_names():
                raise InputError(f"singleout cannot run {checkpoint.publisher.title} yet, only list and fetch it")
            if find_fetched(checkpoint) is None:
                raise InputError(f"{checkpoint.name} is not here yet: singleout get {checkpoint.name} fetches it")
        except InputError as error:
            raise InputError(f"{where}: {error}") from error

    def identity(self, model: Model) -> str:
        """The name of a model with a digest of its weights, see `zoo.loading.fingerprint`."""
        from singleout.zoo.loading import fingerprint

        if model not in self._names:
            self._names[model] = fingerprint(model.model, model.weights)
        return self._names[model]

    def may_stop(self, what: str) -> None:
        """Raise StoppedError where the user asked to stop."""
        if self.stop():
            raise StoppedError(f"{what} was not finished")


def check_frames(video: ReferringVideo) -> None:
    """Raise InputError where a frame of the data set is not there."""
    missing = [path for path in video.images if not path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]} is missing ({len(missing)} of the {len(video.images)} frames of {video.name}): systems need "
            "the frames, so unpack the data set whole"
        )


def picture_size(video: ReferringVideo) -> tuple[int, int] | None:
    """Height and width of the first frame; None where the frames are not here."""
    from PIL import Image

    if not video.images or not video.images[0].is_file():
        return None
    try:
        with Image.open(video.images[0]) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{video.images[0]} cannot be read as a picture: {error}") from error
