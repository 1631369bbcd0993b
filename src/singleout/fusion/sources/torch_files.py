"""Members as the challenge's programs write them: files of torch.save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.fusion.sources.base import Source, Values, file_state, one_size
from singleout.fusion.store import Scores
from singleout.zoo.stored import StoredTensor, read_stored

_MASKS, _SCORES = "mask_logits", "class_info"


class TorchSource(Source):
    """Files of torch.save. A video is in one of them."""

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        super().__init__(path)
        self._files = list(files)

    @cached_property
    def _videos(self) -> Mapping[str, tuple[Path, Mapping[str, Any]]]:
        found: dict[str, tuple[Path, Mapping[str, Any]]] = {}
        for file in self._files:
            content = read_stored(file)
            if not isinstance(content, Mapping) or not all(isinstance(each, Mapping) for each in content.values()):
                raise InputError(f"{file}: expected videos by name, and in each its sentences; it holds something else")
            for name, sentences in content.items():
                if str(name) in found:
                    raise InputError(f"video {name} is in {found[str(name)][0].name} and in {file}: take one out")
                found[str(name)] = (file, {str(key): each for key, each in sentences.items()})
        return found

    def size(self, video: ReferringVideo) -> tuple[int, int]:
        """See `Source`."""
        sizes: dict[tuple[int, ...], str] = {}
        for sentence in video.sentences:
            shape = self._tensor(video, sentence.id).shape
            if len(shape) != 3 or shape[0] != len(video.frame_names):
                due = f"a mask for each of its {len(video.frame_names)} frames"
                raise self.wrong(video, sentence.id, f"has masks of shape {list(shape)}, expected {due}")
            scores = self._scores(video, sentence.id)
            if scores is not None and len(scores) != shape[0]:
                raise self.wrong(video, sentence.id, f"has {len(scores)} scores for {shape[0]} frames")
            sizes.setdefault(shape[1:], sentence.id)
        return one_size(self, video, sizes)

    def masks(self, video: ReferringVideo, sentence: str) -> Iterator[Values]:
        """See `Source`."""
        return self._tensor(video, sentence).rows()

    def scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        """See `Source`."""
        return self._scores(video, sentence)

    def stamp(self, video: ReferringVideo) -> Any:
        """The checksums of the archive: a copy of the file, or another one with the same content, is the same."""
        found: list[Any] = []
        for sentence in video.sentences:
            tensor = self._tensor(video, sentence.id)
            scores = self._scores(video, sentence.id)
            told = tensor.checksum or self.state(video)
            found.append([told, tensor.kind, tensor.start, tensor.shape, None if scores is None else scores.tolist()])
        return found

    def state(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return file_state(self._entry(video)[0])

    def _entry(self, video: ReferringVideo) -> tuple[Path, Mapping[str, Any]]:
        if video.name not in self._videos:
            raise self.missing("no masks", video)
        return self._videos[video.name]

    def _sentence(self, video: ReferringVideo, sentence: str) -> Mapping[str, Any]:
        sentences = self._entry(video)[1]
        if sentence not in sentences:
            raise self.missing("no masks", video, sentence)
        found = sentences[sentence]
        if not isinstance(found, Mapping):
            raise self.wrong(video, sentence, f'is a {type(found).__name__}, expected "{_MASKS}" and "{_SCORES}"')
        return found

    def _tensor(self, video: ReferringVideo, sentence: str) -> StoredTensor:
        tensor = self._sentence(video, sentence).get(_MASKS)
        if not isinstance(tensor, StoredTensor):
            raise self.wrong(video, sentence, f'has no tensor "{_MASKS}"')
        return tensor

    def _scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        found = self._sentence(video, sentence).get(_SCORES)
        if isinstance(found, StoredTensor):
            found = found.array()
        try:
            return None if found is None else np.array(found, np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise self.wrong(video, sentence, f'has a "{_SCORES}" that is no list of numbers') from error
